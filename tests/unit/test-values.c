/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The history of values. Its arithmetic is checked against a model that does not share any: an array with one value
 * for each second of 40 days, from which every bucket is counted anew. */

#include "test-ledger-version-1.h"

#include "file-limit.h"

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
        uint64_t alive, minute, written;       /* what a kill leaves; minutes: of the last answer, of the last write */
        uint64_t jumped;                       /* from when on nothing is known, or 0 */
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

/* An answer at this time ends minutes, and the first one after ten minutes writes them down. */
static void reach(World *w, uint64_t second) {
        uint64_t minute = second / 60;

        if (minute / 60 > w->minute / 60)
                w->alive = second;
        else if (minute >= w->written + 10 && minute > w->minute)
                w->alive = (w->minute + 1) * 60;
        if (minute / 60 > w->minute / 60 || (minute >= w->written + 10 && minute > w->minute))
                w->written = minute;
        w->minute = MAX(minute, w->minute);
}

/* Time goes on, on some clocks. */
static void jump(World *w, uint64_t seconds, bool boottime) {
        w->jumped = w->jumped > 0 ? w->jumped : w->second;
        fill(w, w->second, w->second + seconds, false);
        set_second(w, w->second + seconds);
        w->now.boottime += boottime ? seconds * USEC_PER_SEC : 0;
}

static bool knows_nothing(const World *w) {
        for (size_t i = 0; i < ELEMENTSOF(questions); i++)
                if (w->current[i] != NOTHING)
                        return false;
        return true;
}

