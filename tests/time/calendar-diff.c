/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Random calendar expressions with our answers, for check-calendar-diff, which holds them against systemd-analyze:
 *
 *     calendar-diff SEED COUNT ITERATIONS
 *
 * prints a line for each: zone, start (µs), 1 when an answer may lie in an hour that the zone repeats without daylight
 * saving on either side, the expression, its normal form ("!" when it is refused), the elapses in seconds. Lines with
 * the same zone and start stand together, so that one systemd-analyze can be asked for all of them. Two starts of
 * three are within a day of a clock change. Some expressions are spoiled by a wrong character, to compare refusals. */

#include <inttypes.h>

#include "random-text.h"
#include "time/calendar.h"

#define GROUP     25
#define ZONES_TAB "/usr/share/zoneinfo/zone1970.tab"
#define NAMES_MAX 600

static char *names[NAMES_MAX] = { (char *)"UTC" };
static unsigned n_names = 1;

/* The names of all zones, from tzdata's own table. */
static void read_names(void) {
        FILE *f = fopen(ZONES_TAB, "re");
        char line[512], name[64];

        while (f && n_names < NAMES_MAX && fgets(line, sizeof(line), f))
                if (line[0] != '#' && sscanf(line, "%*s %*s %63s", name) == 1)
                        names[n_names++] = strdup(name);
        if (f)
                fclose(f);
}

static void add_value(struct random_text *r, unsigned low, unsigned high) {
        unsigned value = random_percent(r, 2) ? random_below(r, high + 4) : random_between(r, low, high);

        random_add(r, random_percent(r, 50) ? "%u" : "%02u", value);
}

static void add_item(struct random_text *r, unsigned low, unsigned high) {
        if (random_percent(r, 25)) {
                unsigned a = random_between(r, low, high), b = random_between(r, low, high);

                if (random_percent(r, 90) && a > b)
                        random_add(r, "%u..%u", b, a);
                else
                        random_add(r, "%u..%u", a, b);
        } else
                add_value(r, low, high);
        if (random_percent(r, 30))
                random_add(r, "/%u", random_percent(r, 3) ? 0 : random_between(r, 1, (high - low) / 2 + 1));
}

static void add_list(struct random_text *r, unsigned low, unsigned high, unsigned percent_star) {
        static const uint8_t lengths[] = { 1, 1, 1, 1, 2, 2, 3, 4 };

        if (random_percent(r, percent_star)) {
                random_add(r, "*");
                return;
        }
        for (unsigned n = lengths[random_below(r, ELEMENTSOF(lengths))]; n > 0; n--) {
                add_item(r, low, high);
                if (n > 1)
                        random_add(r, ",");
        }
}

static void add_second(struct random_text *r) {
        add_value(r, 0, 59);
        if (random_percent(r, 40))
                random_add(r, ".%0*u", (int)random_between(r, 1, 8), random_below(r, 10));
}

static void add_seconds(struct random_text *r) {
        if (random_percent(r, 10)) {
                random_add(r, "*");
                return;
        }
        if (random_percent(r, 65)) {
                random_add(r, "00");
                return;
        }
        for (unsigned n = random_between(r, 1, 2); n > 0; n--) {
                add_second(r);
                if (random_percent(r, 20)) {
                        random_add(r, "..");
                        add_second(r);
                }
                if (random_percent(r, 50)) {
                        random_add(r, "/");
                        add_second(r);
                }
                if (n > 1)
                        random_add(r, ",");
        }
}

static void add_weekdays(struct random_text *r) {
        static const char *const days[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "monday", "SUNDAY" };

        for (unsigned n = random_between(r, 1, 2); n > 0; n--) {
                random_add(r, "%s", days[random_below(r, ELEMENTSOF(days))]);
                if (random_percent(r, 30))
                        random_add(r, "%s%s", random_percent(r, 70) ? ".." : "-",
                                   days[random_below(r, ELEMENTSOF(days))]);
                if (n > 1 || random_percent(r, 3))
                        random_add(r, ",");
        }
}

static void add_date(struct random_text *r) {
        static const unsigned years[][2] = {
                { 2000, 2060 }, { 2000, 2060 }, { 2000, 2060 }, { 0, 99 }, { 1966, 2205 }
        };
        bool from_end = random_percent(r, 15);

        if (random_percent(r, 70)) {
                unsigned range = random_below(r, ELEMENTSOF(years));

                add_list(r, years[range][0], years[range][1], 75);
                random_add(r, "-");
        }
        add_list(r, 1, 12, 60);
        random_add(r, from_end ? "~" : "-");
        add_list(r, 1, from_end ? 28 : 31, 40);
}

static void add_time(struct random_text *r) {
        add_list(r, 0, 23, 40);
        random_add(r, ":");
        add_list(r, 0, 59, 20);
        if (random_percent(r, 60)) {
                random_add(r, ":");
                add_seconds(r);
        }
}

/* One character that does not belong there. */
static void spoil(struct random_text *r) {
        static const char wrong[] = "*~-./,: @0Z";

        if (r->n > 0)
                r->text[random_below(r, (unsigned)r->n)] = wrong[random_below(r, sizeof(wrong) - 1)];
}

