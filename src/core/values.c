/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is kept of the values of all questions.
 *
 * An answer changes the minute that goes on, in memory. The first answer, to any question, in a later minute ends that
 * minute: one row, with those of the questions whose values changed in it. Such rows are written together (the log),
 * by the first answer ten minutes after the last time. The first one in a later hour writes for each question that
 * changed a row with the minutes of the hour, and its place in the catalog with the hours of the day; then the log
 * begins anew. So there is one small write in ten minutes, however many questions there are, and none when nothing is
 * asked. At the end of a day, its hours become a row, too. The rows of a question are two rings: the one of an earlier
 * day (month) is replaced.
 *
 *   job  key         id                     bytes
 *   ""   values      number of a question   CatalogHeader, reason, text, row of the hours of today
 *   ""   values/log  1, 2, …                LogHeader, and for each question a LogEntry and a row with one minute
 *   ""   values/N    hour % 24              row of the minutes of an hour
 *   ""   values/N    24 + day % 30          row of the hours of a day
 *
 * Time in which nothing can be known is a gap: while vaktd was not running (from what was written last, which is at
 * most ten minutes old when something is sampled), while the machine was suspended, and when the clock was set
 * forward. When it was set back, what is kept of the time from there on is dropped. */

#include "core/values.h"

#include <assert.h>

#include "util/array.h"
#include "util/bytes.h"
#include "util/log.h"
#include "util/utf8.h"

#define JOB         "" /* as for all that concerns no single job */
#define KEY_CATALOG "values"
#define KEY_LOG     "values/log"
#define KEY_MAX     32

#define VERSION           1
#define HOURS_RING        24
#define DAYS_RING         30
#define N_ROWS            (HOURS_RING + DAYS_RING)
#define MINUTES_PER_HOUR  60
#define HOURS_PER_DAY     24
#define LOG_MINUTES       10
#define CLOCK_BACK_MAX    USEC_PER_MINUTE /* a clock that was set back by less stands still until then */
#define CLOCK_AHEAD_MAX   USEC_PER_SEC    /* a clock that is ahead by less than this, and … */
#define CLOCK_SLEW_FACTOR 1000            /* … a thousandth of the time, was not set */

static const char not_running[] = "vaktd was not running.";
static const char suspended[] = "The machine was suspended.";
static const char clock_set[] = "The clock of the machine was set.";
static const char not_used[] = "No job asks for it.";

struct Value {
        char *text;
        ConditionKind kind;
        uint64_t id; /* 0: not yet */
        Series series;
        SeriesRow hour, day; /* finished minutes of this hour, finished hours of this day */
        SeriesState before;  /* of this hour; its reason is our own copy */
        usec_t noted, used;  /* realtime */
        int64_t whole;
        bool is_used;
        bool is_touched;   /* among Values.touched */
        bool is_suspended; /* it goes on after a gap */
        bool is_stored;    /* it is in the catalog */
};

struct Values {
        Ledger *ledger; /* NULL: closed */
        bool is_loaded, has_time, is_taken_up;
        Instant last;
        usec_t now;                                  /* realtime that never goes back by less than a minute */
        uint64_t minute, next_id, next_log, written; /* minutes: that goes on, in which the log was written last */
        Bytes unwritten[LOG_MINUTES];                /* rows of the log */
        size_t n_unwritten;
        Value **all; /* sorted by text */
        size_t n;
        Value **touched; /* whose states changed in this minute */
        size_t n_touched;
        const Value *answered; /* is about to have another state */
};

typedef struct CatalogHeader {
        uint32_t version, is_known;
        int64_t value; /* before this hour */
        uint64_t used, hour;
        uint32_t reason_size, text_size; /* with their NUL */
} CatalogHeader;

typedef struct LogHeader {
        uint64_t version;
        uint64_t minute;
        usec_t until; /* it is complete until then */
} LogHeader;

typedef struct LogEntry {
        uint32_t id, size;
} LogEntry;

/* --- writing --- */

/* While the ledger is in memory only, it keeps what matters more. */
static bool can_write(const Values *v) {
        const char *message;

        return v->is_loaded && v->ledger && ledger_state(v->ledger, &message) == LEDGER_OK;
}

/* bytes NULL: the row is deleted. */
static void put(const Values *v, const char *key, uint64_t id, const void *bytes, size_t n) {
        int r = can_write(v) ? ledger_put(v->ledger, JOB, key, id, bytes, n) : 0;

        if (r < 0)
                log_debug_errno(r, "Cannot keep the history of values, ignoring: %m");
}

static const char *key_of(char buf[static KEY_MAX], const Value *value) {
        (void)snprintf(buf, KEY_MAX, KEY_CATALOG "/%" PRIu64, value->id);
        return buf;
}