static void note(World *w, size_t i, int64_t value) {
        Reading r = { .is_known = value != UNKNOWN, .value = value, .whole = 0, .reason = "It does not answer." };
        Question q;

        r.reason = r.is_known ? NULL : r.reason;
        assert_int_equal(question_parse(questions[i], &q, NULL), 0);
        values_note(w->values, &w->slots[i], &q, &r, &w->now);
        question_done(&q);
        if (knows_nothing(w))
                w->minute = w->written = w->second / 60;
        if (w->current[i] == NOTHING)
                w->first[i] = w->second;
        w->current[i] = value;
        reach(w, TAKE_GENERIC(w->jumped, 0)); /* before the gap */
        reach(w, w->second);
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
        else
                w->alive = w->second;
        w->minute = w->written = w->alive / 60;
        w->jumped = w->alive;
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

/* --- one question, by hand --- */

typedef struct One {
        Ledger *ledger;
        Values *values;
        Value *value;
        Instant now;
} One;

static void open_one(One *o) {
        if (!o->ledger)
                o->ledger = open_ledger(NULL);
        assert_int_equal(values_new(&o->values, o->ledger), 0);
        assert_int_equal(values_load(o->values), 0);
        o->value = NULL;
        if (o->now.realtime == 0)
                o->now = (Instant){ BEGIN * USEC_PER_SEC, USEC_PER_DAY, USEC_PER_DAY };
}

/* As if it was killed: what is in memory is lost. */
static void kill_one(One *o) {
        assert_int_equal(ledger_commit(o->ledger), 0);
        o->values = values_free(o->values);
        o->ledger = ledger_close(o->ledger);
        open_one(o);
}

static void close_one(One *o) {
        values_close(o->values, &o->now);
        o->values = values_free(o->values);
        o->ledger = ledger_close(o->ledger);
}

static void pass_one(One *o, usec_t span) {
        o->now.realtime += span;
        o->now.boottime += span;
        o->now.monotonic += span;
}

static void note_of(One *o, Value **value, const char *question, const Reading *r) {
        Question q;

        assert_int_equal(question_parse(question, &q, NULL), 0);
        values_note(o->values, value, &q, r, &o->now);
        question_done(&q);
}

static void note_one(One *o, int64_t n) {
        note_of(o, &o->value, "load1", &(Reading){ .is_known = true, .value = n });
}

/* Notes it every minute, for so long. */
static void live_one(One *o, usec_t span, int64_t n) {
        for (usec_t t = 0; t < span; t += USEC_PER_MINUTE) {
                note_one(o, n);
                pass_one(o, USEC_PER_MINUTE);
        }
}

typedef struct Sum {
        usec_t grain, known, last;
        unsigned n;
        int64_t min, max;
        char reason[SERIES_REASON_MAX];
} Sum;

static int sum_bucket(usec_t start, const Bucket *b, void *userdata) {
        Sum *sum = userdata;

        assert_true(sum->n == 0 || start == sum->last + sum->grain);
        sum->last = start;
        sum->n++;
        if (b->end.reason)
                (void)snprintf(sum->reason, sizeof(sum->reason), "%s", b->end.reason);
        if (b->known == 0)
                return 0;
        assert_true(b->min <= b->max && bucket_mean(b) >= b->min && bucket_mean(b) <= b->max);
        sum->min = sum->known > 0 ? MIN(sum->min, b->min) : b->min;
        sum->max = sum->known > 0 ? MAX(sum->max, b->max) : b->max;
        sum->known += b->known;
        return 0;
}

static Sum sum_of(One *o, usec_t since, usec_t grain) {
        Sum sum = { .grain = grain };

        assert_int_equal(values_query(o->values, "load1", since, USEC_INFINITY, &sum.grain, &o->now, sum_bucket, &sum),
                         0);
        return sum;
}

static bool is_about(usec_t found, usec_t expected) {
        return found + USEC_PER_SEC >= expected && found <= expected + USEC_PER_SEC;
}

/* --- clocks --- */

/* A step back by less than a minute: the clock stands still until it is there again. */
static void test_small_step_back(void **state) {
        One o = {};
        Sum sum;

        open_one(&o);
        live_one(&o, USEC_PER_HOUR, 1);
        o.now.realtime -= 20 * USEC_PER_SEC;
        live_one(&o, USEC_PER_HOUR, 2);
        sum = sum_of(&o, BEGIN * USEC_PER_SEC, 0);
        assert_int_equal(sum.grain, USEC_PER_MINUTE);
        assert_true(is_about(sum.known, 2 * USEC_PER_HOUR - 20 * USEC_PER_SEC));
        close_one(&o);
}

/* What is kept of the time that comes again is dropped, and nothing of it ever shows. */
static void test_step_back(void **state) {
        static const usec_t steps[] = { 10 * USEC_PER_MINUTE, 70 * USEC_PER_MINUTE, 20 * USEC_PER_HOUR,
                                        3 * USEC_PER_DAY, 400 * USEC_PER_DAY };

        for (size_t i = 0; i < ELEMENTSOF(steps); i++)
                for (int is_killed = 0; is_killed < 2; is_killed++) {
                        One o = {};
                        usec_t begin;
                        Sum sum;

                        open_one(&o);
                        for (unsigned hour = 0; hour < 100; hour++)
                                live_one(&o, USEC_PER_HOUR, hour % 2 ? 1 : 3);
                        pass_one(&o, 100 * USEC_PER_SEC);
                        note_one(&o, 5);
                        o.now.realtime -= steps[i];
                        begin = o.now.realtime;
                        note_one(&o, 5);
                        pass_one(&o, 2 * USEC_PER_MINUTE);
                        note_one(&o, 5);
                        if (is_killed)
                                kill_one(&o);
                        note_one(&o, 5);
                        for (unsigned day = 0; day < 35; day++) {
                                usec_t minute = USEC_PER_MINUTE, hour = USEC_PER_HOUR;

                                sum = sum_of(&o, begin + minute, minute);
                                assert_true(sum.known == 0 ? day == 0 : sum.min == 5 && sum.max == 5);
                                sum = sum_of(&o, begin + hour, hour);
                                assert_true(sum.known == 0 ? day == 0 : sum.min == 5 && sum.max == 5);
                                pass_one(&o, USEC_PER_DAY);
                                note_one(&o, 5);
                        }
                        close_one(&o);
                        assert_int_equal(remove_directory(state), 0);
                        assert_int_equal(make_directory(state), 0);
                }
}

static void test_suspended(void **state) {
        One o = {};
        Sum sum;

        open_one(&o);
        live_one(&o, USEC_PER_HOUR, 1);
        o.now.realtime += 5 * USEC_PER_HOUR;
        o.now.boottime += 5 * USEC_PER_HOUR;
        pass_one(&o, USEC_PER_SEC);
        live_one(&o, USEC_PER_HOUR, 1);
        sum = sum_of(&o, BEGIN * USEC_PER_SEC, 0);
        assert_true(is_about(sum.known, 2 * USEC_PER_HOUR));
        assert_string_equal(sum.reason, "The machine was suspended.");
        close_one(&o);
}

/* A clock that is brought to its time slowly was not set. */
static void test_slew(void **state) {
        One o = {};
        Sum sum;

        open_one(&o);
        for (unsigned i = 0; i < 5; i++) {
                note_one(&o, 1);
                pass_one(&o, 3 * USEC_PER_HOUR);
                o.now.realtime += 3 * USEC_PER_HOUR / 2000;
        }
        sum = sum_of(&o, BEGIN * USEC_PER_SEC, 0);
        assert_true(is_about(sum.known, o.now.realtime - BEGIN * USEC_PER_SEC));
        assert_string_equal(sum.reason, "");
        close_one(&o);
}

static void test_step_forward(void **state) {
        One o = {};
        Sum sum;

        open_one(&o);
        live_one(&o, USEC_PER_HOUR, 1);
        o.now.realtime += 5 * USEC_PER_HOUR;
        live_one(&o, USEC_PER_HOUR, 1);
        sum = sum_of(&o, BEGIN * USEC_PER_SEC, 0);
        assert_true(is_about(sum.known, 2 * USEC_PER_HOUR));
        assert_string_equal(sum.reason, "The clock of the machine was set.");
        close_one(&o);
}

/* A machine without a clock begins in 1970, and so does the first hour of all. */
static void test_first_day_of_all(void **state) {
        One o = { .now = { USEC_PER_SEC, USEC_PER_SEC, USEC_PER_SEC } };
        Sum sum;

        open_one(&o);
        live_one(&o, 3 * USEC_PER_HOUR, 1);
        sum = sum_of(&o, 0, 0);
        assert_true(is_about(sum.known, 3 * USEC_PER_HOUR));
        o.now.realtime = BEGIN * USEC_PER_SEC;
        live_one(&o, USEC_PER_HOUR, 2);
        sum = sum_of(&o, BEGIN * USEC_PER_SEC, 0);
        assert_true(is_about(sum.known, USEC_PER_HOUR) && sum.min == 2);
        close_one(&o);
}

/* --- rows --- */

static void assert_loads(const char *bytes, size_t n, int expected) {
        SeriesRow row = {};

        assert_int_equal(series_row_load(&row, bytes, n, USEC_PER_MINUTE, 1), expected);
        series_row_done(&row);
}

/* 64 minutes at most. */
static void test_row_index(void **state) {
        static const char last[] = { 1, 1, (char)0xf0, 0x07, 0 }, beyond[] = { 1, 1, (char)0x80, 0x08, 0 };

        assert_loads(last, sizeof(last), 0);
        assert_loads(beyond, sizeof(beyond), -EBADMSG);
}

/* Known all the time, and not at its end. */
static void test_row_unknown_at_its_end(void **state) {
        Bucket b = bucket_of(&(SeriesState){ .is_known = true, .value = 5 }, USEC_PER_MINUTE, 1), minutes[2];
        _cleanup_(series_row_done) SeriesRow row = {};
        SeriesState last = {};

        b.end = (SeriesState){ .value = 5, .reason = "It is gone." };
        assert_int_equal(series_row_append(&row, 0, &b, USEC_PER_MINUTE, 1), 0);
        series_row_expand(&row, &last, minutes, ELEMENTSOF(minutes), USEC_PER_MINUTE, 1);
        assert_true(minutes[0].known == USEC_PER_MINUTE && minutes[1].known == 0);
        assert_string_equal(minutes[0].end.reason, "It is gone.");
        assert_string_equal(last.reason, "It is gone.");
}

/* However long the reasons are, there is room for all minutes. */
static void test_row_of_reasons(void **state) {
        Bucket b = bucket_of(&(SeriesState){ .is_known = true }, USEC_PER_MINUTE / 2, 1);
        _cleanup_(series_row_done) SeriesRow row = {};
        char reason[SERIES_REASON_MAX * 2] = "";

        memset(reason, 'x', sizeof(reason) - 1);
        b.end = (SeriesState){ .reason = reason };
        for (unsigned i = 0; i < SERIES_MINUTES_PER_ROW; i++) {
                reason[0] = (char)('A' + i % 26);
                assert_int_equal(series_row_append(&row, i, &b, USEC_PER_MINUTE, 1), 0);
        }
}

/* Means are in fractions, for which there is room. */
static void test_large_values(void **state) {
        Series s;

        series_init(&s, CONDITION_COUNT);
        (void)series_set(&s, &(SeriesState){ .is_known = true, .value = INT64_MAX }, 1);
        assert_true(s.state.value == INT64_MAX / series_scale(CONDITION_COUNT));
        (void)series_set(&s, &(SeriesState){ .is_known = true, .value = INT64_MIN }, 2);
        assert_true(s.state.value == INT64_MIN / series_scale(CONDITION_COUNT));
        series_done(&s);
}

/* Why a part of a minute is not known is not said of the next one. */
static void test_reason_of_the_minute_before(void **state) {
        One o = {};

        open_one(&o);
        note_of(&o, &o.value, "load1", &(Reading){ .reason = "It is gone." });
        pass_one(&o, 10 * USEC_PER_SEC);
        note_one(&o, 1);
        assert_string_equal(sum_of(&o, o.now.realtime, USEC_PER_MINUTE).reason, "It is gone.");
        pass_one(&o, USEC_PER_MINUTE);
        note_one(&o, 2);
        assert_string_equal(sum_of(&o, o.now.realtime, USEC_PER_MINUTE).reason, "");
        close_one(&o);
}

/* A value counts also when another one follows in the same moment. */
static void test_moment(void **state) {
        One o = {};

        open_one(&o);
        note_one(&o, 5);
        note_one(&o, 9);
        note_one(&o, 5);
        pass_one(&o, USEC_PER_HOUR);
        note_one(&o, 5);
        assert_int_equal(sum_of(&o, 0, USEC_PER_HOUR).max, 9);
        close_one(&o);
}

/* --- what it costs --- */

typedef struct Rows {
        unsigned n_log, n_rows, n_catalog;
        size_t n_bytes;
} Rows;

static int count_kept(const char *job, const char *key, uint64_t id, const void *bytes, size_t n, void *userdata) {
        Rows *rows = userdata;

        if (streq(key, "values/log"))
                rows->n_log++;
        else if (streq(key, "values"))
                rows->n_catalog++;
        else
                rows->n_rows++;
        assert_true(streq(key, "values/log") || n <= SERIES_ROW_MAX + 4096);
        rows->n_bytes += n;
        return 0;
}

static Rows rows_of(const One *o) {
        Rows rows = {};

        assert_int_equal(ledger_commit(o->ledger), 0);
        assert_int_equal(ledger_list_blobs(o->ledger, "", NULL, count_kept, &rows), 0);
        return rows;
}

/* A value that is told of once and does not change is written once, and then once a day when others are. */
static void test_silence(void **state) {
        One o = {};
        Rows rows;
        Sum sum;

        open_one(&o);
        note_one(&o, 7);
        pass_one(&o, 20 * USEC_PER_DAY);
        assert_int_equal(rows_of(&o).n_bytes, 0);
        sum = sum_of(&o, 0, USEC_PER_HOUR);
        assert_true(is_about(sum.known, 20 * USEC_PER_DAY));
        assert_true(sum.min == 7 && sum.max == 7);
        rows = rows_of(&o);
        assert_true(rows.n_log == 1 && rows.n_catalog == 1 && rows.n_rows == 21 && rows.n_bytes < 600);
        sum = sum_of(&o, o.now.realtime - USEC_PER_DAY, USEC_PER_MINUTE);
        assert_true(is_about(sum.known, USEC_PER_DAY + o.now.realtime % USEC_PER_HOUR));
        close_one(&o);
}

/* One that is asked for and does not change is nearly as cheap; however often it changes, it is a row of the log a
 * minute and kept in 54 rows. */
static void test_bounds(void **state) {
        One o = {};
        Rows rows;

        open_one(&o);
        live_one(&o, USEC_PER_HOUR - USEC_PER_MINUTE, 7);
        assert_int_equal(rows_of(&o).n_log, 50);
        live_one(&o, USEC_PER_HOUR, 7);
        rows = rows_of(&o);
        assert_true(rows.n_log < 62 && rows.n_rows == 1 && rows.n_bytes < 2000);
        for (unsigned i = 0; i < 40 * 24 * 60; i++)
                for (unsigned k = 0; k < 4; k++) {
                        char reason[300];
                        Reading r = { .is_known = draw(2) == 0, .value = (int64_t)(draw(UINT32_MAX) << 31) };

                        memset(reason, 'a' + (int)draw(26), sizeof(reason) - 1);
                        reason[sizeof(reason) - 1] = '\0';
                        r.reason = r.is_known ? NULL : reason;
                        note_of(&o, &o.value, "load1", &r);
                        pass_one(&o, 15 * USEC_PER_SEC);
                }
        rows = rows_of(&o);
        assert_true(rows.n_log <= 61 && rows.n_rows == 54 && rows.n_catalog == 1);
        assert_true(rows.n_bytes < 54 * SERIES_ROW_MAX + 61 * 512);
        close_one(&o);
}

static int count_value(const char *question, ConditionKind kind, const Reading *last, bool is_used, void *userdata) {
        ++*(unsigned *)userdata;
        return 0;
}

/* There is no history of one too many, and nothing else is wrong with it. */
static void test_too_many(void **state) {
        static Value *values[VALUES_MAX + 1];
        const Reading r = { .is_known = true, .value = 1 };
        unsigned n = 0;
        One o = {};

        memset(values, 0, sizeof(values));
        open_one(&o);
        for (unsigned round = 0; round < 3; round++) {
                for (unsigned i = 0; i <= VALUES_MAX; i++) {
                        char question[64];

                        (void)snprintf(question, sizeof(question), "process p%u count", i);
                        note_of(&o, &values[i], question, &r);
                }
                pass_one(&o, USEC_PER_HOUR);
        }
        assert_true(values[VALUES_MAX - 1] && !values[VALUES_MAX]);
        assert_int_equal(values_list(o.values, count_value, &n), 0);
        assert_int_equal(n, VALUES_MAX);
        close_one(&o);
}

/* What no job asks any more goes after 30 days, with its rows; not before, and not what is asked. */
static void test_dropped(void **state) {
        Value *other = NULL;
        One o = {};

        open_one(&o);
        note_one(&o, 1);
        pass_one(&o, USEC_PER_HOUR);
        note_one(&o, 2);
        note_of(&o, &o.value, "load1", NULL);
        for (unsigned day = 0; day < 29; day++) {
                note_of(&o, &other, "load5", &(Reading){ .is_known = true, .value = (int64_t)day });
                pass_one(&o, USEC_PER_DAY);
        }
        assert_true(values_has(o.values, "load1"));
        assert_string_equal(sum_of(&o, 0, USEC_PER_HOUR).reason, "No job asks for it.");
        kill_one(&o);
        other = NULL;
        for (unsigned day = 0; day < 2; day++) {
                pass_one(&o, USEC_PER_DAY);
                note_of(&o, &other, "load5", &(Reading){ .is_known = true, .value = (int64_t)day });
        }
        assert_false(values_has(o.values, "load1"));
        assert_true(values_has(o.values, "load5"));
        assert_int_equal(rows_of(&o).n_catalog, 1);
        kill_one(&o);
        assert_false(values_has(o.values, "load1"));
        close_one(&o);
}

/* --- the ledger --- */

/* A ledger of the first version has no history; then it has. */
static void test_version_1(void **state) {
        One o = {};

        run_sql(version_1);
        open_one(&o);
        live_one(&o, 2 * USEC_PER_HOUR, 1);
        kill_one(&o);
        assert_true(is_about(sum_of(&o, 0, USEC_PER_HOUR).known, 110 * USEC_PER_MINUTE));
        close_one(&o);
}

/* While it cannot be written, the history takes none of its memory; hours come through, as they are of a day, and
 * minutes have the values of their hours. */
static void test_not_writable(void **state) {
        Rows before = {}, after = {};
        One o = {};
        Sum sum;

        log_open(LOG_TARGET_NULL);
        open_one(&o);
        live_one(&o, USEC_PER_HOUR, 1);
        assert_int_equal(ledger_commit(o.ledger), 0);
        set_file_limit(0);
        add(o.ledger, "a");
        assert_true(ledger_commit(o.ledger) < 0);
        assert_int_equal(ledger_list_blobs(o.ledger, "", NULL, count_kept, &before), 0);
        live_one(&o, 5 * USEC_PER_HOUR + USEC_PER_MINUTE, 2);
        live_one(&o, 2 * USEC_PER_HOUR, 3);
        assert_int_equal(ledger_list_blobs(o.ledger, "", NULL, count_kept, &after), 0);
        assert_memory_equal(&before, &after, sizeof(before));
        set_file_limit(RLIM_INFINITY);
        assert_int_equal(ledger_commit(o.ledger), 0);
        live_one(&o, USEC_PER_HOUR, 4);
        kill_one(&o);
        sum = sum_of(&o, BEGIN * USEC_PER_SEC, USEC_PER_HOUR);
        assert_true(sum.known > 8 * USEC_PER_HOUR && sum.min == 1 && sum.max == 4);
        sum = sum_of(&o, BEGIN * USEC_PER_SEC, USEC_PER_MINUTE);
        assert_true(sum.known > 8 * USEC_PER_HOUR && sum.min == 1 && sum.max == 4);
        close_one(&o);
}

/* A ledger that cannot be read at first: what is learned meanwhile is kept with what there was. */
static void test_loaded_late(void **state) {
        One o = {};
        Sum sum;

        open_one(&o);
        live_one(&o, 3 * USEC_PER_HOUR, 1);
        close_one(&o);
        o.ledger = open_ledger(NULL);
        assert_int_equal(values_new(&o.values, o.ledger), 0);
        o.value = NULL;
        live_one(&o, USEC_PER_HOUR, 2);
        assert_int_equal(values_load(o.values), 0);
        live_one(&o, USEC_PER_HOUR, 3);
        kill_one(&o);
        sum = sum_of(&o, BEGIN * USEC_PER_SEC, USEC_PER_MINUTE);
        assert_true(sum.min == 1 && sum.max == 3 && sum.known > 3 * USEC_PER_HOUR);
        close_one(&o);
}

typedef struct Damage {
        Ledger *ledger;
        unsigned n;
} Damage;

static int damage_row(const char *job, const char *key, uint64_t id, const void *bytes, size_t n, void *userdata) {
        Damage *d = userdata;
        uint8_t copy[SERIES_ROW_MAX + 4096];

        assert_true(n > 0 && n <= sizeof(copy));
        memcpy(copy, bytes, n);
        for (uint64_t k = 0, n_changes = draw(3); k < n_changes; k++)
                copy[draw(n)] = (uint8_t)draw(256);
        if (draw(8) == 0)
                n = draw(n) + 1;
        assert_int_equal(ledger_put(d->ledger, job, key, id, copy, n), 0);
        d->n++;
        return 0;
}

/* Whatever is in the rows: no more than them is lost, and what is said is in order. */
static void test_damaged(void **state) {
        random_state = 42;
        for (unsigned i = 0; i < 60; i++) {
                Damage d = {};
                One o = {};

                open_one(&o);
                for (unsigned hour = 0; hour < 30; hour++) {
                        live_one(&o, draw(10) * USEC_PER_MINUTE, (int64_t)draw(1000));
                        note_of(&o, &o.value, "load1", &(Reading){ .reason = "It is gone." });
                        pass_one(&o, draw(120) * USEC_PER_MINUTE);
                }
                close_one(&o);
                d.ledger = o.ledger = open_ledger(NULL);
                assert_int_equal(ledger_list_blobs(o.ledger, "", NULL, damage_row, &d), 0);
                assert_true(d.n > 5);
                pass_one(&o, draw(100) * USEC_PER_MINUTE);
                open_one(&o);
                note_one(&o, 1);
                (void)sum_of(&o, 0, USEC_PER_MINUTE);
                (void)sum_of(&o, 0, USEC_PER_HOUR);
                live_one(&o, USEC_PER_DAY, 2);
                assert_true(sum_of(&o, o.now.realtime - USEC_PER_HOUR, USEC_PER_MINUTE).known > USEC_PER_HOUR / 2);
                close_one(&o);
                assert_int_equal(remove_directory(state), 0);
                assert_int_equal(make_directory(state), 0);
        }
}

#define HOUR_AT     24 /* where they stand in a row of the catalog */
#define SIZES_AT    32
#define HEADER_SIZE 40

typedef struct WrongHour {
        Ledger *ledger;
        unsigned line;
        uint64_t ahead;
        bool has_day;
} WrongHour;

static int damage_hour(const char *job, const char *key, uint64_t id, const void *bytes, size_t n, void *userdata) {
        const WrongHour *wrong = userdata;
        uint8_t copy[4096];
        uint32_t sizes[2];
        uint64_t hour;

        if (id != 1) /* the other one, which is noted first */
                return 0;
        assert_true(n > HEADER_SIZE && n <= sizeof(copy));
        memcpy(copy, bytes, n);
        memcpy(&hour, copy + HOUR_AT, sizeof(hour));
        hour += wrong->ahead;
        memcpy(copy + HOUR_AT, &hour, sizeof(hour));
        memcpy(sizes, copy + SIZES_AT, sizeof(sizes));
        n = wrong->has_day ? n : (size_t)HEADER_SIZE + sizes[0] + sizes[1];
        assert_int_equal(ledger_put(wrong->ledger, job, key, id, copy, n), 0);
        return 0;
}

/* A row that claims to be of another time does not cost the others theirs. */
static void test_damaged_hour(void **state) {
        WrongHour rows[] = {
                { .line = __LINE__, .ahead = 24, .has_day = true },
                { .line = __LINE__, .ahead = 1000, .has_day = true },
                { .line = __LINE__, .ahead = 1000 },
                { .line = __LINE__, .ahead = INT64_MAX },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                Value *other = NULL;
                One o = {};

                open_one(&o);
                for (unsigned hour = 0; hour < 5; hour++) {
                        note_of(&o, &other, "load5", &(Reading){ .is_known = true, .value = (int64_t)hour });
                        live_one(&o, USEC_PER_HOUR, (int64_t)hour);
                }
                close_one(&o);
                rows[i].ledger = o.ledger = open_ledger(NULL);
                assert_int_equal(ledger_list_blobs(o.ledger, "", "values", damage_hour, &rows[i]), 0);
                open_one(&o);
                note_one(&o, 1);
                if (sum_of(&o, BEGIN * USEC_PER_SEC, USEC_PER_HOUR).known <= 4 * USEC_PER_HOUR)
                        fail_msg("line %u: the hours of the day are gone", rows[i].line);
                close_one(&o);
                assert_int_equal(remove_directory(state), 0);
                assert_int_equal(make_directory(state), 0);
        }
}

/* --- in words --- */

static char told[16384];

#define EXPECT(text)                               \
        do {                                       \
                assert_string_equal(told, (text)); \
                told[0] = '\0';                    \
        } while (false)

_printf_(1, 2) static void tell(const char *format, ...) {
        size_t n = strlen(told);
        va_list ap;

        assert_true(n < sizeof(told) - 512);
        n += n > 0 ? (size_t)snprintf(told + n, 3, "; ") : 0;
        va_start(ap, format);
        (void)vsnprintf(told + n, sizeof(told) - n, format, ap);
        va_end(ap);
}

typedef struct Told {
        usec_t since, last, grain;
        char text[256];
        unsigned n;
} Told;

static void tell_told(Told *t) {
        if (t->n > 0)
                tell("%ux %s", t->n, t->text);
        t->n = 0;
}

/* Buckets in a row that say the same are one. */
static int tell_bucket(usec_t start, const Bucket *b, void *userdata) {
        const char *why = b->end.is_known ? "" : strempty(b->end.reason);
        Told *t = userdata;
        char text[256];

        assert_true(t->last == 0 || start == t->last + t->grain);
        t->last = start;
        if (b->known > 0)
                (void)snprintf(text, sizeof(text), "%" PRIu64 "s %" PRId64 "..%" PRId64 " ~%" PRId64 "%s%s",
                               b->known / USEC_PER_SEC, b->min, b->max, bucket_mean(b), why[0] ? " " : "", why);
        else
                (void)snprintf(text, sizeof(text), "%s", why[0] ? why : "-");
        if (t->n > 0 && !streq(text, t->text))
                tell_told(t);
        (void)snprintf(t->text, sizeof(t->text), "%s", text);
        t->n++;
        return 0;
}

/* What is known of load1 from a time after the begin to one before now. */
static void tell_history(One *o, usec_t from, usec_t grain) {
        Told t = { .since = BEGIN * USEC_PER_SEC + from, .grain = grain };

        assert_int_equal(values_query(o->values, "load1", t.since, USEC_INFINITY, &t.grain, &o->now, tell_bucket, &t),
                         0);
        tell_told(&t);
}

static bool writes_are_told;

int __real_ledger_put(Ledger *l, const char *job, const char *key, uint64_t id, const void *bytes, size_t n);
int __wrap_ledger_put(Ledger *l, const char *job, const char *key, uint64_t id, const void *bytes, size_t n);
int __real_ledger_forget(Ledger *l, const char *job, const char *key);
int __wrap_ledger_forget(Ledger *l, const char *job, const char *key);

int __wrap_ledger_put(Ledger *l, const char *job, const char *key, uint64_t id, const void *bytes, size_t n) {
        if (writes_are_told)
                tell("%s%s %" PRIu64, bytes ? "" : "no ", key, id);
        return __real_ledger_put(l, job, key, id, bytes, n);
}

int __wrap_ledger_forget(Ledger *l, const char *job, const char *key) {
        if (writes_are_told)
                tell("forget %s", key);
        return __real_ledger_forget(l, job, key);
}

static void test_history_in_words(void **state) {
        One o = {};

        open_one(&o);
        pass_one(&o, 10 * USEC_PER_SEC);
        note_one(&o, 1000);
        pass_one(&o, 20 * USEC_PER_SEC);
        note_one(&o, 3000);
        pass_one(&o, 90 * USEC_PER_SEC);
        note_of(&o, &o.value, "load1", &(Reading){ .reason = "It is gone." });
        pass_one(&o, 10 * USEC_PER_MINUTE);
        note_one(&o, 2000);
        pass_one(&o, 3 * USEC_PER_MINUTE);
        tell_history(&o, 0, 0);
        EXPECT("1x 50s 1000..3000 ~2199; 1x 60s 3000..3000 ~3000; 10x It is gone.; "
               "3x 60s 2000..2000 ~2000; 1x -");
        tell_history(&o, 0, USEC_PER_HOUR);
        EXPECT("1x 290s 1000..3000 ~2241");
        tell_history(&o, 0, 5 * USEC_PER_MINUTE);
        EXPECT("1x 110s 1000..3000 ~2635 It is gone.; 1x It is gone.; 1x 180s 2000..2000 ~2000; 1x -");
        tell_history(&o, 150 * USEC_PER_SEC, 0);
        EXPECT("10x It is gone.; 3x 60s 2000..2000 ~2000; 1x -");
        pass_one(&o, 2 * USEC_PER_HOUR);
        note_one(&o, 5000);
        pass_one(&o, 30 * USEC_PER_MINUTE);
        note_one(&o, 6000);
        pass_one(&o, 15 * USEC_PER_MINUTE);
        tell_history(&o, 0, 0);
        EXPECT("1x 50s 1000..3000 ~2199; 1x 60s 3000..3000 ~3000; 10x It is gone.; "
               "123x 60s 2000..2000 ~2000; 30x 60s 5000..5000 ~5000; 15x 60s 6000..6000 ~6000; 1x -");
        tell_history(&o, 0, USEC_PER_HOUR);
        EXPECT("1x 2990s 1000..3000 ~2023; 1x 3600s 2000..2000 ~2000; 1x 3600s 2000..6000 ~4500; 1x -");
        tell_history(&o, 0, 2 * USEC_PER_HOUR);
        EXPECT("1x 6590s 1000..3000 ~2010; 1x 3600s 2000..6000 ~4500");
        /* As it is, and as the next daemon knows it. */
        kill_one(&o);
        pass_one(&o, 30 * USEC_PER_SEC);
        tell_history(&o, 2 * USEC_PER_HOUR, 0);
        EXPECT("15x 60s 2000..2000 ~2000; 30x 60s 5000..5000 ~5000; 15x 60s 6000..6000 ~6000; "
               "1x vaktd was not running.");
        tell_history(&o, 0, USEC_PER_HOUR);
        EXPECT("1x 2990s 1000..3000 ~2023; 1x 3600s 2000..2000 ~2000; 1x 3600s 2000..6000 ~4500; "
               "1x vaktd was not running.");
        note_one(&o, 7000);
        pass_one(&o, USEC_PER_MINUTE);
        tell_history(&o, 2 * USEC_PER_HOUR, 0);
        EXPECT("15x 60s 2000..2000 ~2000; 30x 60s 5000..5000 ~5000; 15x 60s 6000..6000 ~6000; "
               "2x 30s 7000..7000 ~7000");
        close_one(&o);
}

/* A daemon dies after hours in which nothing was new: the hours go on from what the ledger has. */
static void test_killed_after_silence(void **state) {
        One o = {};

        open_one(&o);
        note_one(&o, 1000);
        for (unsigned i = 0; i < 10; i++) {
                pass_one(&o, 31 * USEC_PER_MINUTE);
                note_one(&o, 1000);
        }
        note_one(&o, 2000);
        pass_one(&o, 12 * USEC_PER_MINUTE);
        note_one(&o, 3000);
        kill_one(&o);
        tell_history(&o, 0, 0);
        EXPECT("310x 60s 1000..1000 ~1000; 1x 60s 2000..2000 ~2000; 12x vaktd was not running.");
        tell_history(&o, 0, USEC_PER_HOUR);
        EXPECT("5x 3600s 1000..1000 ~1000; 1x 660s 1000..2000 ~1090 vaktd was not running.");
        /* What is learned now is of this hour. */
        note_one(&o, 4000);
        pass_one(&o, USEC_PER_HOUR);
        note_one(&o, 5000);
        kill_one(&o);
        tell_history(&o, 0, 0);
        EXPECT("310x 60s 1000..1000 ~1000; 1x 60s 2000..2000 ~2000; 11x vaktd was not running.; "
               "60x 60s 4000..4000 ~4000; 1x vaktd was not running.");
        close_one(&o);
}

/* A daemon that ends still answers, with what it has in memory. */
static void test_asked_when_closed(void **state) {
        One o = {};

        open_one(&o);
        note_one(&o, 1000);
        pass_one(&o, 2 * USEC_PER_MINUTE);
        note_one(&o, 2000);
        pass_one(&o, 30 * USEC_PER_SEC);
        values_close(o.values, &o.now);
        tell_history(&o, 0, 0);
        EXPECT("2x 60s 1000..1000 ~1000; 1x 30s 2000..2000 ~2000");
        close_one(&o);
}

/* The clock is set back by hours: what is kept of the time before stays as it was, minute by minute. */
static void test_set_back_in_words(void **state) {
        static const struct {
                usec_t by;
                const char *minutes, *hours;
        } table[] = {
                { 2 * USEC_PER_MINUTE,
                  "242x 60s 400..400 ~400; 20x 60s 500..500 ~500; 40x 60s 501..501 ~501; "
                  "300x 60s 500..500 ~500; 20x 60s 600..600 ~600; 40x 60s 601..601 ~601; "
                  "300x 60s 600..600 ~600; 20x 60s 700..700 ~700; 40x 60s 701..701 ~701; "
                  "300x 60s 700..700 ~700; 20x 60s 800..800 ~800; 48x 60s 801..801 ~801; "
                  "5x 60s 8..8 ~8; 1x -",
                  "1x 3600s 400..401 ~400; 5x 3600s 400..400 ~400; 1x 3600s 500..501 ~500; "
                  "5x 3600s 500..500 ~500; 1x 3600s 600..601 ~600; 5x 3600s 600..600 ~600; "
                  "1x 3600s 700..701 ~700; 5x 3600s 700..700 ~700; 1x 3600s 800..801 ~800; "
                  "1x 780s 8..801 ~496" },
                { 2 * USEC_PER_HOUR,
                  "60x 60s 400..401 ~400; 300x 60s 400..400 ~400; 20x 60s 500..500 ~500; "
                  "40x 60s 501..501 ~501; 300x 60s 500..500 ~500; 20x 60s 600..600 ~600; "
                  "40x 60s 601..601 ~601; 300x 60s 600..600 ~600; 20x 60s 700..700 ~700; "
                  "40x 60s 701..701 ~701; 240x 60s 700..700 ~700; 10x -; 5x 60s 8..8 ~8; 1x -",
                  "1x 3600s 300..300 ~300; 1x 3600s 400..401 ~400; 5x 3600s 400..400 ~400; "
                  "1x 3600s 500..501 ~500; 5x 3600s 500..500 ~500; 1x 3600s 600..601 ~600; "
                  "5x 3600s 600..600 ~600; 1x 3600s 700..701 ~700; 4x 3600s 700..700 ~700; "
                  "1x 300s 8..8 ~8" },
                { 26 * USEC_PER_HOUR,
                  "60x 60s 0..1 ~0; 300x 60s 0..0 ~0; 60x 60s 100..101 ~100; 300x 60s 100..100 ~100; "
                  "60x 60s 200..201 ~200; 300x 60s 200..200 ~200; 60x 60s 300..301 ~300; "
                  "240x 60s 300..300 ~300; 10x -; 5x 60s 8..8 ~8; 1x -",
                  "1x -; 1x 3600s 0..1 ~0; 5x 3600s 0..0 ~0; 1x 3600s 100..101 ~100; "
                  "5x 3600s 100..100 ~100; 1x 3600s 200..201 ~200; 5x 3600s 200..200 ~200; "
                  "1x 3600s 300..301 ~300; 4x 3600s 300..300 ~300; 1x 300s 8..8 ~8" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                One o = {};

                open_one(&o);
                for (unsigned hour = 0; hour < 49; hour++) {
                        note_one(&o, hour / 6 * 100);
                        pass_one(&o, 20 * USEC_PER_MINUTE);
                        note_one(&o, hour / 6 * 100 + (hour % 6 == 0));
                        pass_one(&o, 40 * USEC_PER_MINUTE);
                }
                pass_one(&o, 10 * USEC_PER_MINUTE);
                note_one(&o, 7);
                o.now.realtime -= table[i].by;
                note_one(&o, 8);
                pass_one(&o, 5 * USEC_PER_MINUTE);
                tell_history(&o, 26 * USEC_PER_HOUR - table[i].by, USEC_PER_MINUTE);
                EXPECT(table[i].minutes);
                tell_history(&o, 25 * USEC_PER_HOUR - table[i].by, USEC_PER_HOUR);
                EXPECT(table[i].hours);
                close_one(&o);
                assert_int_equal(remove_directory(state), 0);
                assert_int_equal(make_directory(state), 0);
        }
}

/* The rows of minutes, ten at once, and what an hour and a day write. */
static void test_writes(void **state) {
        Value *other = NULL;
        One o = {};

        open_one(&o);
        writes_are_told = true;
        note_one(&o, 1000);
        note_of(&o, &other, "load5", &(Reading){ .is_known = true, .value = 1 });
        EXPECT("");
        pass_one(&o, 10 * USEC_PER_MINUTE);
        note_one(&o, 1000);
        EXPECT("values 1; values 2; values/log 1");
        pass_one(&o, 10 * USEC_PER_MINUTE);
        note_one(&o, 2000);
        EXPECT("values/log 2");
        pass_one(&o, 10 * USEC_PER_MINUTE);
        note_one(&o, 2000);
        EXPECT("values/log 3");
        pass_one(&o, USEC_PER_HOUR);
        note_one(&o, 3000);
        EXPECT("values/2 0; values 2; values/1 0; values 1; forget values/log; values/log 4");
        kill_one(&o);
        assert_int_equal(values_load(o.values), 0); /* once is enough */
        EXPECT("");
        note_one(&o, 4000);
        pass_one(&o, 10 * USEC_PER_MINUTE);
        note_one(&o, 4000);
        EXPECT("values/log 5");
        pass_one(&o, 3 * USEC_PER_DAY);
        note_one(&o, 5000);
        EXPECT("values/2 1; values/2 38; values/2 39; values/2 40; values 2; values/1 1; values/1 38; values/1 39; "
               "values/1 40; values 1; forget values/log; values/log 6");
        o.now.realtime -= 2 * USEC_PER_MINUTE;
        note_one(&o, 6000);
        EXPECT("values/log 7; values 1; values 2; values/log 8");
        o.now.realtime -= 3 * USEC_PER_HOUR;
        note_one(&o, 7000);
        EXPECT("values/log 9; no values/1 22; no values/1 23; no values/1 0; values 1; no values/2 22; no values/2 "
               "23; no values/2 0; values 2; forget values/log; values/log 10");
        /* Thirty days after it was asked last, to the microsecond. */
        note_of(&o, &o.value, "load1", NULL);
        other = NULL;
        pass_one(&o, 30 * USEC_PER_DAY);
        note_of(&o, &other, "load5", &(Reading){ .is_known = true, .value = 1 });
        assert_true(values_has(o.values, "load1"));
        told[0] = '\0';
        pass_one(&o, USEC_PER_HOUR);
        note_of(&o, &other, "load5", &(Reading){ .is_known = true, .value = 2 });
        assert_false(values_has(o.values, "load1"));
        EXPECT("values 3; values/3 22; values 3; forget values/1; no values 1; forget values/log; values/log 12");
        close_one(&o);
        EXPECT("values/log 13");
        writes_are_told = false;
}

/* A day ends for what says nothing, too. */
static void test_writes_of_silence(void **state) {
        Value *other = NULL;
        One o = {};

        open_one(&o);
        pass_one(&o, 20 * USEC_PER_HOUR);
        note_of(&o, &other, "load5", &(Reading){ .is_known = true, .value = 1 });
        for (unsigned hour = 0; hour < 9; hour++) {
                note_one(&o, hour);
                pass_one(&o, USEC_PER_HOUR);
                writes_are_told = hour >= 2 && hour < 5;
        }
        writes_are_told = false;
        EXPECT("values/2 22; values 2; forget values/log; values/log 3; values/1 38; values 1; "
               "values/2 23; values/2 38; values 2; forget values/log; values/log 4; values 1; "
               "values/2 0; values 2; forget values/log; values/log 5");
        close_one(&o);
}

typedef struct OldHeader {
        uint64_t version, minute;
        usec_t until;
} OldHeader;

/* What the log has of an earlier hour, or of another version, or of no time at all, is left alone. */
static void test_log_that_is_none(void **state) {
        OldHeader rows[] = {
                { 1, BEGIN / 60 + 10, (BEGIN + 660) * USEC_PER_SEC },
                { 2, BEGIN / 60 + 150, (BEGIN + 9060) * USEC_PER_SEC },
                { 1, BEGIN / 60 + 150, (BEGIN + 8940) * USEC_PER_SEC },
                { 1, BEGIN / 60 + 150, (BEGIN + 9120) * USEC_PER_SEC },
        };
        One o = {};

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                open_one(&o);
                live_one(&o, 2 * USEC_PER_HOUR + 25 * USEC_PER_MINUTE, 1);
                assert_int_equal(ledger_put(o.ledger, "", "values/log", 100000, &rows[i], sizeof(rows[i])), 0);
                kill_one(&o);
                note_one(&o, 2);
                pass_one(&o, USEC_PER_MINUTE);
                note_one(&o, 3);
                tell_history(&o, 0, 0);
                EXPECT("140x 60s 1..1 ~1; 5x vaktd was not running.; 1x 60s 2..2 ~2; 1x 0s 3..3 ~3");
                close_one(&o);
                o = (One){};
                assert_int_equal(remove_directory(state), 0);
                assert_int_equal(make_directory(state), 0);
        }
}

static int copy_row(const char *job, const char *key, uint64_t id, const void *bytes, size_t n, void *userdata) {
        return id == 1 ? ledger_put(userdata, job, key, 7, bytes, n) : 0;
}

typedef struct GoodRow {
        uint32_t version, is_known;
        int64_t value;
        uint64_t used, hour;
        uint32_t reason_size, text_size;
        char texts[16];
} GoodRow;

/* Of two rows of the catalog with one question, the first one counts; a row whose reason or text is not there does
 * not. */
static void test_catalog_that_is_none(void **state) {
        static const char texts[][10] = { "ab\1load5", "\377a\0load5", "ab\0load56" };
        static const uint32_t sizes[][2] = { { 0, 6 }, { 1, 0 }, { 1, 7 }, { 2, 5 } };
        One o = {};

        open_one(&o);
        live_one(&o, 2 * USEC_PER_HOUR, 1);
        note_one(&o, 5);
        live_one(&o, 2 * USEC_PER_HOUR, 1);
        assert_int_equal(ledger_commit(o.ledger), 0);
        assert_int_equal(ledger_list_blobs(o.ledger, "", "values", copy_row, o.ledger), 0);
        kill_one(&o);
        tell_history(&o, USEC_PER_HOUR, USEC_PER_MINUTE);
        EXPECT("60x 60s 1..1 ~1; 1x 60s 1..5 ~1; 109x 60s 1..1 ~1; 11x vaktd was not running.");
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                GoodRow row = { 1, 1, 1, BEGIN * USEC_PER_SEC, BEGIN / 3600, sizes[i][0], sizes[i][1], "\0load5" };

                assert_int_equal(ledger_put(o.ledger, "", "values", 8 + i, &row, 40 + 7), 0);
        }
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                GoodRow row = { 1, 1, 1, BEGIN * USEC_PER_SEC, BEGIN / 3600, 3, 6, "" };

                memcpy(row.texts, texts[i], 9);
                assert_int_equal(ledger_put(o.ledger, "", "values", 14 + i, &row, 49), 0);
        }
        kill_one(&o);
        assert_true(values_has(o.values, "load1") && !values_has(o.values, "load5"));
        /* What comes behind them counts, and a row that no value has does not. */
        assert_int_equal(ledger_put(o.ledger, "", "values", 20,
                                    &(GoodRow){ 1, 1, 1, BEGIN * USEC_PER_SEC, BEGIN / 3600, 1, 6, "\0load5" }, 47),
                         0);
        assert_int_equal(ledger_put(o.ledger, "", "values/1", 99, "x", 1), 0);
        kill_one(&o);
        assert_true(values_has(o.values, "load1") && values_has(o.values, "load5"));
        tell_history(&o, USEC_PER_HOUR, USEC_PER_HOUR);
        EXPECT("1x 3600s 1..1 ~1; 1x 3600s 1..5 ~1; 1x 3000s 1..1 ~1 vaktd was not running.; "
               "1x vaktd was not running.");
        close_one(&o);
}