static void add_suffix(struct random_text *r, const char *zone, int64_t start) {
        static const char *const others[] = { "UTC", "utc", "Foo/Bar", "europe/Oslo", "CET CET" };
        /* zones whose abbreviations have not changed since 1970: what is understood elsewhere depends on what the
         * process of systemd-analyze was asked before */
        bool stable = streq(zone, "Europe/Oslo") || streq(zone, "America/New_York") || streq(zone, "Europe/Berlin");

        if (stable && start > 1000000000 && random_percent(r, 50)) {
                ZonePeriod p = {};
                _cleanup_(zone_cache_freep) ZoneCache *cache = NULL;
                const Zone *z;

                if (zone_cache_new(NULL, &cache) >= 0 && zone_cache_get(cache, zone, &z) >= 0)
                        zone_at(z, start + (int64_t)random_below(r, 2) * 15778800, &p);
                random_add(r, " %s", strempty(p.abbreviation));
                return;
        }
        if (random_percent(r, 30))
                random_add(r, " %s", others[random_below(r, ELEMENTSOF(others))]);
        else
                random_add(r, " %s", names[random_below(r, n_names)]);
}

static void make_expression(struct random_text *r, const char *zone, int64_t start) {
        static const char *const shorthands[] = { "minutely",    "hourly",    "daily",      "weekly",
                                                  "monthly",     "quarterly", "yearly",     "anually",
                                                  "bi-annually", "Daily",     "biannually", "semi-annually" };
        bool weekdays = random_percent(r, 30), date = random_percent(r, 65), time = random_percent(r, 80);

        r->n = 0;
        r->text[0] = '\0';
        if (random_percent(r, 3))
                random_add(r, "%s", shorthands[random_below(r, ELEMENTSOF(shorthands))]);
        else if (random_percent(r, 1))
                random_add(r, "@%u", random_below(r, UINT32_MAX));
        else {
                if (weekdays)
                        add_weekdays(r);
                if (date) {
                        random_add(r, "%s", weekdays ? " " : "");
                        add_date(r);
                }
                if (time || (!weekdays && !date)) {
                        random_add(r, "%s", weekdays || date ? " " : "");
                        add_time(r);
                }
        }
        if (random_percent(r, 3))
                spoil(r);
        if (random_percent(r, 8))
                add_suffix(r, zone, start);
}

/* Whether an hour is repeated between two instants (and a day around them) without daylight saving before or after. */
static bool repeats_plainly(const Zone *zone, int64_t from, int64_t to) {
        ZoneTransition change = { .at = from - 2 * 86400 };

        while (zone_next_transition(zone, change.at, &change) == 0 && change.at <= to + 2 * 86400)
                if (change.after < change.before && change.dst_before == change.dst_after)
                        return true;
        return false;
}

static void answer(const char *text, ZoneCache *cache, const Zone *zone, usec_t start, unsigned iterations) {
        _cleanup_(calendar_freep) Calendar *c = NULL;
        _cleanup_free_ char *normal = NULL;
        usec_t elapses[64], t = start;
        unsigned n = 0;

        if (calendar_parse(text, cache, zone, start, &c, NULL) < 0) {
                printf("%s\t%" PRI_USEC "\t0\t%s\t!\t\n", zone_name(zone), start, text);
                return;
        }
        if (calendar_format(c, &normal) < 0)
                exit(1);
        while (n < MIN(iterations, ELEMENTSOF(elapses)) && calendar_next(c, NULL, t, &t) >= 0)
                elapses[n++] = t;
        printf("%s\t%" PRI_USEC "\t%d\t%s\t%s\t", zone_name(zone), start,
               repeats_plainly(calendar_zone(c), (int64_t)(start / USEC_PER_SEC), (int64_t)(t / USEC_PER_SEC)), text,
               normal);
        for (unsigned i = 0; i < n; i++)
                printf("%s%" PRI_USEC, i > 0 ? " " : "", elapses[i] / USEC_PER_SEC);
        putchar('\n');
}

/* A start in the years that a scheduler sees, mostly near a change of the clock. */
static usec_t choose_start(struct random_text *r, const Zone *zone) {
        int64_t start = random_percent(r, 85) ? 900000000 + (int64_t)random_below(r, 1400000000)
                                              : (int64_t)random_below(r, UINT32_MAX) * 3 / 2;
        ZoneTransition change;

        if (random_percent(r, 66) && zone_next_transition(zone, start, &change) == 0)
                start = change.at + (int64_t)random_below(r, 100000) - 90000;
        return (usec_t)start * USEC_PER_SEC + (random_percent(r, 30) ? random_below(r, 1000000) : 0);
}

int main(int argc, char *argv[]) {
        _cleanup_(zone_cache_freep) ZoneCache *cache = NULL;
        struct random_text r = {};
        unsigned long count;
        unsigned iterations;

        if (argc != 4) {
                fprintf(stderr, "usage: %s SEED COUNT ITERATIONS\n", argv[0]);
                return 2;
        }
        r.state = strtoull(argv[1], NULL, 10);
        count = strtoul(argv[2], NULL, 10);
        iterations = (unsigned)strtoul(argv[3], NULL, 10);
        read_names();
        if (zone_cache_new(NULL, &cache) < 0)
                return 1;
        for (unsigned long done = 0; done < count;) {
                const Zone *zone;
                usec_t start;

                if (zone_cache_get(cache, names[random_below(&r, n_names)], &zone) < 0)
                        continue;
                start = choose_start(&r, zone);
                for (unsigned i = 0; i < GROUP && done < count; i++, done++) {
                        make_expression(&r, zone_name(zone), (int64_t)(start / USEC_PER_SEC));
                        answer(r.text, cache, zone, start, iterations);
                }
        }
        for (unsigned i = 1; i < n_names; i++)
                free(names[i]);
        return 0;
}