static void put_row(const Values *v, const Value *value, uint64_t id, const SeriesRow *row) {
        char key[KEY_MAX];

        put(v, key_of(key, value), id, row->bytes, row->n);
}

static void put_catalog(Values *v, Value *value) {
        _cleanup_(bytes_done) Bytes b = {};
        const CatalogHeader header = {
                .version = VERSION,
                .is_known = value->before.is_known,
                .value = value->before.value,
                .used = value->is_used ? v->now : value->used,
                .hour = v->minute / MINUTES_PER_HOUR,
                .reason_size = (uint32_t)strlen(strempty(value->before.reason)) + 1,
                .text_size = (uint32_t)strlen(value->text) + 1,
        };

        bytes_add(&b, &header, sizeof(header));
        bytes_add(&b, strempty(value->before.reason), header.reason_size);
        bytes_add(&b, value->text, header.text_size);
        bytes_add(&b, value->day.bytes, value->day.n);
        if (b.failed || !can_write(v))
                return;
        put(v, KEY_CATALOG, value->id, b.bytes, b.n);
        value->is_stored = true;
}

/* --- minutes --- */

static void touch(Values *v, Value *value) {
        Value **place;

        if (value->is_touched)
                return;
        place = ARRAY_NEXT(v->touched, v->n_touched);
        if (!place)
                return; /* and the minute is as the one before */
        *place = value;
        v->n_touched++;
        value->is_touched = true;
        series_begin_minute(&value->series, v->minute * USEC_PER_MINUTE);
}

static void set_state(Values *v, Value *value, const SeriesState *state) {
        touch(v, value);
        if (series_set(&value->series, state, v->now) < 0)
                log_debug("There is not enough memory for the reason of an unknown value, ignoring.");
}

static void add_minute(Values *v, Value *value, const Bucket *b, Bytes *log) {
        unsigned index = (unsigned)(v->minute % MINUTES_PER_HOUR);
        SeriesRow row = { .period = v->minute / MINUTES_PER_HOUR };
        LogEntry entry = { .id = (uint32_t)value->id };

        if (series_row_append(&value->hour, index, b, USEC_PER_MINUTE, value->series.scale) < 0)
                return;
        if (!value->is_stored)
                put_catalog(v, value);
        if (series_row_append(&row, index, b, USEC_PER_MINUTE, value->series.scale) >= 0) {
                entry.size = (uint32_t)row.n;
                bytes_add(log, &entry, sizeof(entry));
                bytes_add(log, row.bytes, row.n);
        }
        series_row_done(&row);
}

static void log_forget(Values *v) {
        for (size_t i = 0; i < v->n_unwritten; i++)
                bytes_done(&v->unwritten[i]);
        v->n_unwritten = 0;
        v->written = v->now / USEC_PER_MINUTE;
}

static void log_write(Values *v) {
        for (size_t i = 0; i < v->n_unwritten; i++)
                put(v, KEY_LOG, v->next_log++, v->unwritten[i].bytes, v->unwritten[i].n);
        log_forget(v);
}

static void log_add(Values *v, Bytes *row) {
        if (v->n_unwritten == ELEMENTSOF(v->unwritten))
                log_write(v);
        if (!row->failed)
                v->unwritten[v->n_unwritten++] = TAKE_GENERIC(*row, (Bytes){});
}

/* What was counted of this minute is finished. */
static void end_minute(Values *v, usec_t until) {
        _cleanup_(bytes_done) Bytes log = {};
        const LogHeader header = { .version = VERSION, .minute = v->minute, .until = until };

        bytes_add(&log, &header, sizeof(header));
        for (size_t i = 0; i < v->n_touched; i++) {
                Value *value = v->touched[i];
                Bucket b;

                series_hold(&value->series, until);
                if (series_minute(&value->series, &b))
                        add_minute(v, value, &b, &log);
                series_begin_minute(&value->series, until);
                value->is_touched = false;
        }
        v->n_touched = 0;
        log_add(v, &log);
}

/* --- hours and days --- */

/* The reason may be one of the value itself. */
static void set_before(Value *value, const SeriesState *state) {
        char *reason = state->reason && !state->is_known ? strdup(state->reason) : NULL;

        free((char *)value->before.reason);
        value->before = *state;
        value->before.reason = reason;
}

static bool says_something(const SeriesState *state) {
        return state->is_known || state->reason;
}

static int append_hour(Value *value, unsigned index, const Bucket *b) {
        return series_row_append(&value->day, index, b, USEC_PER_HOUR, value->series.scale);
}

