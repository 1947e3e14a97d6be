/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The history of values. Its arithmetic is checked against a model that does not share any: an array with one value
 * for each second of 40 days, from which every bucket is counted anew. */

#include "test-ledger.h"

#include "core/values.h"

#define BEGIN   (1774137600ULL) /* 2026-03-22 00:00 UTC: a week later clocks change in Europe */
#define DAYS    40
#define SECONDS (DAYS * 86400)
#define NOTHING INT64_MIN /* nothing was asked yet */
#define UNKNOWN (INT64_MIN + 1)
#define SEEDS   4

static const ConditionUnit units[] = { CONDITION_MILLI, CONDITION_BYTES, CONDITION_COUNT, CONDITION_TRUTH,
                                       CONDITION_USEC };

static uint64_t random_state, n_checked;

static uint64_t draw(uint64_t n) {
        random_state = random_state * 6364136223846793005U + 1442695040888963407U;
        return (random_state >> 33) % n;
}

/* --- the world --- */

static const char *const questions[] = { "load1", "disk-free /var", "process nginx count", "online",
                                         "disk-full-in /var" };

typedef struct World {
        Ledger *ledger;
        Values *values;
        Instant now;
        uint64_t second; /* since BEGIN */
        Value *slots[ELEMENTSOF(questions)];
        int64_t *model[ELEMENTSOF(questions)]; /* for each second */
        int64_t current[ELEMENTSOF(questions)];
        uint64_t first[ELEMENTSOF(questions)]; /* when it was asked first */
        uint64_t alive, minute;                /* what a kill leaves */
} World;

static void set_second(World *w, uint64_t second) {
        w->second = second;
        w->now.realtime = (BEGIN + second) * USEC_PER_SEC;
}

static void open_values(World *w) {
        assert_int_equal(values_new(&w->values, w->ledger), 0);
        assert_int_equal(values_load(w->values), 0);
        memset(w->slots, 0, sizeof(w->slots));
}

static void open_world(World *w) {
        *w = (World){ .ledger = open_ledger(NULL), .now = { .boottime = USEC_PER_DAY, .monotonic = USEC_PER_DAY } };
        set_second(w, 0);
        for (size_t i = 0; i < ELEMENTSOF(questions); i++) {
                w->model[i] = malloc(SECONDS * sizeof(int64_t));
                assert_non_null(w->model[i]);
                w->current[i] = NOTHING;
        }
        open_values(w);
}

static void close_world(World *w) {
        for (size_t i = 0; i < ELEMENTSOF(questions); i++) {
                Question q;

                assert_int_equal(question_parse(questions[i], &q, NULL), 0);
                values_note(w->values, &w->slots[i], &q, NULL, &w->now);
                question_done(&q);
                free(w->model[i]);
        }
        values_close(w->values, &w->now);
        values_free(w->values);
        ledger_close(w->ledger);
}

static void fill(World *w, uint64_t from, uint64_t to, bool known) {
        for (size_t i = 0; i < ELEMENTSOF(questions); i++)
                for (uint64_t s = from; s < to; s++)
                        w->model[i][s] = known || w->current[i] == NOTHING ? w->current[i] : UNKNOWN;
}

/* The machine is awake for so long. */
static void pass(World *w, uint64_t seconds) {
        fill(w, w->second, w->second + seconds, true);
        set_second(w, w->second + seconds);
        w->now.boottime += seconds * USEC_PER_SEC;
        w->now.monotonic += seconds * USEC_PER_SEC;
}

/* Time goes on, on some clocks. */
static void jump(World *w, uint64_t seconds, bool boottime) {
        fill(w, w->second, w->second + seconds, false);
        set_second(w, w->second + seconds);
        w->now.boottime += boottime ? seconds * USEC_PER_SEC : 0;
}

static void note(World *w, size_t i, int64_t value) {
        Reading r = { .is_known = value != UNKNOWN, .value = value, .whole = 0, .reason = "It does not answer." };
        uint64_t minute = w->second / 60;
        Question q;

        r.reason = r.is_known ? NULL : r.reason;
        assert_int_equal(question_parse(questions[i], &q, NULL), 0);
        values_note(w->values, &w->slots[i], &q, &r, &w->now);
        question_done(&q);
        if (w->current[i] == NOTHING)
                w->first[i] = w->second;
        w->current[i] = value;
        if (minute / 60 > w->minute / 60)
                w->alive = w->second;
        else if (minute > w->minute)
                w->alive = (w->minute + 1) * 60;
        w->minute = minute;
}

static int64_t draw_value(size_t i) {
        if (draw(10) == 0)
                return UNKNOWN;
        switch (i) {
        case 0:
                return (int64_t)draw(20000);
        case 1:
                return (int64_t)draw(1000) << 30;
        case 2:
                return (int64_t)draw(5);
        case 3:
                return (int64_t)draw(2);
        default:
                return draw(8) == 0 ? CONDITION_NEVER : (int64_t)(draw(1000) * USEC_PER_MINUTE);
        }
}

