/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Limits and readings: integers, so that what is written is what is compared, and a limit prints as it was written. A
 * share is compared by multiplication in 128 bits: nothing is rounded, and nothing overflows. */

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "condition/condition-internal.h"
#include "time/span.h"
#include "util/ascii.h"
#include "util/size.h"
#include "util/string-table.h"
#include "util/utf8.h"

#define DIGITS         "0123456789"
#define SHOWN_MAX      64
#define MILLI_ONE      1000
#define MILLI_DECIMALS 3
#define PERCENT_FULL   (100 * PERCENT_ONE)
#define SIZE_BASE      1024

/* --- limits from text: -EINVAL, -ERANGE --- */

static int add_digit(int64_t *value, char digit) {
        return __builtin_mul_overflow(*value, 10, value) || __builtin_add_overflow(*value, digit - '0', value)
                       ? -ERANGE
                       : 0;
}

/* "-12.5" as -12500 with three decimals. */
static int limit_parse_decimal(const char *s, size_t decimals, int64_t *ret) {
        bool negative = *s == '-';
        const char *p = s + negative;
        size_t whole = strspn(p, DIGITS), fraction = p[whole] == '.' ? strspn(p + whole + 1, DIGITS) : 0;
        int64_t value = 0;
        int r = 0;

        if (whole == 0 || fraction > decimals || p[whole + (fraction > 0 ? fraction + 1 : 0)] != '\0')
                return -EINVAL;
        for (size_t i = 0; r >= 0 && i < whole; i++)
                r = add_digit(&value, p[i]);
        for (size_t i = 0; r >= 0 && i < decimals; i++)
                r = add_digit(&value, i < fraction ? p[whole + 1 + i] : '0');
        if (r >= 0)
                *ret = negative ? -value : value;
        return r;
}

static int limit_parse_milli(const char *s, int64_t *ret) {
        return limit_parse_decimal(s, MILLI_DECIMALS, ret);
}

static int limit_parse_days(const char *s, int64_t *ret) {
        return limit_parse_decimal(s, 0, ret);
}

static int limit_parse_count(const char *s, int64_t *ret) {
        return *s == '-' ? -EINVAL : limit_parse_decimal(s, 0, ret);
}

static int limit_parse_size(const char *s, int64_t *ret) {
        uint64_t size;
        int r = size_parse(s, SIZE_BASE, &size);

        if (r < 0)
                return r;
        if (size > INT64_MAX)
                return -ERANGE;
        *ret = (int64_t)size;
        return 0;
}

static int limit_parse_span(const char *s, int64_t *ret) {
        usec_t span;
        int r = span_parse(s, &span);

        if (r < 0)
                return r;
        if (span > INT64_MAX)
                return -ERANGE;
        *ret = (int64_t)span;
        return 0;
}

static int limit_parse_percent(const char *s, int64_t *ret) {
        uint32_t share;
        int r = percent_parse(s, &share);

        if (r < 0)
                return r;
        if (share > PERCENT_FULL)
                return -ERANGE;
        *ret = share;
        return 0;
}

static const struct {
        int (*parse)(const char *s, int64_t *ret);
        bool several; /* words */
        const char *what;
} units[] = {
        [CONDITION_TRUTH] = { NULL, false, NULL },
        [CONDITION_COUNT] = { limit_parse_count, false, "a whole number" },
        [CONDITION_BYTES] = { limit_parse_size, true, "a size" },
        [CONDITION_USEC] = { limit_parse_span, true, "a time span" },
        [CONDITION_DAYS] = { limit_parse_days, false, "a whole number of days" },
        [CONDITION_MILLI] = { limit_parse_milli, false, "a number with at most three decimals" },
        [CONDITION_PERCENT] = { limit_parse_percent, false, "a percentage up to 100%" },
};

