/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The arithmetic and the bytes of a series.
 *
 * An entry is a chain of numbers of seven bits a byte: how many buckets after the last one, with some flags; the time
 * that is known, if it is not all; the value at its end, less that of the entry before; what the minimum is below and
 * the maximum above that, and the mean above the minimum; the reason, if it is another one. A load that is read twice
 * a minute takes about eight bytes. What is read back is not trusted: a row that says something impossible is an
 * error, and a sum that does not fit wraps around. */

#include "condition/series.h"

#include <assert.h>

#include "util/utf8.h"

#define ROW_VERSION  1
#define ROW_SIZE_MIN 64
#define INDEX_MAX    64

enum {
        FLAG_VALUES = 1 << 0, /* there are values */
        FLAG_FLAT = 1 << 1,   /* all are the last one */
        FLAG_KNOWN = 1 << 2,  /* at its end */
        FLAG_WHOLE = 1 << 3,  /* all of the time is known */
        FLAG_BITS = 4,
};

enum {
        REASON_NONE,
        REASON_SAME,
        REASON_NEW, /* and above: with so many bytes more, the NUL among them */
};

__extension__ typedef __int128 wide_t;

int64_t series_scale(ConditionUnit unit) {
        switch (unit) {
        case CONDITION_TRUTH:
                return 10000;
        case CONDITION_COUNT:
        case CONDITION_DAYS:
                return 1000;
        case CONDITION_BYTES:
        case CONDITION_USEC:
        case CONDITION_MILLI:
        case CONDITION_PERCENT:
                return 1;
        }
        assert(false);
        return 1;
}

/* --- buckets --- */

Bucket bucket_of(const SeriesState *state, usec_t span, int64_t scale) {
        Bucket b = { .end = *state };

        if (!state->is_known)
                return b;
        b.end.reason = NULL;
        b.known = span;
        b.min = b.max = state->value;
        b.is_never = state->value == CONDITION_NEVER;
        b.total = (wide_t)state->value * scale * (wide_t)span;
        return b;
}

int64_t bucket_mean(const Bucket *b) {
        assert(b->known > 0);
        return b->is_never ? CONDITION_NEVER : (int64_t)(b->total / (wide_t)b->known);
}

void bucket_join(Bucket *b, const Bucket *next) {
        if (next->known > 0 && b->known == 0) {
                b->min = next->min;
                b->max = next->max;
        } else if (next->known > 0) {
                b->min = MIN(b->min, next->min);
                b->max = MAX(b->max, next->max);
        }
        b->is_never |= next->is_never;
        b->total += next->total;
        b->end.is_known = next->end.is_known;
        b->end.value = next->known > 0 ? next->end.value : b->end.value;
        b->end.reason = next->end.reason ?: b->end.reason;
        b->known += next->known;
}

/* --- numbers --- */

static void put_number(uint8_t **p, uint64_t n) {
        for (; n > 0x7f; n >>= 7)
                *(*p)++ = (uint8_t)(n | 0x80);
        *(*p)++ = (uint8_t)n;
}

/* Small ones on both sides of zero are small. */
static void put_signed(uint8_t **p, int64_t n) {
        put_number(p, ((uint64_t)n << 1) ^ (n < 0 ? UINT64_MAX : 0));
}

/* What is read. Behind the end, and after a mistake, all numbers are 0. */
typedef struct Reader {
        const uint8_t *bytes;
        size_t at, n;
        bool is_bad;
} Reader;

static uint64_t take_number(Reader *r) {
        uint64_t n = 0;

        for (unsigned shift = 0; shift < 64 && r->at < r->n; shift += 7) {
                uint8_t byte = r->bytes[r->at++];

                n |= (uint64_t)(byte & 0x7f) << shift;
                if (byte < 0x80)
                        return n;
        }
        r->is_bad = true;
        return 0;
}

static int64_t take_signed(Reader *r) {
        uint64_t n = take_number(r);

        return (int64_t)((n >> 1) ^ ((n & 1) ? UINT64_MAX : 0));
}

static int64_t add_wrapping(int64_t a, uint64_t b) {
        return (int64_t)((uint64_t)a + b);
}

/* --- rows --- */

void series_row_reset(SeriesRow *row, uint64_t period) {
        *row = (SeriesRow){ .bytes = row->bytes, .period = period };
}

void series_row_done(SeriesRow *row) {
        free(row->bytes);
        *row = (SeriesRow){};
}

/* The room is the smallest power of two, so that it needs no field. */
static int row_reserve(SeriesRow *row, size_t n) {
        size_t size = ROW_SIZE_MIN;
        uint8_t *bytes;

        if (row->bytes && row->n > 0) {
                while (size < row->n)
                        size *= 2;
                if (row->n + n <= size)
                        return 0;
        }
        while (size < row->n + n)
                size *= 2;
        bytes = realloc(row->bytes, size);
        if (!bytes)
                return -ENOMEM;
        row->bytes = bytes;
        return 0;
}