/* A day begins with an entry, so that it does not depend on the one before it for longer than that is kept. */
static void end_hour_of_value(Values *v, Value *value, uint64_t hour) {
        const Bucket begin = bucket_of(&value->before, USEC_PER_HOUR, value->series.scale);
        SeriesState state = value->before;
        Bucket minutes[MINUTES_PER_HOUR];

        if (!value->hour.is_begun && (value->day.is_begun || !says_something(&state)))
                return;
        series_row_expand(&value->hour, &state, minutes, ELEMENTSOF(minutes), USEC_PER_MINUTE, value->series.scale);
        for (size_t i = 1; i < ELEMENTSOF(minutes); i++)
                bucket_join(&minutes[0], &minutes[i]);
        if (!value->day.is_begun && hour % HOURS_PER_DAY > 0 && says_something(&value->before))
                (void)append_hour(value, 0, &begin);
        (void)append_hour(value, (unsigned)(hour % HOURS_PER_DAY), &minutes[0]);
        if (value->hour.is_begun)
                put_row(v, value, hour % HOURS_RING, &value->hour);
        set_before(value, &state);
        value->is_stored = false;
}

/* Days without any answer follow at once. */
static void end_day_of_value(Values *v, Value *value, uint64_t day, uint64_t next) {
        const Bucket b = bucket_of(&value->before, USEC_PER_HOUR, value->series.scale);

        if (value->day.is_begun)
                put_row(v, value, HOURS_RING + day % DAYS_RING, &value->day);
        day = MAX(day + 1, usec_sub(next, DAYS_RING));
        for (; day < next && says_something(&value->before); day++) {
                series_row_reset(&value->day, day);
                (void)append_hour(value, 0, &b);
                put_row(v, value, HOURS_RING + day % DAYS_RING, &value->day);
        }
        series_row_reset(&value->day, next);
        value->is_stored = false;
}

static Value *value_free(Value *value) {
        if (!value)
                return NULL;
        series_done(&value->series);
        series_row_done(&value->hour);
        series_row_done(&value->day);
        free((char *)value->before.reason);
        free(value->text);
        return mfree(value);
}

static void drop(Values *v, size_t i) {
        Value *value = v->all[i];
        char key[KEY_MAX];

        assert(!value->is_touched && !value->is_used);
        if (can_write(v)) {
                (void)ledger_forget(v->ledger, JOB, key_of(key, value));
                put(v, KEY_CATALOG, value->id, NULL, 0);
        }
        value_free(value);
        ARRAY_REMOVE(v->all, v->n, i);
}

/* The log has ids that grow, so its new begin is in the transaction that deletes the old one. */
static void begin_log(Values *v) {
        const LogHeader header = { .version = VERSION, .minute = v->minute, .until = v->now };

        log_forget(v); /* it is in the rows of hours */
        if (!can_write(v))
                return;
        (void)ledger_forget(v->ledger, JOB, KEY_LOG);
        put(v, KEY_LOG, v->next_log++, &header, sizeof(header));
}

static void end_hour(Values *v, usec_t now) {
        uint64_t hour = v->minute / MINUTES_PER_HOUR, next = now / USEC_PER_HOUR;
        uint64_t day = hour / HOURS_PER_DAY, next_day = next / HOURS_PER_DAY;

        v->minute = now / USEC_PER_MINUTE;
        v->now = now;
        for (size_t i = v->n; i-- > 0;) {
                Value *value = v->all[i];

                end_hour_of_value(v, value, hour);
                if (day != next_day)
                        end_day_of_value(v, value, day, next_day);
                series_row_reset(&value->hour, next);
                if (!value->is_used && usec_sub(now, value->used) > VALUES_KEPT_USEC)
                        drop(v, i);
                else if (!value->is_stored)
                        put_catalog(v, value);
        }
        begin_log(v);
}

/* --- time --- */

static void go_to(Values *v, usec_t now) {
        if (now / USEC_PER_MINUTE > v->minute) {
                end_minute(v, (v->minute + 1) * USEC_PER_MINUTE);
                if (now / USEC_PER_HOUR > v->minute / MINUTES_PER_HOUR)
                        end_hour(v, now);
                v->minute = now / USEC_PER_MINUTE;
        }
        v->now = MAX(v->now, now);
        if (v->n_unwritten > 0 && v->minute >= v->written + LOG_MINUTES)
                log_write(v);
}

/* Nothing is known of the time in between. goes_on: what was known before is known again. */
static void skip(Values *v, usec_t from, usec_t to, const char *reason, bool goes_on) {
        go_to(v, from);
        for (size_t i = 0; i < v->n; i++) {
                Value *value = v->all[i];

                value->is_suspended = value->series.state.is_known;
                if (value->is_suspended)
                        set_state(v, value, &(SeriesState){ .reason = reason });
        }
        go_to(v, to);
        for (size_t i = 0; goes_on && i < v->n; i++) {
                Value *value = v->all[i];

                if (value->is_suspended && value != v->answered)
                        set_state(v, value, &(SeriesState){ true, value->series.state.value, NULL });
        }
}

