/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Time spans, read and written as systemd 252 does it: a list of number-and-unit pairs that are added up. Integer
 * arithmetic only, so that "0.1s" is 100000 µs and not a rounding of it; a fraction is cut, not rounded, at the
 * microsecond. What systemd-analyze accepts by accident (a plus sign, "12.34 .56") is accepted here too, since a
 * setting that works in a timer unit should work in a job file. */

#include "time/span.h"
#include "util/macro.h"

#define BLANKS " \t\n\r"
#define DIGITS "0123456789"

static const struct unit {
        const char *name;
        usec_t usec;
} units[] = {
        /* clang-format off */
        { "usec", 1 }, { "us", 1 }, { "\xc2\xb5s", 1 } /* micro sign */, { "\xce\xbcs", 1 } /* Greek mu */,
        { "msec", USEC_PER_MSEC }, { "ms", USEC_PER_MSEC },
        { "seconds", USEC_PER_SEC }, { "second", USEC_PER_SEC }, { "sec", USEC_PER_SEC }, { "s", USEC_PER_SEC },
        { "minutes", USEC_PER_MINUTE }, { "minute", USEC_PER_MINUTE }, { "min", USEC_PER_MINUTE },
        { "m", USEC_PER_MINUTE },
        { "hours", USEC_PER_HOUR }, { "hour", USEC_PER_HOUR }, { "hr", USEC_PER_HOUR }, { "h", USEC_PER_HOUR },
        { "days", USEC_PER_DAY }, { "day", USEC_PER_DAY }, { "d", USEC_PER_DAY },
        { "weeks", USEC_PER_WEEK }, { "week", USEC_PER_WEEK }, { "w", USEC_PER_WEEK },
        { "months", USEC_PER_MONTH }, { "month", USEC_PER_MONTH }, { "M", USEC_PER_MONTH },
        { "years", USEC_PER_YEAR }, { "year", USEC_PER_YEAR }, { "y", USEC_PER_YEAR },
        /* clang-format on */
};

static const struct unit nsec_units[] = { { "nsec", 1 }, { "ns", 1 } };

/* What is counted: µs, or ns. */
typedef struct Scale {
        usec_t default_unit;
        usec_t per_usec; /* 1 or 1000 */
} Scale;

/* The longest unit that s starts with, so that "minutes" is not read as "m" and a rest; NULL without one. No letter
 * has to end it: "1min2s" and "1ss1" are read unit by unit, and what is no number afterwards is refused there. */
static const struct unit *unit_find(const char *s, const struct unit *list, size_t n) {
        const struct unit *best = NULL;

        for (size_t i = 0; i < n; i++)
                if (*s == *list[i].name && startswith(s, list[i].name) &&
                    (!best || strlen(list[i].name) > strlen(best->name)))
                        best = &list[i];
        return best;
}

/* Moves *p behind the unit there, if there is one. */
static usec_t read_unit(const char **p, const Scale *scale) {
        const struct unit *unit = unit_find(*p, units, ELEMENTSOF(units));
        usec_t factor = unit ? unit->usec * scale->per_usec : scale->default_unit;

        if (!unit && scale->per_usec > 1)
                unit = unit_find(*p, nsec_units, ELEMENTSOF(nsec_units));
        if (unit)
                *p += strlen(unit->name);
        return factor;
}

static int add_part(usec_t *sum, usec_t part) {
        if (part >= USEC_INFINITY - *sum)
                return -ERANGE;
        *sum += part;
        return 0;
}

