/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Exact arithmetic with integers: what a size comes to must not depend on how a double is rounded. */

#include "util/size.h"

#include <inttypes.h>
#include <stdio.h>

#define DIGITS         "0123456789"
#define DECIMALS_MAX   9
#define PERMYRIAD_FULL 10000

/* Takes digits, at least one, as a number. */
static int take_number(const char **p, uint64_t *ret) {
        uint64_t value = 0;
        const char *s = *p;

        if (*s < '0' || *s > '9')
                return -EINVAL;
        for (; *s >= '0' && *s <= '9'; s++)
                if (__builtin_mul_overflow(value, 10, &value) ||
                    __builtin_add_overflow(value, (uint64_t)(*s - '0'), &value))
                        return -ERANGE;
        *p = s;
        *ret = value;
        return 0;
}

/* Takes ".25" as 25 of 100, or nothing as 0 of 1. */
static int take_fraction(const char **p, size_t max, uint64_t *ret, uint64_t *ret_of) {
        uint64_t of = 1;
        size_t n;
        int r;

        *ret = 0;
        *ret_of = 1;
        if (**p != '.')
                return 0;
        n = strspn(*p + 1, DIGITS);
        if (n == 0 || n > max)
                return -EINVAL;
        for (size_t i = 0; i < n; i++)
                of *= 10;
        (*p)++;
        r = take_number(p, ret);
        if (r >= 0)
                *ret_of = of;
        return r;
}

/* The power of the base that a suffix stands for, from 0; takes it. */
static unsigned take_suffix(const char **p) {
        static const char suffixes[] = "BKMGTPE";
        const char *at = **p != '\0' ? strchr(suffixes, **p) : NULL;

        if (!at)
                return 0;
        (*p)++;
        return (unsigned)(at - suffixes);
}

static int take_term(const char **p, uint64_t base, unsigned *ret_power, uint64_t *ret) {
        uint64_t whole, fraction, of, factor = 1, product;
        unsigned power;
        int r;

        r = take_number(p, &whole);
        if (r >= 0)
                r = take_fraction(p, DECIMALS_MAX, &fraction, &of);
        if (r < 0)
                return r;
        *p += strspn(*p, " \t");
        power = take_suffix(p);
        for (unsigned i = 0; i < power; i++)
                factor *= base;
        fraction = factor / of * fraction + factor % of * fraction / of;
        if (__builtin_mul_overflow(whole, factor, &product) || __builtin_add_overflow(product, fraction, &product))
                return -ERANGE;
        *ret_power = power;
        *ret = product;
        return 0;
}

/* Terms go from the large to the small, as in "1G 500M": "500M 1G" is most likely two values for one key. */
int size_parse(const char *s, uint64_t base, uint64_t *ret) {
        unsigned last = UINT32_MAX;
        uint64_t sum = 0;

        if (streq(s, "infinity")) {
                *ret = SIZE_ENDLESS;
                return 0;
        }
        do {
                uint64_t term;
                unsigned power;
                int r = take_term(&s, base, &power, &term);

                if (r < 0)
                        return r;
                if (power >= last)
                        return -EINVAL;
                if (__builtin_add_overflow(sum, term, &sum) || sum == SIZE_ENDLESS)
                        return -ERANGE;
                last = power;
                s += strspn(s, " \t");
        } while (*s != '\0');
        *ret = sum;
        return 0;
}

int percent_parse(const char *s, uint32_t *ret) {
        uint64_t whole, fraction, of;
        int r;

        r = take_number(&s, &whole);
        if (r >= 0)
                r = take_fraction(&s, 2, &fraction, &of);
        if (r < 0)
                return r;
        if (!streq(s, "%"))
                return -EINVAL;
        if (whole > UINT32_MAX / PERCENT_ONE - 1)
                return -ERANGE;
        *ret = (uint32_t)(whole * PERCENT_ONE + fraction * (PERCENT_ONE / of));
        return 0;
}

uint32_t percent_scale(uint32_t permyriad) {
        return (uint32_t)(((uint64_t)permyriad * UINT32_MAX + PERMYRIAD_FULL / 2) / PERMYRIAD_FULL);
}

/* Truncated, not rounded, like systemd: a limit of 100M that is reached within some bytes must not read as 100M. */
char *size_format(char buf[static SIZE_TEXT_MAX], uint64_t n) {
        static const char letters[] = "EPTGMK";
        uint64_t unit = UINT64_C(1) << 60;

        for (const char *letter = letters; *letter; letter++, unit >>= 10) {
                uint64_t tenths;

                if (n < unit)
                        continue;
                tenths = n % unit * 10 / unit;
                if (tenths > 0)
                        (void)snprintf(buf, SIZE_TEXT_MAX, "%" PRIu64 ".%" PRIu64 "%c", n / unit, tenths, *letter);
                else
                        (void)snprintf(buf, SIZE_TEXT_MAX, "%" PRIu64 "%c", n / unit, *letter);
                return buf;
        }
        (void)snprintf(buf, SIZE_TEXT_MAX, "%" PRIu64 "B", n);
        return buf;
}