/* Those of days need not be deleted: there is one for each day that passes. */
static void delete_hours(const Values *v, const Value *value, uint64_t first, uint64_t end) {
        char key[KEY_MAX];

        for (uint64_t i = MAX(first, usec_sub(end, HOURS_RING)); i < end; i++)
                put(v, key_of(key, value), i % HOURS_RING, NULL, 0);
}

static int load_day(const char *job, const char *key, uint64_t id, const void *bytes, size_t n, void *userdata) {
        Value *value = userdata;

        if (id == HOURS_RING + value->day.period % DAYS_RING)
                (void)series_row_load(&value->day, bytes, n, USEC_PER_HOUR, value->series.scale);
        return 0;
}

/* A day that was over has come again: its hours are as they were written. Where they are not there, nothing is known
 * of them, and it is not as on the day before. */
static void turn_back_to_day(const Values *v, Value *value, uint64_t hour) {
        char key[KEY_MAX];

        series_row_reset(&value->day, hour / HOURS_PER_DAY);
        (void)ledger_list_blobs(v->ledger, JOB, key_of(key, value), load_day, value);
        if (value->day.period != hour / HOURS_PER_DAY)
                series_row_reset(&value->day, hour / HOURS_PER_DAY);
        (void)series_row_cut(&value->day, (unsigned)(hour % HOURS_PER_DAY), USEC_PER_HOUR, value->series.scale);
        if (!value->day.is_begun && hour % HOURS_PER_DAY > 0)
                (void)append_hour(value, 0, &(Bucket){});
}

static void turn_back_value(Values *v, Value *value, uint64_t former_hour) {
        uint64_t hour = v->minute / MINUTES_PER_HOUR;

        delete_hours(v, value, hour, former_hour);
        if (hour == former_hour)
                (void)series_row_cut(&value->hour, (unsigned)(v->minute % MINUTES_PER_HOUR), USEC_PER_MINUTE,
                                     value->series.scale);
        else {
                series_row_reset(&value->hour, hour);
                set_before(value, &(SeriesState){});
        }
        if (hour / HOURS_PER_DAY == former_hour / HOURS_PER_DAY)
                (void)series_row_cut(&value->day, (unsigned)(hour % HOURS_PER_DAY), USEC_PER_HOUR,
                                     value->series.scale);
        else
                turn_back_to_day(v, value, hour);
        put_catalog(v, value);
        value->series.at = v->now;
        touch(v, value);
        value->series.is_changed = true;
}

static void turn_back(Values *v, usec_t now) {
        uint64_t former_hour = v->minute / MINUTES_PER_HOUR;

        end_minute(v, v->now);
        log_write(v);
        v->minute = now / USEC_PER_MINUTE;
        v->now = now;
        for (size_t i = 0; i < v->n; i++)
                turn_back_value(v, v->all[i], former_hour);
        if (v->minute / MINUTES_PER_HOUR != former_hour)
                begin_log(v);
        else
                put(v, KEY_LOG, v->next_log++,
                    &(LogHeader){ .version = VERSION, .minute = v->minute, .until = v->now }, sizeof(LogHeader));
        v->written = 0; /* this minute says from when on the past is not valid: it is written at its end */
}

static void advance(Values *v, const Instant *now) {
        usec_t awake = usec_sub(now->monotonic, v->last.monotonic), ahead = CLOCK_AHEAD_MAX, until;
        bool was_suspended = now->boottime - v->last.boottime > awake + CLOCK_AHEAD_MAX;

        if (!v->has_time) {
                v->now = now->realtime;
                v->minute = v->written = v->now / USEC_PER_MINUTE;
        } else if (usec_add(now->realtime, CLOCK_BACK_MAX) < v->now)
                turn_back(v, now->realtime);
        else if (!v->is_taken_up) {
                until = MAX(v->now, usec_add(v->last.realtime, awake));
                ahead += awake / CLOCK_SLEW_FACTOR;
                if (now->realtime > usec_add(until, ahead))
                        skip(v, until, now->realtime, was_suspended ? suspended : clock_set, /* goes_on= */ true);
                else
                        go_to(v, MAX(v->now, now->realtime));
        }
        if (TAKE_GENERIC(v->is_taken_up, false))
                skip(v, v->now, MAX(v->now, now->realtime), not_running, /* goes_on= */ false);
        v->has_time = true;
        v->last = *now;
}

/* --- questions --- */

static size_t place_of(const Values *v, const char *text) {
        return BISECT(v->n, i, strcmp(v->all[i]->text, text) < 0);
}

