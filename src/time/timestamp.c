/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Points in time, read and written as systemd 252 does it; beyond that, a time may follow "tomorrow". The forms that
 * systemd tries one after the other with strptime(3) are tried in the same order here, by a reader of just the seven
 * conversions that they use, with strptime's habits: blanks in front of a number are skipped, a blank in the form
 * stands for any number of them, a number ends where one more digit would make it too large. No locale, and now is a
 * parameter. */

#include <strings.h>

#include "time/civil.h"
#include "time/libc-mktime.h"
#include "time/span.h"
#include "time/timestamp.h"
#include "util/ascii.h"

#define BLANKS " \t\n\v\f\r"

static const char *const weekday_names[] = { "Monday", "Tuesday",  "Wednesday", "Thursday",
                                             "Friday", "Saturday", "Sunday" };
static const char *const month_names[] = { "January", "February", "March",     "April",   "May",      "June",
                                           "July",    "August",   "September", "October", "November", "December" };

/* In the order in which systemd tries them; %y comes before %Y. */
static const struct form {
        const char *form;
        bool date, time;
        bool seconds; /* may have a fraction, too */
} forms[] = {
        { "y-m-d H:M:S", true, true, true }, { "Y-m-d H:M:S", true, true, true }, { "b d H:M:S", true, true, true },
        { "y-m-d H:M", true, true, false },  { "Y-m-d H:M", true, true, false },  { "y-m-d", true, false, false },
        { "Y-m-d", true, false, false },     { "H:M:S", false, true, true },      { "H:M", false, true, false },
};

static bool read_number(const char **p, int min, int max, int digits, int *ret) {
        int n = 0;

        *p += strspn(*p, " ");
        if (!is_digit(**p))
                return false;
        do
                n = n * 10 + (*(*p)++ - '0');
        while (--digits > 0 && n * 10 <= max && is_digit(**p));
        if (n < min || n > max)
                return false;
        *ret = n;
        return true;
}

/* The name that s starts with, whole or by its first three letters; -1 without one. */
static int match_name(const char *s, const char *const *names, int n_names, size_t *ret_length) {
        for (int i = 0; i < n_names; i++) {
                size_t n = strlen(names[i]);

                if (strncasecmp(s, names[i], n) != 0)
                        n = 3;
                if (strncasecmp(s, names[i], n) == 0) {
                        *ret_length = n;
                        return i;
                }
        }
        return -1;
}

static bool read_conversion(char conversion, const char **p, struct civil *c) {
        size_t length;
        int n;

        switch (conversion) {
        case 'y':
                if (!read_number(p, 0, 99, 2, &n))
                        return false;
                c->year = n < 69 ? 2000 + n : 1900 + n;
                return true;
        case 'Y':
                return read_number(p, 0, 9999, 4, &c->year);
        case 'm':
                return read_number(p, 1, 12, 2, &c->month);
        case 'b':
                n = match_name(*p, month_names, ELEMENTSOF(month_names), &length);
                if (n < 0)
                        return false;
                c->month = n + 1;
                *p += length;
                return true;
        case 'd':
                return read_number(p, 1, 31, 2, &c->day);
        case 'H':
                return read_number(p, 0, 23, 2, &c->hour);
        case 'M':
                return read_number(p, 0, 59, 2, &c->minute);
        case 'S':
                return read_number(p, 0, 61, 2, &c->second);
        case ' ':
                *p += strspn(*p, BLANKS);
                return true;
        default:
                return *(*p)++ == conversion;
        }
}

/* What stands behind the seconds: six digits count, the seventh rounds, the others are read over. */
static bool read_fraction(const char *p, usec_t *ret) {
        usec_t usec = 0;

        if (!is_digit(*p))
                return false;
        for (int i = 0; i < 6; i++)
                usec = usec * 10 + (is_digit(*p) ? (usec_t)(*p++ - '0') : 0);
        if (*p >= '5' && *p <= '9')
                usec++;
        while (is_digit(*p))
                p++;
        *ret = usec;
        return *p == '\0';
}