/* Appends the reason of what is not known, and says where it stands. */
static size_t put_reason(const SeriesRow *row, uint8_t *start, uint8_t **p, const char *reason) {
        size_t n;

        if (!reason || row->n >= SERIES_REASONS_MAX) {
                put_number(p, REASON_NONE);
                return 0;
        }
        if (row->reason > 0 && streq((const char *)row->bytes + row->reason, reason)) {
                put_number(p, REASON_SAME);
                return row->reason;
        }
        n = utf8_cut(reason, SERIES_REASON_MAX - 1);
        put_number(p, REASON_NEW + n);
        memcpy(*p, reason, n);
        (*p)[n] = '\0';
        *p += n + 1;
        return row->n + (size_t)(*p - start) - n - 1;
}

int series_row_append(SeriesRow *row, unsigned index, const Bucket *b, usec_t span, int64_t scale) {
        uint8_t entry[SERIES_ENTRY_MAX + 32], *p = entry;
        const SeriesState *end = &b->end;
        bool is_flat = b->known > 0 && b->min == b->max && b->max == end->value;
        bool is_whole = b->known >= span && end->is_known;
        size_t reason = row->reason;

        assert(!row->is_begun || index >= row->index);
        if (row->n + SERIES_ENTRY_MAX > SERIES_ROW_MAX)
                return -ENOBUFS;
        assert(b->known == 0 || (b->min <= end->value && end->value <= b->max));
        if (!row->is_begun) {
                put_number(&p, ROW_VERSION);
                put_number(&p, row->period);
        }
        put_number(&p, (uint64_t)(index - row->index) << FLAG_BITS | (b->known > 0 ? FLAG_VALUES : 0) |
                               (is_flat ? FLAG_FLAT : 0) | (end->is_known ? FLAG_KNOWN : 0) |
                               (is_whole ? FLAG_WHOLE : 0));
        if (b->known > 0 && !is_whole)
                put_number(&p, MAX(b->known / USEC_PER_MSEC, 1U));
        if (b->known > 0)
                put_signed(&p, add_wrapping(end->value, -(uint64_t)row->last));
        if (b->known > 0 && !is_flat) {
                put_number(&p, (uint64_t)end->value - (uint64_t)b->min);
                put_number(&p, (uint64_t)b->max - (uint64_t)end->value);
                put_number(&p, (uint64_t)bucket_mean(b) - (uint64_t)b->min * (uint64_t)scale);
        }
        if (!is_whole)
                reason = put_reason(row, entry, &p, end->reason);
        if (row_reserve(row, (size_t)(p - entry)) < 0)
                return -ENOMEM;
        memcpy(row->bytes + row->n, entry, (size_t)(p - entry));
        row->n += (size_t)(p - entry);
        row->is_begun = true;
        row->index = index;
        row->last = b->known > 0 ? end->value : row->last;
        row->reason = reason > 0 ? reason : row->reason;
        return 0;
}

/* The state of the walk through a row is what the row has after its last entry. */
static const char *take_reason(Reader *r, SeriesRow *walk) {
        uint64_t n = take_number(r);

        if (n == REASON_NONE)
                return NULL;
        if (n >= REASON_NEW) {
                n = n - REASON_NEW + 1;
                if (n > SERIES_REASON_MAX || n > r->n - r->at || r->bytes[r->at + n - 1] != '\0' ||
                    !utf8_is_valid((const char *)r->bytes + r->at)) {
                        r->is_bad = true;
                        return NULL;
                }
                walk->reason = r->at;
                r->at += n;
        }
        if (walk->reason == 0)
                r->is_bad = true;
        return r->is_bad ? NULL : (const char *)r->bytes + walk->reason;
}

static void take_values(Reader *r, SeriesRow *walk, unsigned flags, int64_t scale, Bucket *ret) {
        wide_t mean;

        walk->last = add_wrapping(walk->last, (uint64_t)take_signed(r));
        ret->end.value = walk->last;
        ret->min = ret->max = walk->last;
        mean = (wide_t)walk->last * scale;
        if (!(flags & FLAG_FLAT)) {
                ret->min = add_wrapping(walk->last, -take_number(r));
                ret->max = add_wrapping(walk->last, take_number(r));
                mean = (wide_t)ret->min * scale + take_number(r);
        }
        ret->is_never = mean == CONDITION_NEVER;
        ret->total = mean * (wide_t)ret->known;
        if (ret->min > walk->last || ret->max < walk->last || mean > (wide_t)ret->max * scale)
                r->is_bad = true;
}

/* The next entry, at walk->index. Returns whether there is one. */
static bool take_entry(Reader *r, SeriesRow *walk, usec_t span, int64_t scale, Bucket *ret) {
        uint64_t head, index;
        unsigned flags;

        if (r->at >= r->n || r->is_bad)
                return false;
        head = take_number(r);
        flags = head & ((1U << FLAG_BITS) - 1);
        index = walk->index + (head >> FLAG_BITS);
        *ret = (Bucket){ .end.is_known = (flags & FLAG_KNOWN) != 0 };
        if (flags & FLAG_VALUES) {
                ret->known = flags & FLAG_WHOLE ? span : take_number(r) * USEC_PER_MSEC;
                take_values(r, walk, flags, scale, ret);
        }
        if (!(flags & FLAG_WHOLE))
                ret->end.reason = take_reason(r, walk);
        if (index >= INDEX_MAX || ret->known > span || (ret->end.is_known && ret->known == 0))
                r->is_bad = true;
        walk->index = (unsigned)index;
        return !r->is_bad;
}