static Value *find(const Values *v, const char *text) {
        size_t i = place_of(v, text);

        return i < v->n && streq(v->all[i]->text, text) ? v->all[i] : NULL;
}

/* Takes the text over. NULL: there are too many, or there is no memory. */
static Value *add(Values *v, char *text, ConditionKind kind) {
        Value *value = v->n < VALUES_MAX ? calloc(1, sizeof(*value)) : NULL, **place = NULL;

        if (value)
                place = ARRAY_INSERT(v->all, v->n, place_of(v, text));
        if (!place) {
                if (v->n == VALUES_MAX)
                        log_debug("There is no history of %s: there is one of %d others already.", text, VALUES_MAX);
                free(text);
                return mfree(value);
        }
        *place = value;
        value->text = text;
        value->kind = kind;
        value->id = v->is_loaded ? v->next_id++ : 0;
        series_init(&value->series, condition_kind_unit(kind));
        series_row_reset(&value->hour, v->minute / MINUTES_PER_HOUR);
        series_row_reset(&value->day, v->minute / MINUTES_PER_HOUR / HOURS_PER_DAY);
        return value;
}

static Value *get(Values *v, const Question *q) {
        char *text;
        Value *value;

        if (question_format(q, &text) < 0)
                return NULL;
        value = find(v, text);
        if (!value)
                return add(v, text, q->kind);
        free(text);
        return value;
}

bool values_note(Values *v, Value **value, const Question *q, const Reading *r, const Instant *now) {
        const SeriesState state = {
                .is_known = r && r->is_known,
                .value = r && r->is_known ? r->value : 0,
                .reason = r ? r->reason : not_used,
        };
        bool changed;

        if (!v->ledger || (!r && !*value))
                return false;
        v->answered = *value;
        advance(v, now);
        v->answered = NULL;
        *value = *value ?: get(v, q);
        if (!*value)
                return false;
        changed = (*value)->is_used != (r != NULL) || state.is_known != (*value)->series.state.is_known ||
                  (state.is_known && state.value != (*value)->series.state.value) ||
                  !streq(strempty(state.reason), strempty((*value)->series.state.reason));
        (*value)->is_used = r;
        (*value)->used = v->now;
        if (r) {
                (*value)->noted = v->now;
                (*value)->whole = r->is_known ? r->whole : 0;
        }
        if (state.is_known != (*value)->series.state.is_known || state.value != (*value)->series.state.value ||
            !state.is_known)
                set_state(v, *value, &state);
        return changed;
}

/* --- life --- */

int values_new(Values **ret, Ledger *ledger) {
        Values *v = calloc(1, sizeof(*v));

        if (!v)
                return -ENOMEM;
        v->ledger = ledger;
        v->next_id = v->next_log = 1;
        *ret = v;
        return 0;
}

Values *values_free(Values *v) {
        if (!v)
                return NULL;
        log_forget(v);
        for (size_t i = 0; i < v->n; i++)
                value_free(v->all[i]);
        free(v->all);
        free(v->touched);
        return mfree(v);
}

void values_close(Values *v, const Instant *now) {
        if (!v || !v->ledger)
                return;
        if (v->has_time && v->n > 0) {
                advance(v, now);
                end_minute(v, v->now);
                log_write(v);
        }
        v->ledger = NULL;
}

/* It has hours of today that are over, and no others. */
static void check_today(Value *value, uint64_t hour) {
        if (value->day.period != hour / HOURS_PER_DAY ||
            (value->day.is_begun && value->day.index >= hour % HOURS_PER_DAY))
                series_row_reset(&value->day, hour / HOURS_PER_DAY);
}

/* When it is late, and answers were kept meanwhile, only the hours of this day are of use. A row whose hour is not one
 * of the day whose hours it has does not say what time it was. */
static void load_today(Values *v, Value *value, const CatalogHeader *header, const char *reason, const void *bytes,
                       size_t n) {
        if (value->day.is_begun)
                return;
        (void)series_row_load(&value->day, bytes, n, USEC_PER_HOUR, value->series.scale);
        if (v->has_time)
                check_today(value, v->minute / MINUTES_PER_HOUR);
        else if (!value->day.is_begun || value->day.period == header->hour / HOURS_PER_DAY) {
                v->now = MAX(v->now, header->hour * USEC_PER_HOUR);
                set_before(value, &(SeriesState){ header->is_known, header->value, isempty(reason) ? NULL : reason });
        }
}