static void restart(World *w, bool is_killed) {
        if (!is_killed)
                values_close(w->values, &w->now);
        values_free(w->values);
        if (draw(2) == 0) {
                ledger_close(w->ledger);
                w->ledger = open_ledger(NULL);
        }
        for (size_t i = 0; i < ELEMENTSOF(questions); i++)
                if (is_killed && w->first[i] >= w->alive)
                        w->current[i] = NOTHING; /* it was in no minute that was written */
                else if (w->current[i] != NOTHING)
                        w->current[i] = UNKNOWN;
        if (is_killed)
                fill(w, w->alive, w->second, false);
        open_values(w);
}

/* --- the law --- */

typedef struct Walk {
        const World *world;
        size_t question;
        usec_t grain;
        int64_t scale;
        unsigned n;
        usec_t last;
} Walk;

static int check_bucket(usec_t start, const Bucket *b, void *userdata) {
        Walk *walk = userdata;
        uint64_t first = start / USEC_PER_SEC - BEGIN, n = walk->grain / USEC_PER_SEC, known = 0;
        int64_t min = INT64_MAX, max = INT64_MIN, scale = walk->scale;
        bool never = false, has_unknown = false;
        int64_t found;
        double sum = 0, mean, slack;

        assert_true(walk->n == 0 || start == walk->last + walk->grain);
        walk->last = start;
        walk->n++;
        if (start < BEGIN * USEC_PER_SEC) {
                assert_int_equal(b->known, 0);
                return 0;
        }
        for (uint64_t s = first; s < MIN(first + n, walk->world->second); s++) {
                int64_t value = walk->world->model[walk->question][s];

                has_unknown |= value == UNKNOWN;
                if (value == NOTHING || value == UNKNOWN)
                        continue;
                known++;
                min = MIN(min, value);
                max = MAX(max, value);
                never |= value == CONDITION_NEVER;
                sum += (double)value * (double)scale;
        }
        if (first <= walk->world->second && walk->world->second < first + n) /* a value may begin at this moment */
                return 0;
        assert_true(b->known / USEC_PER_SEC + 1 >= known && b->known <= known * USEC_PER_SEC + USEC_PER_MSEC);
        if (known == 0) {
                assert_int_equal(b->known, 0);
                assert_true(!has_unknown || b->end.reason);
                return 0;
        }
        n_checked++;
        found = bucket_mean(b);
        assert_int_equal(b->min, min);
        assert_int_equal(b->max, max);
        if (never)
                assert_int_equal(found, CONDITION_NEVER);
        else {
                assert_true(found >= b->min * scale && found <= b->max * scale);
                mean = sum / (double)known;
                /* Time that is known is kept in milliseconds, and each change takes a microsecond. */
                slack = 4 + (double)(max - min) * (double)scale / 500;
                assert_true((double)found - mean < slack && mean - (double)found < slack);
        }
        return 0;
}

static void check_law(World *w) {
        for (size_t i = 0; i < ELEMENTSOF(questions); i++)
                for (int is_hours = 0; is_hours < 2; is_hours++) {
                        Walk walk = { .world = w, .question = i };
                        usec_t since = w->now.realtime - (is_hours ? 30 : 1) * USEC_PER_DAY;

                        if (w->current[i] == NOTHING)
                                continue;
                        walk.grain = is_hours ? USEC_PER_HOUR : USEC_PER_MINUTE;
                        walk.scale = series_scale(units[i]);
                        assert_int_equal(values_query(w->values, questions[i], since, USEC_INFINITY, &walk.grain,
                                                      &w->now, check_bucket, &walk),
                                         0);
                        assert_true(walk.n >= (is_hours ? 720 : 1440));
                }
}

static void step(World *w) {
        static const unsigned spans[] = { 2, 20, 100, 1000, 20000 };
        uint64_t what = draw(1000);
        size_t i = draw(ELEMENTSOF(questions));

        pass(w, 1 + draw(spans[draw(ELEMENTSOF(spans))]));
        if (what < 10) {
                restart(w, /* is_killed= */ what < 5);
                jump(w, 2 + draw(draw(2) ? 100 : 50000), draw(2));
                for (i = 0; i < ELEMENTSOF(questions); i++)
                        if (w->current[i] != NOTHING)
                                note(w, i, draw_value(i));
        } else if (what < 20) {
                jump(w, 30 + draw(draw(2) ? 100 : 50000), /* boottime= */ draw(2)); /* suspended, or set */
                note(w, i, w->current[i] == NOTHING ? 1 : w->current[i]);
        } else
                note(w, i, draw(3) == 0 && w->current[i] != NOTHING ? w->current[i] : draw_value(i));
}

static void test_law(void **state) {
        n_checked = 0;
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
                World w;

                random_state = seed;
                open_world(&w);
                for (unsigned n = 0; w.second < SECONDS - 4 * 86400; n++) {
                        step(&w);
                        if (n % 512 == 511)
                                check_law(&w);
                }
                check_law(&w);
                close_world(&w);
                assert_int_equal(remove_directory(state), 0);
                assert_int_equal(make_directory(state), 0);
        }
        assert_true(n_checked > 10000);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                ledger_test(test_law),
        };

        log_open(LOG_TARGET_STDERR);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