/* What is learned before the ledger can be read gets its place in it; what that has of hours of an earlier day is not
 * of this one. */
static void test_read_on_another_day(void **state) {
        Value *other = NULL;
        One o = {};

        open_one(&o);
        pass_one(&o, 10 * USEC_PER_HOUR);
        live_one(&o, 3 * USEC_PER_HOUR, 1);
        close_one(&o);
        pass_one(&o, 24 * USEC_PER_HOUR);
        o.ledger = open_ledger(NULL);
        assert_int_equal(values_new(&o.values, o.ledger), 0);
        o.value = NULL;
        note_one(&o, 2);
        note_of(&o, &other, "load5", &(Reading){ .is_known = true, .value = 1 });
        pass_one(&o, USEC_PER_MINUTE);
        note_one(&o, 3);
        note_of(&o, &other, "load5", &(Reading){ .is_known = true, .value = 2 });
        writes_are_told = true;
        assert_int_equal(values_load(o.values), 0);
        pass_one(&o, USEC_PER_MINUTE);
        note_one(&o, 4);
        EXPECT("forget values/log; values/log 155; values 2");
        writes_are_told = false;
        pass_one(&o, USEC_PER_MINUTE);
        tell_history(&o, 9 * USEC_PER_HOUR, USEC_PER_HOUR);
        EXPECT("28x -; 1x 180s 2..4 ~3");
        close_one(&o);
}