/* What a later vaktd wrote, or what is damaged, is left alone until its id is given to another question. */
static int load_catalog(const char *job, const char *key, uint64_t id, const void *bytes, size_t n, void *userdata) {
        const char *reason = (const char *)bytes + sizeof(CatalogHeader), *text;
        Values *v = userdata;
        CatalogHeader header;
        size_t n_texts;
        Value *value;
        Question question;

        v->next_id = MAX(v->next_id, id + 1);
        if (n < sizeof(header) || id == 0 || id > UINT32_MAX)
                return 0;
        memcpy(&header, bytes, sizeof(header));
        n_texts = (size_t)header.reason_size + header.text_size;
        if (header.version != VERSION || header.hour > usec_add(header.used, VALUES_KEPT_USEC) / USEC_PER_HOUR ||
            header.reason_size == 0 || header.text_size == 0 || n_texts > n - sizeof(header))
                return 0;
        text = reason + header.reason_size;
        if (text[-1] != '\0' || text[header.text_size - 1] != '\0' || !utf8_is_valid(reason))
                return 0;
        if (question_parse(text, &question, NULL) < 0)
                return 0;
        value = get(v, &question);
        question_done(&question);
        if (!value || value->id > 0)
                return 0;
        value->id = id;
        value->used = MAX(value->used, header.used);
        value->is_stored = true;
        load_today(v, value, &header, reason, text + header.text_size, n - sizeof(header) - n_texts);
        return 0;
}

static Value *find_id(const Values *v, uint64_t id) {
        for (size_t i = 0; i < v->n; i++)
                if (v->all[i]->id == id)
                        return v->all[i];
        return NULL;
}

/* A minute of one question, which was read from the log. */
static void take_up_minute(Values *v, Value *value, const void *bytes, size_t n, usec_t until) {
        _cleanup_(series_row_done) SeriesRow row = {};
        Bucket minutes[SERIES_MINUTES_PER_ROW];
        SeriesState state = {};
        unsigned index = (unsigned)(v->minute % MINUTES_PER_HOUR);

        if (series_row_load(&row, bytes, n, USEC_PER_MINUTE, value->series.scale) < 0 || row.index != index)
                return;
        series_row_expand(&row, &state, minutes, index + 1, USEC_PER_MINUTE, value->series.scale);
        (void)series_row_append(&value->hour, index, &minutes[index], USEC_PER_MINUTE, value->series.scale);
        value->series.at = until;
}

/* Goes to the minute of a row of the log. False: it is of an earlier hour. */
static bool go_back_to(Values *v, uint64_t minute) {
        if (minute / MINUTES_PER_HOUR < v->minute / MINUTES_PER_HOUR)
                return false;
        if (minute / MINUTES_PER_HOUR > v->minute / MINUTES_PER_HOUR)
                end_hour(v, minute * USEC_PER_MINUTE);
        for (size_t i = 0; minute < v->minute && i < v->n; i++) /* the clock was set back */
                (void)series_row_cut(&v->all[i]->hour, (unsigned)(minute % MINUTES_PER_HOUR), USEC_PER_MINUTE,
                                     v->all[i]->series.scale);
        v->minute = minute;
        return true;
}

static int load_log(const char *job, const char *key, uint64_t id, const void *bytes, size_t n, void *userdata) {
        const uint8_t *at = bytes, *end = at + n;
        Values *v = userdata;
        LogHeader header;
        LogEntry entry;

        v->next_log = MAX(v->next_log, id + 1);
        if (v->has_time || n < sizeof(header))
                return 0;
        memcpy(&header, at, sizeof(header));
        if (header.version != VERSION || header.minute > INT64_MAX / USEC_PER_MINUTE ||
            header.until / USEC_PER_MINUTE < header.minute || header.until / USEC_PER_MINUTE > header.minute + 1 ||
            !go_back_to(v, header.minute))
                return 0;
        v->now = header.until;
        for (at += sizeof(header); (size_t)(end - at) >= sizeof(entry); at += entry.size) {
                Value *value;

                memcpy(&entry, at, sizeof(entry));
                at += sizeof(entry);
                if (entry.size > (size_t)(end - at))
                        break;
                value = find_id(v, entry.id);
                if (value)
                        take_up_minute(v, value, at, entry.size, header.until);
        }
        return 0;
}

/* What was known last, of what the ledger has. */
static void take_up_states(Values *v) {
        for (size_t i = 0; i < v->n; i++) {
                Bucket minutes[SERIES_MINUTES_PER_ROW];
                Value *value = v->all[i];
                SeriesState state = value->before;

                series_row_expand(&value->hour, &state, minutes, ELEMENTSOF(minutes), USEC_PER_MINUTE,
                                  value->series.scale);
                (void)series_set(&value->series, &state, value->series.at);
                series_begin_minute(&value->series, value->series.at);
        }
}

static void reset_rows(Values *v) {
        uint64_t hour = v->now / USEC_PER_HOUR;

        v->minute = v->now / USEC_PER_MINUTE;
        for (size_t i = 0; i < v->n; i++) {
                series_row_reset(&v->all[i]->hour, hour);
                check_today(v->all[i], hour);
        }
}