/* Reads a form into *c, which holds the defaults. A fraction ends the search for a form, even when it is a bad one. */
static bool read_form(const struct form *form, const char *text, struct civil *c, usec_t *ret_usec, bool *ret_bad) {
        const char *p = text;

        for (const char *f = form->form; *f; f++)
                if (!read_conversion(*f, &p, c))
                        return false;
        *ret_usec = 0;
        if (form->seconds && *p == '.') {
                *ret_bad = !read_fraction(p + 1, ret_usec);
                return true;
        }
        if (*p != '\0')
                return false;
        if (!form->seconds)
                c->second = 0;
        if (!form->time)
                c->hour = c->minute = 0;
        return true;
}

/* A wall clock time with what tells its instant. */
struct wall {
        const Zone *zone;
        struct civil c;
        int dst;
        usec_t usec;
};

static int wall_to_instant(struct wall *wall, usec_t *ret) {
        int64_t instant, offset = 0;
        usec_t t;

        if (!libc_mktime(wall->zone, &wall->c, &wall->dst, &offset, &instant) || instant < 0)
                return -EINVAL;
        t = (usec_t)instant * USEC_PER_SEC + wall->usec;
        if (t > TIMESTAMP_MAX)
                return -EINVAL;
        *ret = t;
        return 0;
}

/* "today", "tomorrow 02:00", "Thu 2026-01-01 12:00" and the like, without their zone. wall->c is now. */
static int parse_wall(const char *text, struct wall *wall) {
        static const char *const days[] = { "yesterday", "today", "tomorrow" };
        struct civil now = wall->c;
        bool only_time = false;
        size_t length;
        int weekday;

        for (size_t i = 0; i < ELEMENTSOF(days) && !only_time; i++) {
                const char *rest = startswith(text, days[i]);

                if (!rest || (*rest != '\0' && *rest != ' '))
                        continue;
                now.day += (int)i - 1;
                if (*rest == '\0') {
                        wall->c = now;
                        wall->c.hour = wall->c.minute = wall->c.second = 0;
                        return 0;
                }
                text = rest + 1;
                only_time = true;
        }
        weekday = match_name(text, weekday_names, ELEMENTSOF(weekday_names), &length);
        if (weekday >= 0 && text[length] == ' ')
                text += length + 1;
        else
                weekday = -1;

        for (size_t i = 0; i < ELEMENTSOF(forms); i++) {
                bool bad = false;

                if (only_time && (forms[i].date || weekday >= 0))
                        continue;
                wall->c = now;
                if (!read_form(forms + i, text, &wall->c, &wall->usec, &bad))
                        continue;
                if (bad)
                        return -EINVAL;
                if (weekday >= 0 && civil_weekday(civil_days(wall->c.year, wall->c.month, wall->c.day)) != weekday)
                        return -EINVAL;
                return 0;
        }
        return -EINVAL;
}

/* s without a word at its end and the blank before it, in a new string; NULL in *ret when it does not end so. */
static int cut_word(const char *s, const char *word, char **ret) {
        size_t n = strlen(s), k = strlen(word);

        *ret = NULL;
        if (k == 0 || n < k + 1 || s[n - k - 1] != ' ' || strcasecmp(s + n - k, word) != 0)
                return 0;
        *ret = strndup(s, n - k - 1);
        return *ret ? 0 : -ENOMEM;
}

/* Cuts "UTC" or an abbreviation of the zone off the end. */
static int cut_abbreviation(const char *text, usec_t now, struct wall *wall, char **ret) {
        int r;

        r = cut_word(text, "UTC", ret);
        if (r < 0)
                return r;
        if (*ret) {
                wall->zone = zone_utc();
                return 0;
        }
        for (int dst = 0; dst <= 1; dst++) {
                const char *name = zone_abbreviation(wall->zone, dst, (int64_t)(now / USEC_PER_SEC));

                r = name ? cut_word(text, name, ret) : 0;
                if (r < 0)
                        return r;
                if (*ret) {
                        wall->dst = dst;
                        return 0;
                }
        }
        *ret = strdup(text);
        return *ret ? 0 : -ENOMEM;
}

/* "now", "+3h", "-3h", "3h ago", "3h left". Returns 1 when it is one of them. */
static int parse_relative(const char *text, usec_t now, usec_t *ret) {
        const char *span_text = text + 1;
        _cleanup_free_ char *span = NULL;
        bool back = *text == '-';
        size_t n = strlen(text);
        usec_t distance;
        int r;

        if (streq(text, "now")) {
                *ret = now;
                return 1;
        }
        if (*text != '+' && *text != '-') {
                back = n >= 4 && streq(text + n - 4, " ago");
                if (!back && (n < 5 || !streq(text + n - 5, " left")))
                        return 0;
                span_text = span = strndup(text, n - (back ? 4 : 5));
                if (!span)
                        return -ENOMEM;
        }
        r = span_parse(span_text, &distance);
        if (r < 0)
                return r;
        if (back ? distance > now : usec_add(now, distance) > TIMESTAMP_MAX)
                return -EINVAL;
        *ret = back ? now - distance : now + distance;
        return 1;
}