static void begin_reading(Reader *r, const uint8_t *bytes, size_t n, SeriesRow *walk) {
        *r = (Reader){ .bytes = bytes, .n = n };
        *walk = (SeriesRow){};
        if (n == 0)
                return;
        r->is_bad = take_number(r) != ROW_VERSION;
        walk->period = take_number(r);
        walk->is_begun = true;
}

int series_row_load(SeriesRow *ret, const void *bytes, size_t n, usec_t span, int64_t scale) {
        SeriesRow walk;
        Reader reader;
        Bucket b;

        begin_reading(&reader, bytes, n, &walk);
        while (take_entry(&reader, &walk, span, scale, &b))
                ;
        if (reader.is_bad || n > SERIES_ROW_MAX)
                return -EBADMSG;
        series_row_reset(ret, walk.period);
        if (n == 0)
                return 0;
        if (row_reserve(ret, n) < 0)
                return -ENOMEM;
        walk.bytes = memcpy(ret->bytes, bytes, n);
        walk.n = n;
        *ret = walk;
        return 0;
}

int series_row_cut(SeriesRow *row, unsigned index, usec_t span, int64_t scale) {
        SeriesRow old = *row, walk;
        Reader reader;
        Bucket b;
        int r = 0;

        *row = (SeriesRow){ .period = old.period };
        begin_reading(&reader, old.bytes, old.n, &walk);
        while (r >= 0 && take_entry(&reader, &walk, span, scale, &b) && walk.index < index)
                r = series_row_append(row, walk.index, &b, span, scale);
        series_row_done(&old);
        if (r < 0)
                series_row_reset(row, row->period);
        return r;
}

void series_row_expand(const SeriesRow *row, SeriesState *state, Bucket *buckets, size_t n, usec_t span,
                       int64_t scale) {
        SeriesRow walk = {};
        Reader reader = {};
        bool has_entry = false;
        Bucket b;

        if (row && row->is_begun) {
                begin_reading(&reader, row->bytes, row->n, &walk);
                has_entry = take_entry(&reader, &walk, span, scale, &b);
        }
        for (size_t i = 0; i < n; i++) {
                bool is_first = true;

                buckets[i] = bucket_of(state, span, scale);
                for (; has_entry && walk.index == i; has_entry = take_entry(&reader, &walk, span, scale, &b)) {
                        if (is_first)
                                buckets[i] = b;
                        else
                                bucket_join(&buckets[i], &b);
                        is_first = false;
                }
                *state = buckets[i].end;
        }
}

/* --- one question --- */

void series_init(Series *s, ConditionUnit unit) {
        *s = (Series){ .scale = series_scale(unit) };
}

void series_done(Series *s) {
        s->gap_reason = mfree(s->gap_reason);
        free((char *)s->state.reason);
        s->state.reason = NULL;
}

/* A value counts also when it held for no time that could be measured. */
static void count(Series *s, usec_t span) {
        Bucket *b = &s->bucket;
        int64_t value = s->state.value;

        if (!s->state.is_known)
                return;
        b->min = b->known > 0 ? MIN(b->min, value) : value;
        b->max = b->known > 0 ? MAX(b->max, value) : value;
        span = MAX(span, 1U);
        b->known += span;
        b->is_never |= value == CONDITION_NEVER;
        b->total += (wide_t)value * s->scale * (wide_t)span;
}

void series_hold(Series *s, usec_t now) {
        if (now <= s->at)
                return;
        count(s, now - s->at);
        s->at = now;
}

int series_set(Series *s, const SeriesState *state, usec_t now) {
        SeriesState next = { .is_known = state->is_known, .value = s->state.value };
        int r = 0;

        series_hold(s, now);
        if (state->is_known) {
                next.value = MAX(state->value, INT64_MIN / s->scale);
                next.value = MIN(next.value, INT64_MAX / s->scale);
        }
        if (next.is_known == s->state.is_known && next.value == s->state.value &&
            (next.is_known || streq_ptr(state->reason, s->state.reason)))
                return 0;
        if (!state->is_known && state->reason) {
                next.reason = strndup(state->reason, utf8_cut(state->reason, SERIES_REASON_MAX - 1));
                r = next.reason ? 0 : -ENOMEM;
        }
        if (s->state.reason) {
                free(s->gap_reason);
                s->gap_reason = (char *)s->state.reason;
        }
        s->state = next;
        s->is_changed = true;
        count(s, 0);
        return r;
}

bool series_minute(const Series *s, Bucket *ret) {
        if (!s->is_changed)
                return false;
        *ret = s->bucket;
        ret->end = s->state;
        ret->end.reason = s->state.reason ?: s->gap_reason;
        return true;
}

void series_begin_minute(Series *s, usec_t at) {
        s->at = MAX(s->at, at);
        s->is_changed = false;
        s->gap_reason = mfree(s->gap_reason);
        s->bucket = (Bucket){};
}