int values_load(Values *v) {
        usec_t until;
        int r;

        if (v->is_loaded || !v->ledger)
                return 0;
        r = ledger_list_blobs(v->ledger, JOB, KEY_CATALOG, load_catalog, v);
        if (r >= 0 && !v->has_time)
                reset_rows(v);
        if (r >= 0)
                r = ledger_list_blobs(v->ledger, JOB, KEY_LOG, load_log, v);
        if (r < 0)
                return r;
        v->is_loaded = true;
        for (size_t i = 0; i < v->n; i++)
                v->all[i]->id = v->all[i]->id > 0 ? v->all[i]->id : v->next_id++;
        if (v->has_time)
                begin_log(v);
        else if (v->n > 0) {
                take_up_states(v);
                v->has_time = v->is_taken_up = true;
                until = v->now;
                v->written = until / USEC_PER_MINUTE;
                v->now = v->minute * USEC_PER_MINUTE;
                go_to(v, until);
        }
        return 0;
}

/* --- answers --- */

int values_list(const Values *v, ValuesVisit visit, void *userdata) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < v->n; i++) {
                const Value *value = v->all[i];
                const SeriesState *state = &value->series.state;
                const Reading last = {
                        .is_known = state->is_known,
                        .value = state->is_known ? state->value : 0,
                        .whole = state->is_known ? value->whole : 0,
                        .at = value->noted,
                        .reason = state->is_known ? NULL : strempty(state->reason),
                };

                r = visit(value->text, value->kind, &last, value->is_used, userdata);
        }
        return r;
}

bool values_has(const Values *v, const char *question) {
        return find(v, question);
}

/* All buckets of a question. */
typedef struct Query {
        const Value *value;
        SeriesRow rows[N_ROWS];
        int error;
        uint64_t first_hour, first_minute;
        Bucket hours[VALUES_HOURS_KEPT + HOURS_PER_DAY];
        Bucket minutes[VALUES_MINUTES_KEPT + MINUTES_PER_HOUR];
        SeriesState begins[HOURS_RING];      /* of each hour of which there are minutes */
        size_t n_hours, n_minutes, n_before; /* hours of which there are minutes, and the one that goes on */
} Query;

static void query_free(Query **q) {
        for (size_t i = 0; *q && i < N_ROWS; i++)
                series_row_done(&(*q)->rows[i]);
        free(*q);
}

static int load_row(const char *job, const char *key, uint64_t id, const void *bytes, size_t n, void *userdata) {
        Query *q = userdata;
        int r;

        if (id >= N_ROWS)
                return 0;
        r = series_row_load(&q->rows[id], bytes, n, id < HOURS_RING ? USEC_PER_MINUTE : USEC_PER_HOUR,
                            q->value->series.scale);
        if (r == -EBADMSG)
                log_debug("A part of the history of %s is damaged, ignoring.", q->value->text);
        return r == -ENOMEM ? r : 0;
}

static const SeriesRow *row_of(const Query *q, uint64_t base, uint64_t n_ring, uint64_t period) {
        const SeriesRow *row = &q->rows[base + period % n_ring];

        return row->is_begun && row->period == period ? row : NULL;
}

/* Until now; the last one goes on. */
static void query_minutes_of_hour(const Values *v, Query *q, Bucket minutes[static MINUTES_PER_HOUR]) {
        const Series *s = &q->value->series;
        unsigned index = (unsigned)(v->minute % MINUTES_PER_HOUR);
        SeriesState state = q->value->before;
        Bucket progress;

        series_row_expand(&q->value->hour, &state, minutes, index + 1, USEC_PER_MINUTE, s->scale);
        if (!q->value->hour.is_begun || q->value->hour.index != index)
                minutes[index] = (Bucket){};
        if (!q->value->is_touched || !series_minute(s, &progress))
                progress = bucket_of(&s->state, v->now - MAX(s->at, v->minute * USEC_PER_MINUTE), s->scale);
        bucket_join(&minutes[index], &progress);
}

