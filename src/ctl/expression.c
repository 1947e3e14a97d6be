/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A common interface for both kinds of expressions. The kind is never guessed: a text is a calendar expression, and a
 * cron expression only if the caller allows that. No text is both. */

#include "ctl/alloc.h"
#include "ctl/expression.h"

void expression_done(Expression *e) {
        e->calendar = calendar_free(e->calendar);
        e->cron = cron_free(e->cron);
        e->normalized = mfree(e->normalized);
}

/* The words of a text. */
static size_t count_words(const char *text) {
        static const char blanks[] = " \t";
        size_t n = 0;

        for (text += strspn(text, blanks); *text; text += strspn(text, blanks)) {
                text += strcspn(text, blanks);
                n++;
        }
        return n;
}

bool expression_looks_like_cron(const char *text) {
        size_t n = count_words(text);

        text += strspn(text, " \t");
        return n >= 5 || (n == 1 && text[0] == '@');
}

static int parse_calendar(const char *text, ZoneCache *cache, const Zone *local, usec_t now, Expression *ret,
                          TimeError *reterr) {
        Expression e = { 0 };
        int r;

        r = calendar_parse(text, cache, local, now, &e.calendar, reterr);
        if (r < 0)
                return r;
        if (calendar_format(e.calendar, &e.normalized) < 0)
                alloc_failed();
        e.zone = calendar_zone(e.calendar);
        *ret = e;
        return 0;
}

static int parse_cron(const char *text, const Zone *zone, Expression *ret, TimeError *reterr) {
        Expression e = { .zone = zone };
        int r;

        r = cron_parse(text, zone, &e.cron, reterr);
        if (r < 0)
                return r;
        if (cron_format(e.cron, &e.normalized) < 0)
                alloc_failed();
        *ret = e;
        return 0;
}

int expression_parse(const char *text, ZoneCache *cache, bool cron, usec_t now_realtime, Expression *ret,
                     TimeError *reterr) {
        const Zone *local = zone_cache_local(cache);
        int r;

        r = parse_calendar(text, cache, local, now_realtime, ret, reterr);
        if (r < 0 && r != -ENOMEM && cron && expression_looks_like_cron(text))
                r = parse_cron(text, local, ret, reterr);
        if (r == -ENOMEM)
                alloc_failed();
        return r < 0 ? -EINVAL : 0;
}

/* Length of a normalized calendar expression without the zone at its end; *ret_zone is where that starts, or "". */
static size_t body_length(const char *normalized, const char **ret_zone) {
        bool has_weekdays = normalized[0] >= 'A' && normalized[0] <= 'Z';
        const char *p = normalized;

        for (int words = has_weekdays ? 3 : 2; words > 0; words--)
                p += strspn(p, " ") + strcspn(p + strspn(p, " "), " ");
        *ret_zone = p + strspn(p, " ");
        return (size_t)(p - normalized);
}

int expression_on_wall_clock(const Expression *e, Expression *ret) {
        _cleanup_free_ char *body = NULL;
        const char *zone;
        int r;

        if (e->cron)
                return parse_cron(e->normalized, zone_utc(), ret, NULL);
        body = strndup(e->normalized, body_length(e->normalized, &zone));
        if (!body)
                alloc_failed();
        if (!isempty(zone) && !streq(zone, zone_name(e->zone)))
                return -EOPNOTSUPP;
        r = parse_calendar(body, NULL, zone_utc(), 0, ret, NULL);
        if (r == -ENOMEM)
                alloc_failed();
        return r;
}

int expression_next(const Expression *e, usec_t after, usec_t *ret) {
        return e->cron ? cron_next(e->cron, NULL, after, ret) : calendar_next(e->calendar, NULL, after, ret);
}
