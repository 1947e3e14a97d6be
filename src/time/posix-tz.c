/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The TZ rule of POSIX, as the footer of a TZif file holds it. A hand-written reader of ever shorter rests: each
 * read_* function moves *p behind what it understood, and whatever stays at the end makes the rule bad. The form
 * ":file" and a rule without dates (POSIX leaves them to the implementation) are taken as glibc takes them: refused,
 * and the dates of the United States. */

#include "time/civil.h"
#include "time/posix-tz.h"
#include "util/ascii.h"

#define DEFAULT_DATES ",M3.2.0,M11.1.0"
#define DEFAULT_TIME  7200

static int read_number(const char **p, int min, int max, int *ret) {
        int n = 0;

        if (!is_digit(**p))
                return -EINVAL;
        for (; is_digit(**p); (*p)++) {
                n = n * 10 + (**p - '0');
                if (n > max)
                        return -EINVAL;
        }
        if (n < min)
                return -EINVAL;
        *ret = n;
        return 0;
}

/* Three letters or more, or anything of letters, digits and signs between <>. */
static int read_name(const char **p, char name[static POSIX_TZ_NAME_MAX + 1]) {
        bool quoted = **p == '<';
        size_t n = 0;

        if (quoted)
                (*p)++;
        for (; is_letter(**p) || (quoted && (is_digit(**p) || **p == '+' || **p == '-')); (*p)++) {
                if (n >= POSIX_TZ_NAME_MAX)
                        return -EINVAL;
                name[n++] = **p;
        }
        name[n] = '\0';
        if (quoted && *(*p)++ != '>')
                return -EINVAL;
        return n >= 3 ? 0 : -EINVAL;
}

/* [+-]hours[:minutes[:seconds]] */
static int read_time(const char **p, int hours_max, int32_t *ret) {
        int hours, minutes = 0, seconds = 0, sign = 1;

        if (**p == '-' || **p == '+')
                sign = *(*p)++ == '-' ? -1 : 1;
        if (read_number(p, 0, hours_max, &hours) < 0)
                return -EINVAL;
        if (**p == ':') {
                (*p)++;
                if (read_number(p, 0, 59, &minutes) < 0)
                        return -EINVAL;
        }
        if (**p == ':') {
                (*p)++;
                if (read_number(p, 0, 59, &seconds) < 0)
                        return -EINVAL;
        }
        *ret = sign * (hours * 3600 + minutes * 60 + seconds);
        return 0;
}

static int read_month_week(const char **p, struct posix_tz_date *ret) {
        ret->kind = POSIX_TZ_MONTH_WEEK;
        (*p)++;
        if (read_number(p, 1, 12, &ret->month) < 0 || *(*p)++ != '.')
                return -EINVAL;
        if (read_number(p, 1, 5, &ret->week) < 0 || *(*p)++ != '.')
                return -EINVAL;
        return read_number(p, 0, 6, &ret->day);
}

/* ",DATE[/TIME]" */
static int read_date(const char **p, struct posix_tz_date *ret) {
        int r;

        if (*(*p)++ != ',')
                return -EINVAL;
        if (**p == 'M')
                r = read_month_week(p, ret);
        else if (**p == 'J') {
                (*p)++;
                ret->kind = POSIX_TZ_JULIAN;
                r = read_number(p, 1, 365, &ret->day);
        } else {
                ret->kind = POSIX_TZ_DAY_OF_YEAR;
                r = read_number(p, 0, 365, &ret->day);
        }
        if (r < 0)
                return r;

        ret->time = DEFAULT_TIME;
        if (**p != '/')
                return 0;
        (*p)++;
        return read_time(p, 167, &ret->time);
}

/* The sign of POSIX counts to the west. */
static int read_offset(const char **p, int32_t *ret) {
        int32_t west;
        int r;

        r = read_time(p, 24, &west);
        if (r < 0)
                return r;
        *ret = -west;
        return 0;
}

int posix_tz_parse(const char *s, struct posix_tz *ret) {
        struct posix_tz rule = {};
        const char *p = s;

        if (read_name(&p, rule.std_name) < 0 || read_offset(&p, &rule.std_offset) < 0)
                return -EINVAL;
        if (*p != '\0') {
                rule.has_dst = true;
                if (read_name(&p, rule.dst_name) < 0)
                        return -EINVAL;
                rule.dst_offset = rule.std_offset + 3600;
                if (*p != '\0' && *p != ',' && read_offset(&p, &rule.dst_offset) < 0)
                        return -EINVAL;
                if (*p == '\0')
                        p = DEFAULT_DATES;
                if (read_date(&p, &rule.start) < 0 || read_date(&p, &rule.end) < 0)
                        return -EINVAL;
        }
        if (*p != '\0')
                return -EINVAL;

        *ret = rule;
        return 0;
}

/* The day count of the rule's date in a year. */
static int64_t date_in_year(const struct posix_tz_date *date, int year) {
        int64_t first;
        int day;

        switch (date->kind) {
        case POSIX_TZ_JULIAN: {
                bool after_leap_day = date->day > 59 && civil_month_length(year, 2) == 29;

                return civil_days(year, 1, date->day) + after_leap_day;
        }
        case POSIX_TZ_DAY_OF_YEAR:
                return civil_days(year, 1, 1) + date->day;
        case POSIX_TZ_MONTH_WEEK:
                first = civil_days(year, date->month, 1);
                day = (date->day + 6 - civil_weekday(first) + 7) % 7 + (date->week - 1) * 7;
                if (day >= civil_month_length(year, date->month))
                        day -= 7;
                return first + day;
        }
        return 0;
}

void posix_tz_changes(const struct posix_tz *rule, int year, int64_t *ret_start, int64_t *ret_end) {
        *ret_start = date_in_year(&rule->start, year) * SECONDS_PER_DAY + rule->start.time - rule->std_offset;
        *ret_end = date_in_year(&rule->end, year) * SECONDS_PER_DAY + rule->end.time - rule->dst_offset;
}
