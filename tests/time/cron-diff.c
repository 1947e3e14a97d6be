/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Random cron expressions with our answers, for check-cron-diff, which holds them against python3-croniter:
 *
 *     cron-diff SEED COUNT RUNS
 *
 * prints a line for each: start (s), expression, the runs in UTC (s). Only what both languages mean the same by is
 * asked: no step without a range, and no stepped star for a day while the weekday is restricted too, or the other way
 * round (cron.h says how that is settled here); the test of the module has a model for these. */

#include <inttypes.h>

#include "random-text.h"
#include "time/cron.h"

static void add_list(struct random_text *r, unsigned low, unsigned high) {
        for (unsigned n = random_between(r, 1, 3); n > 0; n--) {
                unsigned a = random_between(r, low, high), b = random_between(r, a, high);

                random_add(r, "%u", a);
                if (b > a && random_percent(r, 40)) {
                        random_add(r, "-%u", b);
                        if (random_percent(r, 40))
                                random_add(r, "/%u", random_between(r, 1, b - a));
                }
                if (n > 1)
                        random_add(r, ",");
        }
}

static void add_field(struct random_text *r, unsigned low, unsigned high, unsigned percent_star) {
        if (random_percent(r, percent_star))
                random_add(r, "*");
        else if (random_percent(r, 25))
                random_add(r, "*/%u", random_between(r, 1, (high - low) / 2));
        else
                add_list(r, low, high);
        random_add(r, " ");
}

static void add_days(struct random_text *r) {
        static const char *const names[] = { "sun", "MON", "tue", "Wed", "thu", "fri", "sat" };
        unsigned kind = random_below(r, 6);

        switch (kind) {
        case 0:
                random_add(r, "* ");
                add_field(r, 1, 12, 60);
                random_add(r, "*");
                break;
        case 1:
                add_list(r, 1, 31);
                random_add(r, " ");
                add_field(r, 1, 12, 60);
                random_add(r, "*");
                break;
        case 2:
                random_add(r, "* ");
                add_field(r, 1, 12, 60);
                add_list(r, 0, 6);
                break;
        case 3:
                add_list(r, 1, 30);
                random_add(r, " * ");
                add_list(r, 1, 5); /* croniter takes a list of all values for a star */
                break;
        case 4:
                random_add(r, "L %u-12 *", random_between(r, 1, 11));
                break;
        default:
                random_add(r, "* jan,Jun,%u %s", random_between(r, 2, 5), names[random_below(r, ELEMENTSOF(names))]);
                if (random_percent(r, 30))
                        random_add(r, "#%u", random_between(r, 1, 5));
        }
}

int main(int argc, char *argv[]) {
        struct random_text r = {};
        unsigned long count, runs;

        if (argc != 4) {
                fprintf(stderr, "usage: %s SEED COUNT RUNS\n", argv[0]);
                return 2;
        }
        r.state = strtoull(argv[1], NULL, 10);
        count = strtoul(argv[2], NULL, 10);
        runs = strtoul(argv[3], NULL, 10);
        for (; count > 0; count--) {
                _cleanup_(cron_freep) Cron *c = NULL;
                usec_t t = (usec_t)(1000000000U + random_below(&r, 1000000000)) * USEC_PER_SEC;

                r.n = 0;
                add_field(&r, 0, 59, 20);
                add_field(&r, 0, 23, 30);
                add_days(&r);
                if (cron_parse(r.text, NULL, &c, NULL) < 0) {
                        printf("refused: %s\n", r.text);
                        return 1;
                }
                printf("%" PRI_USEC "\t%s\t", t / USEC_PER_SEC, r.text);
                for (unsigned long i = 0; i < runs && cron_next(c, NULL, t, &t) >= 0; i++)
                        printf("%s%" PRI_USEC, i > 0 ? " " : "", t / USEC_PER_SEC);
                putchar('\n');
        }
        return 0;
}