int limit_take(Scanner *s, ConditionTest *t) {
        const KindRow *row = kind_row(t->question.kind);
        _cleanup_free_ char *amount = NULL;
        int (*parse)(const char *s, int64_t *ret) = units[row->unit].parse;
        const char *at;
        int r;

        r = scanner_take_amount(s, units[row->unit].several, &amount, &at);
        if (r < 0)
                return r;
        if (r == 0)
                return scanner_complain(s, at, "The limit is missing. Write %s%s, for example \"%s\".",
                                        units[row->unit].what, row->has_whole ? " or a percentage" : "", row->example);
        if (row->has_whole && strchr(amount, '%')) {
                parse = limit_parse_percent;
                t->is_share = true;
        }
        r = parse(amount, &t->limit);
        if (r == 0 && row->limit_max > 0 && t->limit > row->limit_max)
                return scanner_complain(s, at, "\"%s\" does not count further than %" PRIi64 ". Write a lower limit.",
                                        row->name, row->limit_max);
        if (r == 0)
                return 0;
        return scanner_complain(s, at, "\"%.*s\" is %s %s%s. Write, for example, \"%s\".",
                                (int)utf8_cut(amount, SHOWN_MAX), amount, r == -ERANGE ? "too large for" : "not",
                                t->is_share ? units[CONDITION_PERCENT].what : units[row->unit].what,
                                row->has_whole && !t->is_share ? " or a percentage" : "", row->example);
}

/* --- comparing --- */

__extension__ typedef __int128 wide_t;

static bool compare(wide_t a, ConditionOperator op, wide_t b) {
        switch (op) {
        case CONDITION_IS:
                return a != 0;
        case CONDITION_LESS:
                return a < b;
        case CONDITION_LESS_EQUAL:
                return a <= b;
        case CONDITION_GREATER:
                return a > b;
        case CONDITION_GREATER_EQUAL:
                return a >= b;
        case CONDITION_EQUAL:
                return a == b;
        case CONDITION_NOT_EQUAL:
                return a != b;
        }
        assert(false);
        return false;
}

Truth condition_test_truth(const ConditionTest *t, const Reading *r) {
        if (!r->is_known || (t->is_share && r->whole <= 0))
                return TRUTH_UNKNOWN;
        if (t->is_share)
                return compare((wide_t)r->value * PERCENT_FULL, t->op, (wide_t)t->limit * r->whole);
        return compare(r->value, t->op, t->limit);
}

/* --- text --- */

/* value / one with its decimals, as few as say it. */
static void format_decimal(char buf[static CONDITION_VALUE_MAX], int64_t value, uint64_t one, const char *suffix) {
        uint64_t absolute = value < 0 ? -(uint64_t)value : (uint64_t)value, rest = absolute % one;
        int digits = 0;

        for (uint64_t u = one; rest > 0 && u > 1; u /= 10)
                digits++;
        for (; digits > 0 && rest % 10 == 0; digits--)
                rest /= 10;
        if (digits > 0)
                (void)snprintf(buf, CONDITION_VALUE_MAX, "%s%" PRIu64 ".%0*" PRIu64 "%s", value < 0 ? "-" : "",
                               absolute / one, digits, rest, suffix);
        else
                (void)snprintf(buf, CONDITION_VALUE_MAX, "%s%" PRIu64 "%s", value < 0 ? "-" : "", absolute / one,
                               suffix);
}

static void format_span(char buf[static CONDITION_VALUE_MAX], int64_t value, usec_t accuracy) {
        usec_t span = value < 0 ? -(usec_t)value : (usec_t)value;
        char text[SPAN_TEXT_MAX];

        if (value == CONDITION_NEVER)
                span = USEC_INFINITY;
        (void)snprintf(buf, CONDITION_VALUE_MAX, "%s%s", value < 0 ? "-" : "", span_format(text, span, accuracy));
}

/* Nothing that is smaller than what people look at. */
static usec_t span_accuracy(int64_t value) {
        if (value >= (int64_t)USEC_PER_HOUR)
                return USEC_PER_MINUTE;
        return value >= (int64_t)USEC_PER_MINUTE ? USEC_PER_SEC : USEC_PER_MSEC;
}

