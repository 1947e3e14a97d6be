/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A pattern is a row of tokens; matching keeps the set of all positions in this row that are possible after the bytes
 * so far, one bit for each (Thompson's simulation, without building states). It never goes back, so no pattern takes
 * exponential time, and the sets of a typical short pattern are one word. Braces are not supported: write two patterns
 * instead. */

#include "util/glob.h"

#include <ctype.h>

#define GLOB_WORDS ((GLOB_MAX + 1 + 63) / 64)

typedef enum TokenType {
        TOKEN_BYTE,        /* this byte */
        TOKEN_SET,         /* one byte of a set */
        TOKEN_NAME,        /* any number of bytes but slashes */
        TOKEN_DIRECTORIES, /* any number of bytes that end in a slash, or none: "**" with its slash */
        TOKEN_REST,        /* one or more bytes */
} TokenType;

typedef struct ByteSet {
        uint64_t words[4];
} ByteSet;

typedef struct Token {
        uint8_t type;
        unsigned char byte;
        uint16_t set;
} Token;

struct Glob {
        ByteSet *sets;
        size_t n_tokens, n_sets;
        Token tokens[];
};

static void byte_set_add(ByteSet *s, unsigned char byte) {
        s->words[byte / 64] |= UINT64_C(1) << (byte % 64);
}

static bool byte_set_has(const ByteSet *s, unsigned char byte) {
        return s->words[byte / 64] & (UINT64_C(1) << (byte % 64));
}

/* --- reading a pattern --- */

static const struct {
        const char *name;
        int (*is)(int c);
} classes[] = {
        { "[:alnum:]", isalnum }, { "[:alpha:]", isalpha }, { "[:blank:]", isblank }, { "[:cntrl:]", iscntrl },
        { "[:digit:]", isdigit }, { "[:graph:]", isgraph }, { "[:lower:]", islower }, { "[:print:]", isprint },
        { "[:punct:]", ispunct }, { "[:space:]", isspace }, { "[:upper:]", isupper }, { "[:xdigit:]", isxdigit },
};

/* Adds the named class at the beginning of p; returns its length in bytes, or 0. Bytes above 127 are in no class, in
 * any locale. */
static size_t parse_class(ByteSet *s, const char *p) {
        for (size_t i = 0; i < ELEMENTSOF(classes); i++) {
                if (!startswith(p, classes[i].name))
                        continue;
                for (unsigned char c = 0; c < 128; c++)
                        if (classes[i].is(c))
                                byte_set_add(s, c);
                return strlen(classes[i].name);
        }
        return 0;
}

/* Parses one byte of a set, with its backslash; returns the length, or 0 at the end of the pattern. */
static size_t parse_set_byte(const char *p, unsigned char *ret) {
        size_t n = p[0] == '\\' && p[1] ? 2 : 1;

        *ret = (unsigned char)p[n - 1];
        return *ret ? n : 0;
}

static size_t parse_range(ByteSet *s, const char *p) {
        unsigned char from, to;
        size_t n, m;

        n = parse_set_byte(p, &from);
        if (n == 0)
                return 0;
        to = from;
        if (p[n] == '-' && p[n + 1] && p[n + 1] != ']') {
                m = parse_set_byte(p + n + 1, &to);
                n += 1 + m;
        }
        for (unsigned c = from; c <= to; c++)
                byte_set_add(s, (unsigned char)c);
        return n;
}

/* Parses a set after its opening bracket; returns the length including the closing bracket, or 0 if there is none. */
static size_t parse_set(ByteSet *s, const char *p) {
        bool invert = p[0] == '!' || p[0] == '^';
        size_t i = invert, first = i;

        *s = (ByteSet){};
        while (p[i] && (p[i] != ']' || i == first)) {
                size_t n = p[i] == '[' ? parse_class(s, p + i) : 0;

                n = n > 0 ? n : parse_range(s, p + i);
                if (n == 0)
                        return 0;
                i += n;
        }
        if (!p[i])
                return 0;
        for (size_t k = 0; invert && k < ELEMENTSOF(s->words); k++)
                s->words[k] = ~s->words[k];
        s->words['/' / 64] &= ~(UINT64_C(1) << ('/' % 64));
        return i + 1;
}

static void glob_add(Glob *g, TokenType type, unsigned char byte) {
        g->tokens[g->n_tokens++] = (Token){ .type = (uint8_t)type, .byte = byte };
}

static void glob_add_set(Glob *g, const ByteSet *s) {
        assert(g->n_sets <= g->n_tokens); /* each is a token, of a byte of the pattern at least */
        g->sets[g->n_sets] = *s;
        g->tokens[g->n_tokens++] = (Token){ .type = TOKEN_SET, .set = (uint16_t)g->n_sets++ };
}

/* Parses asterisks; returns the length. Two or more that are a whole component cross directories. */
static size_t parse_asterisks(Glob *g, const char *pattern, const char *p) {
        size_t n = strspn(p, "*");
        bool whole = n >= 2 && (p == pattern || p[-1] == '/');

        if (whole && p[n] == '/') {
                glob_add(g, TOKEN_DIRECTORIES, 0);
                return n + 1;
        }
        glob_add(g, whole && !p[n] ? TOKEN_REST : TOKEN_NAME, 0);
        return n;
}

/* Parses one token; returns the length, or 0 for a backslash at the end. */
static size_t parse_token(Glob *g, const char *pattern, const char *p) {
        ByteSet set = { { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX } };
        size_t n;

        switch (p[0]) {
        case '*':
                return parse_asterisks(g, pattern, p);
        case '?':
                set.words['/' / 64] &= ~(UINT64_C(1) << ('/' % 64));
                glob_add_set(g, &set);
                return 1;
        case '[':
                n = parse_set(&set, p + 1);
                if (n > 0) {
                        glob_add_set(g, &set);
                        return n + 1;
                }
                break; /* never closed: a byte like any other, as in fnmatch(3) */
        case '\\':
                if (!p[1])
                        return 0;
                glob_add(g, TOKEN_BYTE, (unsigned char)p[1]);
                return 2;
        }
        glob_add(g, TOKEN_BYTE, (unsigned char)p[0]);
        return 1;
}

int glob_new(Glob **ret, const char *pattern) {
        _cleanup_(glob_freep) Glob *g = NULL;
        size_t length = strlen(pattern);

        if (length == 0)
                return -EINVAL;
        if (length > GLOB_MAX)
                return -E2BIG;
        g = calloc(1, sizeof(*g) + length * sizeof(Token));
        if (!g)
                return -ENOMEM;
        g->sets = calloc(length, sizeof(ByteSet));
        if (!g->sets)
                return -ENOMEM;
        for (const char *p = pattern; *p;) {
                size_t n = parse_token(g, pattern, p);

                if (n == 0)
                        return -EINVAL;
                p += n;
        }
        *ret = TAKE_PTR(g);
        return 0;
}

Glob *glob_free(Glob *g) {
        if (!g)
                return NULL;
        free(g->sets);
        return mfree(g);
}

bool glob_is_pattern(const char *text) {
        return strpbrk(text, "*?[\\");
}

/* --- matching --- */

/* Adds position i, and all positions that can be reached from there without a byte. */
static void places_add(const Glob *g, uint64_t *places, size_t i) {
        assert(i <= g->n_tokens);
        for (;; i++) {
                places[i / 64] |= UINT64_C(1) << (i % 64);
                if (i == g->n_tokens || (g->tokens[i].type != TOKEN_NAME && g->tokens[i].type != TOKEN_DIRECTORIES))
                        return;
        }
}

static inline void places_stay(uint64_t *places, size_t i) {
        places[i / 64] |= UINT64_C(1) << (i % 64);
}

static void step_token(const Glob *g, size_t i, unsigned char byte, uint64_t *next) {
        const Token *t = &g->tokens[i];

        switch ((TokenType)t->type) {
        case TOKEN_BYTE:
                if (byte == t->byte)
                        places_add(g, next, i + 1);
                return;
        case TOKEN_SET:
                if (byte_set_has(&g->sets[t->set], byte))
                        places_add(g, next, i + 1);
                return;
        case TOKEN_NAME:
                if (byte != '/')
                        places_add(g, next, i);
                return;
        case TOKEN_DIRECTORIES:
                places_stay(next, i);
                if (byte == '/')
                        places_add(g, next, i + 1);
                return;
        case TOKEN_REST:
                places_stay(next, i);
                places_add(g, next, i + 1);
                return;
        }
}

/* Consumes one byte at all positions; false if no position is left. */
static bool step(const Glob *g, const uint64_t *places, unsigned char byte, uint64_t *next, size_t n_words) {
        uint64_t any = 0;

        memset(next, 0, n_words * sizeof(uint64_t));
        for (size_t w = 0; w < n_words; w++)
                for (uint64_t left = places[w]; left != 0; left &= left - 1) {
                        size_t i = w * 64 + (size_t)__builtin_ctzll(left);

                        if (i < g->n_tokens)
                                step_token(g, i, byte, next);
                }
        for (size_t w = 0; w < n_words; w++)
                any |= next[w];
        return any != 0;
}

bool glob_match(const Glob *g, const char *path, size_t n) {
        uint64_t sets[2][GLOB_WORDS];
        size_t n_words = g->n_tokens / 64 + 1;

        assert(n_words <= GLOB_WORDS);
        memset(sets[0], 0, n_words * sizeof(uint64_t));
        places_add(g, sets[0], 0);
        for (size_t i = 0; i < n; i++)
                if (!step(g, sets[i % 2], (unsigned char)path[i], sets[(i + 1) % 2], n_words))
                        return false;
        return sets[n % 2][g->n_tokens / 64] & (UINT64_C(1) << (g->n_tokens % 64));
}