/* A day that is lost is not as the day before. */
static void test_lost_day(void **state) {
        One o = {};

        open_one(&o);
        for (unsigned hour = 0; hour < 80; hour++) {
                note_one(&o, hour / 24);
                pass_one(&o, USEC_PER_HOUR);
        }
        note_one(&o, 9);
        assert_int_equal(ledger_put(o.ledger, "", "values/1", 24 + (BEGIN / 86400 + 1) % 30, NULL, 0), 0);
        tell_history(&o, 0, USEC_PER_HOUR);
        EXPECT("24x 3600s 0..0 ~0; 24x -; 24x 3600s 2..2 ~2; 8x 3600s 3..3 ~3; 1x 0s 9..9 ~9");
        close_one(&o);
}

/* While the ledger is in memory only, nothing is told to it, neither what it would forget. */
static void test_dropped_in_memory(void **state) {
        Value *other = NULL;
        One o = {};

        log_open(LOG_TARGET_NULL);
        open_one(&o);
        note_one(&o, 1);
        pass_one(&o, USEC_PER_HOUR);
        note_of(&o, &o.value, "load1", NULL);
        set_file_limit(0);
        add(o.ledger, "a");
        assert_true(ledger_commit(o.ledger) < 0);
        writes_are_told = true;
        pass_one(&o, 31 * USEC_PER_DAY);
        note_of(&o, &other, "load5", &(Reading){ .is_known = true, .value = 1 });
        assert_false(values_has(o.values, "load1"));
        EXPECT("");
        writes_are_told = false;
        set_file_limit(RLIM_INFINITY);
        assert_int_equal(ledger_commit(o.ledger), 0);
        close_one(&o);
}