/* A last word that names a zone of the system. What is also one of the zone's own abbreviations ("CET") is left to
 * cut_abbreviation(), with the zone to ask. Returns 1 when the zone was cut off. */
static int cut_zone(const char *text, ZoneCache *cache, usec_t now, struct wall *wall, char **ret) {
        const char *space = strrchr(text, ' ');
        int r;

        if (!space || !cache || strcasecmp(space, " UTC") == 0)
                return 0;
        r = zone_cache_get(cache, space + 1, &wall->zone);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return 0;
        for (int dst = 0; dst <= 1; dst++)
                if (streq_ptr(zone_abbreviation(wall->zone, dst, (int64_t)(now / USEC_PER_SEC)), space + 1))
                        return 0;
        *ret = strndup(text, (size_t)(space - text));
        return *ret ? 1 : -ENOMEM;
}

int timestamp_parse(const char *text, ZoneCache *cache, const Zone *local, usec_t now, usec_t *ret) {
        struct wall wall = { .zone = local ?: zone_utc(), .dst = -1 };
        _cleanup_free_ char *body = NULL;
        ZonePeriod here;
        int r;

        r = cut_zone(text, cache, now, &wall, &body);
        if (r < 0)
                return r;
        if (r == 0) {
                if (*text == '@')
                        return span_parse(text + 1, ret);
                r = parse_relative(text, now, ret);
                if (r != 0)
                        return r < 0 ? r : 0;
                r = cut_abbreviation(text, now, &wall, &body);
                if (r < 0)
                        return r;
        }
        zone_at(wall.zone, (int64_t)(now / USEC_PER_SEC), &here);
        civil_from_seconds((int64_t)(now / USEC_PER_SEC) + here.offset, &wall.c);
        r = parse_wall(body, &wall);
        return r < 0 ? r : wall_to_instant(&wall, ret);
}

char *timestamp_format(char buf[static TIMESTAMP_TEXT_MAX], usec_t t, const Zone *zone, TimestampStyle style) {
        const int64_t seconds = (int64_t)(t / USEC_PER_SEC);
        const unsigned usec = (unsigned)(t % USEC_PER_SEC);
        char day[32], time[32], fraction[16];
        ZonePeriod here;
        struct civil c;

        if (t == 0 || t > TIMESTAMP_MAX)
                return strcpy(buf, "n/a");
        zone_at(zone ?: zone_utc(), seconds, &here);
        civil_from_seconds(seconds + here.offset, &c);
        (void)snprintf(day, sizeof(day), "%.3s %04d-%02d-%02d",
                       weekday_names[civil_weekday(civil_days(c.year, c.month, c.day))], c.year, c.month, c.day);
        (void)snprintf(time, sizeof(time), "%02d:%02d:%02d", c.hour, c.minute, c.second);
        (void)snprintf(fraction, sizeof(fraction), ".%06u", usec);

        switch (style) {
        case TIMESTAMP_PRETTY:
                (void)snprintf(buf, TIMESTAMP_TEXT_MAX, "%s %s %.20s", day, time, here.abbreviation);
                break;
        case TIMESTAMP_USEC:
                (void)snprintf(buf, TIMESTAMP_TEXT_MAX, "%s %s%s %.20s", day, time, fraction, here.abbreviation);
                break;
        case TIMESTAMP_DATE:
        case _TIMESTAMP_STYLE_MAX:
                (void)snprintf(buf, TIMESTAMP_TEXT_MAX, "%s", day);
                break;
        case TIMESTAMP_RFC3339: {
                int minutes = abs(here.offset) / 60;

                (void)snprintf(buf, TIMESTAMP_TEXT_MAX, "%sT%s%s%c%02d:%02d", day + 4, time, fraction,
                               here.offset < 0 ? '-' : '+', minutes / 60, minutes % 60);
                break;
        }
        }
        return buf;
}