/* "1536M" for 1.5G: exact, as size_parse() reads it. */
static void format_exact_size(char buf[static CONDITION_VALUE_MAX], int64_t value) {
        static const char letters[] = "KMGTPE";
        const char *letter = letters;

        for (; value > 0 && value % SIZE_BASE == 0; letter++)
                value /= SIZE_BASE;
        (void)snprintf(buf, CONDITION_VALUE_MAX, "%" PRIi64 "%.1s", value, letter > letters ? letter - 1 : "");
}

const char *limit_format(char buf[static CONDITION_VALUE_MAX], const ConditionTest *t) {
        ConditionUnit unit = t->is_share ? CONDITION_PERCENT : kind_row(t->question.kind)->unit;

        switch (unit) {
        case CONDITION_TRUTH:
                buf[0] = '\0';
                break;
        case CONDITION_COUNT:
        case CONDITION_DAYS:
                format_decimal(buf, t->limit, 1, "");
                break;
        case CONDITION_BYTES:
                format_exact_size(buf, t->limit);
                break;
        case CONDITION_USEC:
                format_span(buf, t->limit, 1);
                break;
        case CONDITION_MILLI:
                format_decimal(buf, t->limit, MILLI_ONE, "");
                break;
        case CONDITION_PERCENT:
                format_decimal(buf, t->limit, PERCENT_ONE, "%");
                break;
        }
        return buf;
}

static void format_value(char buf[static CONDITION_VALUE_MAX], ConditionUnit unit, int64_t value) {
        switch (unit) {
        case CONDITION_TRUTH:
                strcpy(buf, value ? "yes" : "no");
                break;
        case CONDITION_COUNT:
        case CONDITION_DAYS:
                format_decimal(buf, value, 1, "");
                break;
        case CONDITION_BYTES:
                (void)size_format(buf, (uint64_t)MAX(value, 0));
                break;
        case CONDITION_USEC:
                format_span(buf, value, span_accuracy(value));
                break;
        case CONDITION_MILLI:
                format_decimal(buf, value, MILLI_ONE, "");
                break;
        case CONDITION_PERCENT:
                format_decimal(buf, value, PERCENT_ONE, "%");
                break;
        }
}

const char *mean_format(char buf[static CONDITION_VALUE_MAX], ConditionKind k, double mean) {
        ConditionUnit unit = kind_row(k)->unit;

        if (!(mean < (double)CONDITION_NEVER && mean > -(double)CONDITION_NEVER))
                format_value(buf, unit, CONDITION_NEVER);
        else if (unit == CONDITION_TRUTH) /* in tenths of a percent */
                format_decimal(buf, (int64_t)(mean * 1000), 10, "%");
        else if (unit == CONDITION_COUNT || unit == CONDITION_DAYS)
                format_decimal(buf, (int64_t)(mean * 100), 100, "");
        else
                format_value(buf, unit, (int64_t)mean);
        return buf;
}

const char *reading_format(char buf[static CONDITION_VALUE_MAX], const Question *q, const Reading *r) {
        char value[CONDITION_VALUE_MAX], share[CONDITION_VALUE_MAX];

        if (!r->is_known)
                return strcpy(buf, "unknown");
        format_value(value, kind_row(q->kind)->unit, r->value);
        if (r->whole <= 0)
                return strcpy(buf, value);
        /* Tenths of a percent, cut off: what is below a limit must not read as the limit. */
        format_decimal(share, (int64_t)((wide_t)r->value * 1000 / r->whole), 10, "%");
        (void)snprintf(buf, CONDITION_VALUE_MAX, "%s (%.20s)", share, value);
        return buf;
}

static const char *const operator_table[] = {
        [CONDITION_IS] = "is",        [CONDITION_LESS] = "<",           [CONDITION_LESS_EQUAL] = "<=",
        [CONDITION_GREATER] = ">",    [CONDITION_GREATER_EQUAL] = ">=", [CONDITION_EQUAL] = "=",
        [CONDITION_NOT_EQUAL] = "!=",
};
DEFINE_TO_STRING(operator, ConditionOperator)

static const char *const truth_table[] = {
        [TRUTH_FALSE] = "false",
        [TRUTH_TRUE] = "true",
        [TRUTH_UNKNOWN] = "unknown",
};
DEFINE_TO_STRING(truth, Truth)