/* What the list shows is news, and only that. */
static void test_news(void **state) {
        static const struct {
                unsigned line;
                bool is_asked;
                Reading reading;
                bool is_news;
        } table[] = {
                { __LINE__, false, {}, false },
                { __LINE__, true, { .is_known = true, .value = 1, .whole = 5 }, true },
                { __LINE__, true, { .is_known = true, .value = 1, .whole = 6 }, false },
                { __LINE__, true, { .is_known = true, .value = 2 }, true },
                { __LINE__, true, { .reason = "It is gone." }, true },
                { __LINE__, true, { .reason = "It is gone." }, false },
                { __LINE__, true, { .reason = "It is late." }, true },
                { __LINE__, true, { .is_known = true }, true },
                { __LINE__, true, { .reason = "It is late." }, true },
                { __LINE__, false, {}, true },
                { __LINE__, false, {}, false },
                { __LINE__, true, { .is_known = true, .value = 2 }, true },
        };
        Question q;
        One o = {};

        open_one(&o);
        assert_int_equal(question_parse("load1", &q, NULL), 0);
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                bool is_news =
                        values_note(o.values, &o.value, &q, table[i].is_asked ? &table[i].reading : NULL, &o.now);

                if (is_news != table[i].is_news)
                        fail_msg("line %u: %d", table[i].line, is_news);
                pass_one(&o, USEC_PER_SEC);
        }
        values_close(o.values, &o.now);
        assert_false(values_note(o.values, &o.value, &q, &table[1].reading, &o.now));
        question_done(&q);
        close_one(&o);
}

