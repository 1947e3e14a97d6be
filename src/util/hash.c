/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* SipHash (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012) with one round a word and three at the end,
 * which is what hash tables of several languages use. One half of its key is the seed, the other a constant: the seed
 * alone is what an attacker would have to guess. */

#include "util/hash.h"

#include <endian.h>
#include <string.h>
#include <sys/random.h>

#include "util/clock.h"

#define SECOND_KEY UINT64_C(0x9e3779b97f4a7c15)

typedef struct SipState {
        uint64_t v0, v1, v2, v3;
} SipState;

#define ROTATE(x, bits) ((x) << (bits) | (x) >> (64 - (bits)))

static inline void sip_round(SipState *s) {
        s->v0 += s->v1;
        s->v1 = ROTATE(s->v1, 13) ^ s->v0;
        s->v0 = ROTATE(s->v0, 32);
        s->v2 += s->v3;
        s->v3 = ROTATE(s->v3, 16) ^ s->v2;
        s->v0 += s->v3;
        s->v3 = ROTATE(s->v3, 21) ^ s->v0;
        s->v2 += s->v1;
        s->v1 = ROTATE(s->v1, 17) ^ s->v2;
        s->v2 = ROTATE(s->v2, 32);
}

static inline void sip_word(SipState *s, uint64_t word) {
        s->v3 ^= word;
        sip_round(s);
        s->v0 ^= word;
}

uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t n) {
        SipState s = {
                .v0 = seed ^ UINT64_C(0x736f6d6570736575),
                .v1 = SECOND_KEY ^ UINT64_C(0x646f72616e646f6d),
                .v2 = seed ^ UINT64_C(0x6c7967656e657261),
                .v3 = SECOND_KEY ^ UINT64_C(0x7465646279746573),
        };
        const unsigned char *p = bytes;
        uint64_t word, last = (uint64_t)n << 56;

        for (; n >= sizeof(word); n -= sizeof(word), p += sizeof(word)) {
                memcpy(&word, p, sizeof(word));
                sip_word(&s, le64toh(word));
        }
        for (size_t i = 0; i < n; i++)
                last |= (uint64_t)p[i] << (8 * i);
        sip_word(&s, last);
        s.v2 ^= 0xff;
        for (int i = 0; i < 3; i++)
                sip_round(&s);
        return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t hash_seed(void) {
        static uint64_t seed;

        /* Early during boot there may be no random bytes yet, but no attacker either. */
        while (seed == 0)
                if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed))
                        seed = now_realtime() | 1;
        return seed;
}