/* Adds the digits behind the point; ever smaller powers of ten of the unit, until nothing is left of it. */
static int add_fraction(usec_t *sum, const char *digits, usec_t unit) {
        for (usec_t step = unit / 10; *digits >= '0' && *digits <= '9'; digits++, step /= 10) {
                int r = add_part(sum, (usec_t)(*digits - '0') * step);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* Reads one "NUMBER[.FRACTION][UNIT]" at *p and moves *p behind it. */
static int parse_pair(const char **p, const Scale *scale, usec_t *sum) {
        const char *fraction = NULL, *tail, *unit;
        usec_t factor;
        long long whole;
        char *end;
        int r;

        if (**p == '-')
                return -EINVAL;
        errno = 0;
        whole = strtoll(*p, &end, 10);
        if (errno == ERANGE)
                return -ERANGE;
        if (whole < 0)
                return -EINVAL;
        if (*end == '.') {
                fraction = end + 1;
                tail = fraction + strspn(fraction, DIGITS);
                if (tail == fraction)
                        return -EINVAL;
        } else if (end == *p)
                return -EINVAL;
        else
                tail = end;

        *p = unit = tail + strspn(tail, BLANKS);
        factor = read_unit(p, scale);
        if (*p == unit && unit == tail && *tail != '\0')
                return -EINVAL; /* "12.34.56", "5x" */

        if (factor == 0 || (usec_t)whole >= USEC_INFINITY / factor)
                return -ERANGE;
        r = add_part(sum, (usec_t)whole * factor);
        if (r < 0)
                return r;
        return fraction ? add_fraction(sum, fraction, factor) : 0;
}

static int parse_span(const char *s, const Scale *scale, usec_t *ret) {
        const char *p = s + strspn(s, BLANKS), *rest;
        usec_t sum = 0;

        rest = startswith(p, "infinity");
        if (rest) {
                if (rest[strspn(rest, BLANKS)] != '\0')
                        return -EINVAL;
                *ret = USEC_INFINITY;
                return 0;
        }
        if (*p == '\0')
                return -EINVAL;
        do {
                int r = parse_pair(&p, scale, &sum);

                if (r < 0)
                        return r;
                p += strspn(p, BLANKS);
        } while (*p != '\0');

        *ret = sum;
        return 0;
}

int span_parse_full(const char *s, usec_t default_unit, usec_t *ret) {
        return parse_span(s, &(const Scale){ default_unit, 1 }, ret);
}

int span_parse_nsec(const char *s, uint64_t *ret) {
        return parse_span(s, &(const Scale){ 1, NSEC_PER_USEC }, ret);
}

int span_parse(const char *s, usec_t *ret) {
        return span_parse_full(s, USEC_PER_SEC, ret);
}

/* Below a minute everything goes into one number with a fraction ("1.500000s"), all digits written that the accuracy
 * leaves. False when it leaves none: the caller writes a whole number then. */
static bool format_fraction(char *out, size_t size, const char *sep, usec_t span, usec_t unit, const char *name,
                            usec_t accuracy) {
        usec_t whole = span / unit, rest = span % unit;
        int digits = 0;

        for (usec_t u = unit; u > 1; u /= 10)
                digits++;
        for (usec_t a = accuracy; a > 1; a /= 10) {
                rest /= 10;
                digits--;
        }
        if (digits <= 0)
                return false;
        (void)snprintf(out, size, "%s%" PRI_USEC ".%0*" PRI_USEC "%s", sep, whole, MIN(digits, 6), rest, name);
        return true;
}

/* Appends "15min", without snprintf(): a list has two or three of them a line. */
static char *put_part(char *p, const char *sep, usec_t n, const char *name) {
        char digits[20], *d = digits + sizeof(digits);

        do
                *--d = (char)('0' + n % 10);
        while ((n /= 10) > 0);
        p = mempcpy(stpcpy(p, sep), d, (size_t)(digits + sizeof(digits) - d));
        return stpcpy(p, name);
}

char *span_format(char buf[static SPAN_TEXT_MAX], usec_t span, usec_t accuracy) {
        static const struct unit steps[] = {
                { "y", USEC_PER_YEAR }, { "month", USEC_PER_MONTH }, { "w", USEC_PER_WEEK },
                { "d", USEC_PER_DAY },  { "h", USEC_PER_HOUR },      { "min", USEC_PER_MINUTE },
                { "s", USEC_PER_SEC },  { "ms", USEC_PER_MSEC },     { "us", 1 },
        };
        size_t used = 0;

        if (span == USEC_INFINITY)
                return strcpy(buf, "infinity");
        if (span == 0)
                return strcpy(buf, "0");

        buf[0] = '\0';
        for (size_t i = 0; i < ELEMENTSOF(steps) && span > 0; i++) {
                const char *sep = used > 0 ? " " : "";

                if (span < accuracy && used > 0)
                        break;
                if (span < steps[i].usec)
                        continue;
                if (span < USEC_PER_MINUTE && span % steps[i].usec > 0 &&
                    format_fraction(buf + used, SPAN_TEXT_MAX - used, sep, span, steps[i].usec, steps[i].name,
                                    accuracy))
                        break;
                used = (size_t)(put_part(buf + used, sep, span / steps[i].usec, steps[i].name) - buf);
                assert(used < SPAN_TEXT_MAX);
                span %= steps[i].usec;
        }
        return buf;
}