static int tell_value(const char *question, ConditionKind kind, const Reading *last, bool is_used, void *userdata) {
        tell("%s %d %" PRId64 "/%" PRId64 " at %" PRIu64 " %s%s", question, kind, last->value, last->whole,
             (usec_t)(last->at - BEGIN * USEC_PER_SEC) / USEC_PER_SEC, last->is_known ? "known" : last->reason,
             is_used ? "" : " unused");
        return (int)*(const int *)userdata;
}

static void test_list(void **state) {
        Value *other = NULL;
        One o = {};
        int end = 0;

        open_one(&o);
        note_of(&o, &other, "online", &(Reading){ .is_known = true, .value = 1, .whole = 9 });
        pass_one(&o, USEC_PER_SEC);
        note_of(&o, &o.value, "load1", &(Reading){ .reason = "It is gone." });
        assert_int_equal(values_list(o.values, tell_value, &end), 0);
        EXPECT("load1 16 0/0 at 1 It is gone.; online 21 1/9 at 0 known");
        note_of(&o, &other, "online", NULL);
        end = 5;
        assert_int_equal(values_list(o.values, tell_value, &end), 5);
        EXPECT("load1 16 0/0 at 1 It is gone.");
        end = 0;
        assert_int_equal(values_list(o.values, tell_value, &end), 0);
        EXPECT("load1 16 0/0 at 1 It is gone.; online 21 0/0 at 0 No job asks for it. unused");
        close_one(&o);
}

