/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl calendar: when calendar and cron expressions elapse, computed without a daemon by the code that the daemon
 * uses. The output is that of systemd-analyze calendar, with a line about each change of the clock that affects what
 * is shown. */

#include "ctl/alloc.h"
#include "ctl/clock-change.h"
#include "ctl/ctl.h"
#include "ctl/expression.h"
#include "ctl/json.h"
#include "ctl/local-zone.h"
#include "ctl/relative-time.h"
#include "time/timestamp.h"

#define ELAPSES_MAX    100000
#define EXPRESSION_MAX 100000 /* bytes of a line that are read; the parsers accept less */
#define LABEL_WIDTH    15

/* State for all expressions. */
typedef struct Preview {
        Ctl *ctl;
        ZoneCache *zones;
        const Zone *local;
        usec_t now, from;
        unsigned n;
        size_t n_shown; /* or printed as JSON */
} Preview;

static void print_line(const Preview *p, const char *label, const char *text) {
        ctl_print_line(p->ctl, LABEL_WIDTH, label, COLOR_NONE, text);
}

static void print_time(const Preview *p, const char *label, usec_t t, const Zone *zone) {
        char text[TIMESTAMP_TEXT_MAX];

        print_line(p, label,
                   timestamp_format(text, t, zone, t % USEC_PER_SEC > 0 ? TIMESTAMP_USEC : TIMESTAMP_PRETTY));
}

static bool is_utc(const Zone *zone, usec_t t) {
        ZonePeriod here;

        zone_at(zone, (int64_t)(t / USEC_PER_SEC), &here);
        return streq(here.abbreviation, "UTC");
}

/* One elapse: in the local zone, in UTC, and in the zone of the expression if that is a third one. */
static void print_elapse(const Preview *p, const Expression *e, unsigned i, usec_t t) {
        _cleanup_free_ char *label = alloc_format("Iter. #%u", i + 1), *overlap = clock_change_overlap(e, t);
        char from_now[RELATIVE_TIME_MAX];

        print_time(p, i == 0 ? N_("Next elapse") : label, t, p->local);
        if (!is_utc(p->local, t))
                print_time(p, N_("(in UTC)"), t, NULL);
        if (!streq(zone_name(e->zone), zone_name(p->local)) && !is_utc(e->zone, t))
                print_time(p, N_("(in its zone)"), t, e->zone);
        print_line(p, N_("From now"), relative_time_format(from_now, t, p->now));
        if (overlap)
                print_line(p, N_("Clock change"), overlap);
}

/* The elapses, and between them the gaps that leave something out. */
static void print_elapses(const Preview *p, const Expression *e) {
        _cleanup_(expression_done) Expression wall = { 0 };
        bool gaps = expression_on_wall_clock(e, &wall) >= 0;
        usec_t t = p->from, told = p->from;
        bool over = false;

        for (unsigned i = 0; i < p->n && !over; i++) {
                char *gap;

                over = expression_next(e, t, &t) < 0;
                while (gaps && (gap = clock_change_next_gap(e, &wall, &told, over ? USEC_INFINITY : t))) {
                        print_line(p, N_("Clock change"), gap);
                        free(gap);
                }
                if (!over)
                        print_elapse(p, e, i, t);
                else if (e->cron && cron_is_reboot(e->cron))
                        print_line(p, N_("Next elapse"), _("when vaktd is first started after boot"));
                else if (i == 0)
                        print_line(p, N_("Next elapse"), _("never"));
        }
}

static void print_good(Preview *p, const char *text, const Expression *e) {
        if (p->n_shown++ > 0)
                putchar('\n');
        if (!streq(text, e->normalized))
                print_line(p, N_("Original form"), text);
        print_line(p, N_("Normalized form"), e->normalized);
        print_elapses(p, e);
}

/* e: NULL if there is a problem. */
static void print_json(Preview *p, const char *text, const Expression *e, const TimeError *problem) {
        json_object *o = json_new_object(), *elapses = json_new_array();
        usec_t t = p->from;

        for (unsigned i = 0; e && i < p->n && expression_next(e, t, &t) >= 0; i++)
                json_append_number(elapses, t);
        json_add_string(o, "expression", text);
        json_add_string(o, "normalized", e ? e->normalized : NULL);
        json_add(o, "elapses_usec", elapses);
        json_add_string(o, "error", problem ? problem->message : NULL);
        json_add_known(o, "column", problem ? problem->column : UINT64_MAX);
        json_print_item(&p->n_shown, o);
}

static void complain_bad(const Preview *p, const char *text, const TimeError *problem) {
        bool cron = p->ctl->cron && expression_looks_like_cron(text);

        ctl_complain(cron ? _("Invalid cron expression: %s (column %zu).%s")
                          : _("Invalid calendar expression: %s (column %zu).%s"),
                     problem->message, problem->column,
                     !cron && expression_looks_like_cron(text) ? _(" Use --cron to accept cron expressions.") : "");
        ctl_print_caret(text, problem->column);
}

static int preview(Preview *p, const char *text) {
        _cleanup_(expression_done) Expression e = { 0 };
        TimeError problem = { .column = 1, .message = "it is invalid" };

        if (expression_parse(text, p->zones, p->ctl->cron, p->now, &e, &problem) < 0) {
                if (p->ctl->json)
                        print_json(p, text, NULL, &problem);
                else
                        complain_bad(p, text, &problem);
                return CTL_FAILED;
        }
        if (p->ctl->json)
                print_json(p, text, &e, NULL);
        else
                print_good(p, text, &e);
        return CTL_DONE;
}

/* Reads a line, at most so many bytes of it; a byte 0, which no expression contains, is replaced with one that is
 * refused. False at the end. */
static bool read_line(FILE *f, char *buf, size_t size) {
        size_t n = 0;
        int byte;

        while ((byte = getc_unlocked(f)) != EOF && byte != '\n')
                if (n + 1 < size)
                        buf[n++] = byte != 0 ? (char)byte : '\x01';
        buf[n] = '\0';
        return byte == '\n' || n > 0;
}

static int preview_lines(Preview *p, FILE *f) {
        _cleanup_free_ char *line = alloc_array(NULL, EXPRESSION_MAX + 1, 1);
        int ret = CTL_DONE;

        while (read_line(f, line, EXPRESSION_MAX + 1)) {
                int r = preview(p, line);

                ret = ret ?: r;
        }
        if (ferror(f)) {
                ctl_complain(_("Cannot read standard input: %s."), strerror(errno));
                return CTL_FAILED;
        }
        return ret;
}

int verb_calendar(Ctl *c, char **args) {
        _cleanup_(zone_cache_freep) ZoneCache *zones = NULL;
        Preview p = { .ctl = c, .now = now_realtime(), .n = c->lines ?: 1 };
        int r, ret = CTL_DONE;

        if (c->lines > ELAPSES_MAX) {
                ctl_complain(_("-n requires a number up to %d here."), ELAPSES_MAX);
                return CTL_USAGE;
        }
        r = local_zone_open(c->timezone, &zones);
        if (r != CTL_DONE)
                return r;
        p.zones = zones;
        p.local = zone_cache_local(zones);
        p.from = p.now;
        r = c->from ? local_zone_parse_time(zones, "--from", c->from, p.now, &p.from) : CTL_DONE;
        if (r != CTL_DONE)
                return r;
        for (; *args; args++) {
                r = streq(*args, "-") ? preview_lines(&p, stdin) : preview(&p, *args);
                ret = ret ?: r;
        }
        if (c->json)
                json_print_end(p.n_shown);
        return ret;
}