/* The hours of a month, and what was known before each of the last day. */
static void query_hours(const Values *v, Query *q, const Bucket minutes[static MINUTES_PER_HOUR]) {
        uint64_t hour = v->minute / MINUTES_PER_HOUR, day = hour / HOURS_PER_DAY, first = usec_sub(day, DAYS_RING);
        int64_t scale = q->value->series.scale;
        SeriesState state = {};

        q->first_hour = first * HOURS_PER_DAY;
        for (uint64_t d = first; d <= day; d++) {
                const SeriesRow *row = d == day ? &q->value->day : row_of(q, HOURS_RING, DAYS_RING, d);
                size_t n = d == day ? hour % HOURS_PER_DAY : HOURS_PER_DAY;

                if (!row)
                        state = (SeriesState){};
                series_row_expand(row, &state, q->hours + q->n_hours, n, USEC_PER_HOUR, scale);
                q->n_hours += n;
        }
        q->n_before = MIN(q->n_hours, (size_t)HOURS_RING);
        for (size_t i = 0; i < q->n_before; i++) {
                size_t at = q->n_hours - q->n_before + i;

                q->begins[i] = at > 0 ? q->hours[at - 1].end : (SeriesState){};
        }
        q->hours[q->n_hours] = minutes[0];
        for (size_t i = 1; i <= v->minute % MINUTES_PER_HOUR; i++)
                bucket_join(&q->hours[q->n_hours], &minutes[i]);
        q->n_hours++;
}

/* Where the minutes of an hour are lost, or there are none because they were all the same, each of them is as all. */
static void query_minutes(const Values *v, Query *q, const Bucket last[static MINUTES_PER_HOUR]) {
        uint64_t hour = v->minute / MINUTES_PER_HOUR, first = hour - q->n_before;
        size_t n_last = v->minute % MINUTES_PER_HOUR + 1;
        int64_t scale = q->value->series.scale;

        q->first_minute = first * MINUTES_PER_HOUR;
        for (size_t i = 0; i < q->n_before; i++) {
                const SeriesRow *row = row_of(q, 0, HOURS_RING, first + i);
                const Bucket *whole = &q->hours[q->n_hours - 1 - q->n_before + i];
                Bucket *minutes = q->minutes + q->n_minutes;

                if (row)
                        series_row_expand(row, &q->begins[i], minutes, MINUTES_PER_HOUR, USEC_PER_MINUTE, scale);
                for (size_t k = 0; !row && k < MINUTES_PER_HOUR; k++) {
                        minutes[k] = *whole;
                        minutes[k].known /= MINUTES_PER_HOUR;
                        minutes[k].total /= MINUTES_PER_HOUR;
                }
                q->n_minutes += MINUTES_PER_HOUR;
        }
        memcpy(q->minutes + q->n_minutes, last, n_last * sizeof(*last));
        q->n_minutes += n_last;
}

static int visit_buckets(const Bucket *buckets, size_t n, usec_t start, usec_t span, usec_t grain, usec_t since,
                         usec_t until, BucketVisit visit, void *userdata) {
        int r = 0;

        for (size_t i = 0, next; r == 0 && i < n; i = next) {
                usec_t at = start + i * span, begin = at - at % grain;
                Bucket b = buckets[i];

                for (next = i + 1; next < n && start + next * span < begin + grain; next++)
                        bucket_join(&b, &buckets[next]);
                if (begin + grain > since && begin < until)
                        r = visit(begin, &b, userdata);
        }
        return r;
}

static usec_t round_grain(const Values *v, usec_t since, usec_t grain) {
        bool is_fine = since / USEC_PER_HOUR + HOURS_RING >= v->minute / MINUTES_PER_HOUR;
        usec_t unit = is_fine && grain < USEC_PER_HOUR ? USEC_PER_MINUTE : USEC_PER_HOUR;

        grain = MAX(grain, unit);
        grain = MIN(grain, USEC_PER_YEAR);
        return (grain + unit - 1) / unit * unit;
}

int values_query(Values *v, const char *question, usec_t since, usec_t until, usec_t *grain, const Instant *now,
                 BucketVisit visit, void *userdata) {
        _cleanup_(query_free) Query *q = NULL;
        Value *value = find(v, question);
        Bucket last[MINUTES_PER_HOUR];
        char key[KEY_MAX];
        int r = 0;

        if (!value)
                return -ENOENT;
        q = calloc(1, sizeof(*q));
        if (!q)
                return -ENOMEM;
        q->value = value;
        if (v->ledger)
                advance(v, now);
        if (value->is_touched)
                series_hold(&value->series, v->now);
        if (v->ledger && value->id > 0)
                r = ledger_list_blobs(v->ledger, JOB, key_of(key, value), load_row, q);
        if (r < 0)
                return r;
        query_minutes_of_hour(v, q, last);
        query_hours(v, q, last);
        query_minutes(v, q, last);
        *grain = round_grain(v, since, *grain);
        if (*grain < USEC_PER_HOUR)
                return visit_buckets(q->minutes, q->n_minutes, q->first_minute * USEC_PER_MINUTE, USEC_PER_MINUTE,
                                     *grain, since, until, visit, userdata);
        return visit_buckets(q->hours, q->n_hours, q->first_hour * USEC_PER_HOUR, USEC_PER_HOUR, *grain, since, until,
                             visit, userdata);
}