static void test_grain(void **state) {
        static const struct {
                unsigned line;
                usec_t from, grain, rounded;
        } table[] = {
                { __LINE__, 30 * USEC_PER_HOUR, 0, USEC_PER_MINUTE },
                { __LINE__, 6 * USEC_PER_HOUR, 0, USEC_PER_MINUTE },
                { __LINE__, 6 * USEC_PER_HOUR - 1, 0, USEC_PER_HOUR },
                { __LINE__, 0, USEC_PER_MINUTE, USEC_PER_HOUR },
                { __LINE__, 30 * USEC_PER_HOUR, 1, USEC_PER_MINUTE },
                { __LINE__, 30 * USEC_PER_HOUR, USEC_PER_MINUTE, USEC_PER_MINUTE },
                { __LINE__, 30 * USEC_PER_HOUR, USEC_PER_MINUTE + 1, 2 * USEC_PER_MINUTE },
                { __LINE__, 30 * USEC_PER_HOUR, USEC_PER_HOUR - 1, USEC_PER_HOUR },
                { __LINE__, 30 * USEC_PER_HOUR, USEC_PER_HOUR, USEC_PER_HOUR },
                { __LINE__, 30 * USEC_PER_HOUR, USEC_PER_HOUR + 1, 2 * USEC_PER_HOUR },
                { __LINE__, 0, 90 * USEC_PER_MINUTE, 2 * USEC_PER_HOUR },
                { __LINE__, 0, USEC_INFINITY, (USEC_PER_YEAR + USEC_PER_HOUR - 1) / USEC_PER_HOUR * USEC_PER_HOUR },
        };
        One o = {};

        open_one(&o);
        note_one(&o, 1);
        pass_one(&o, 30 * USEC_PER_HOUR + USEC_PER_MINUTE);
        note_one(&o, 1);
        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                Sum sum = sum_of(&o, BEGIN * USEC_PER_SEC + table[i].from, table[i].grain);

                if (sum.grain != table[i].rounded || sum.n == 0)
                        fail_msg("line %u: %" PRIu64, table[i].line, sum.grain);
        }
        close_one(&o);
}

/* A clock that is ahead by just as much as one may be was not set, and what sleeps so long does not. */
static void test_clock_at_its_bounds(void **state) {
        for (usec_t more = 0; more < 2; more++) {
                One o = {};

                open_one(&o);
                note_one(&o, 1000);
                o.now.realtime += USEC_PER_SEC + more;
                note_one(&o, 2000);
                pass_one(&o, USEC_PER_SEC);
                tell_history(&o, 0, 0);
                if (more)
                        EXPECT("1x 1s 1000..2000 ~1999");
                else
                        EXPECT("1x 2s 1000..2000 ~1500");
                o.now.realtime += USEC_PER_HOUR;
                o.now.boottime += USEC_PER_SEC + more;
                note_one(&o, 3000);
                tell_history(&o, 0, USEC_PER_HOUR);
                if (more)
                        EXPECT("1x 1s 1000..2000 ~1999 The machine was suspended.; 1x 0s 3000..3000 ~3000");
                else
                        EXPECT("1x 2s 1000..2000 ~1500 The clock of the machine was set.; 1x 0s 3000..3000 ~3000");
                close_one(&o);
                assert_int_equal(remove_directory(state), 0);
                assert_int_equal(make_directory(state), 0);
        }
}

/* Back by a minute, it stands still; by more, the time comes again. And who asks is told of a value that nobody
 * answers for now. */
static void test_clock_back_at_its_bounds(void **state) {
        for (usec_t more = 0; more < 2; more++) {
                One o = {};

                open_one(&o);
                note_one(&o, 1000);
                pass_one(&o, 10 * USEC_PER_MINUTE);
                note_one(&o, 2000);
                o.now.realtime -= USEC_PER_MINUTE + more;
                note_one(&o, 3000);
                pass_one(&o, 2 * USEC_PER_MINUTE);
                tell_history(&o, 0, 0);
                if (more)
                        EXPECT("8x 60s 1000..1000 ~1000; 1x 0s 3000..3000 ~3000; 1x 60s 3000..3000 ~3000; "
                               "1x 59s 3000..3000 ~3000");
                else
                        EXPECT("10x 60s 1000..1000 ~1000; 1x 60s 2000..3000 ~2999; 1x -");
                o.now.realtime += 10 * USEC_PER_MINUTE;
                tell_history(&o, 0, 0);
                if (more)
                        EXPECT("8x 60s 1000..1000 ~1000; 1x 0s 3000..3000 ~3000; 1x 60s 3000..3000 ~3000; "
                               "1x 59s 3000..3000 ~3000 The clock of the machine was set.; "
                               "9x The clock of the machine was set.; 1x 0s 3000..3000 ~3000");
                else
                        EXPECT("10x 60s 1000..1000 ~1000; 1x 60s 2000..3000 ~2999; "
                               "10x The clock of the machine was set.; 1x 0s 3000..3000 ~3000");
                close_one(&o);
                assert_int_equal(remove_directory(state), 0);
                assert_int_equal(make_directory(state), 0);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                ledger_test(test_history_in_words),
                ledger_test(test_killed_after_silence),
                ledger_test(test_asked_when_closed),
                ledger_test(test_set_back_in_words),
                ledger_test(test_writes),
                ledger_test(test_writes_of_silence),
                ledger_test(test_log_that_is_none),
                ledger_test(test_catalog_that_is_none),
                ledger_test(test_read_on_another_day),
                ledger_test(test_lost_day),
                ledger_test(test_dropped_in_memory),
                ledger_test(test_news),
                ledger_test(test_list),
                ledger_test(test_grain),
                ledger_test(test_clock_at_its_bounds),
                ledger_test(test_clock_back_at_its_bounds),
                ledger_test(test_law),
                ledger_test(test_small_step_back),
                ledger_test(test_step_back),
                ledger_test(test_suspended),
                ledger_test(test_slew),
                ledger_test(test_step_forward),
                ledger_test(test_first_day_of_all),
                cmocka_unit_test(test_row_index),
                cmocka_unit_test(test_row_unknown_at_its_end),
                cmocka_unit_test(test_row_of_reasons),
                cmocka_unit_test(test_large_values),
                ledger_test(test_reason_of_the_minute_before),
                ledger_test(test_moment),
                ledger_test(test_silence),
                ledger_test(test_bounds),
                ledger_test(test_too_many),
                ledger_test(test_dropped),
                ledger_test(test_version_1),
                ledger_test(test_not_writable),
                ledger_test(test_loaded_late),
                ledger_test(test_damaged),
                ledger_test(test_damaged_hour),
        };

        log_open(LOG_TARGET_STDERR);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
