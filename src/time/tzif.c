/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The reader of TZif files. It trusts nothing: every count is held against the bytes that are there before anything is
 * read, every index against the table that it points into, and the result is bounded by the size of the file plus the
 * years of the footer. What the scheduler has no use for is left out: changes before 1969, the marks for standard and
 * universal time. Leap seconds are refused: an instant of such a zone ("right/...") is not what CLOCK_REALTIME counts.
 */

#include "time/civil.h"
#include "time/posix-tz.h"
#include "time/tzif.h"

#define HEADER_SIZE            44
#define TYPES_MAX              250 /* an index has to fit a byte, with the footer's two */
#define NAMES_MAX              4096
#define TRANSITIONS_MAX        4096
#define FOOTER_MAX             255
#define FOOTER_TRANSITIONS_MAX (2 * (TZIF_YEAR_MAX - TZIF_YEAR_MIN + 1))
#define TIME_MAX               (INT64_C(1) << 59) /* RFC 8536; sums with it do not overflow */
#define OFFSET_MAX             93599              /* RFC 8536: less than 26 hours */

const struct tzif tzif_utc = {
        .types = (const struct tzif_type[]){ { .offset = 0 } },
        .names = "UTC",
};

/* The counts of a data block, with the width of its times. */
struct block {
        uint32_t isut, isstd, leap, time, type, chars;
        size_t time_size;
        const uint8_t *data;
};

static uint64_t read_big_endian(const uint8_t *p, size_t n) {
        uint64_t v = 0;

        for (size_t i = 0; i < n; i++)
                v = v << 8 | p[i];
        return v;
}

static int64_t block_time(const struct block *b, size_t i) {
        const uint8_t *p = b->data + i * b->time_size;

        return b->time_size == 8 ? (int64_t)read_big_endian(p, 8) : (int32_t)(uint32_t)read_big_endian(p, 4);
}

static const uint8_t *block_time_types(const struct block *b) {
        return b->data + b->time * b->time_size;
}

static const uint8_t *block_types(const struct block *b) {
        return block_time_types(b) + b->time;
}

static const char *block_names(const struct block *b) {
        return (const char *)block_types(b) + b->type * (size_t)6;
}

/* Reads a header at *p and steps over its block, when all of that is there. */
static int read_block(const uint8_t **p, const uint8_t *end, size_t time_size, uint8_t *ret_version,
                      struct block *ret) {
        const uint8_t *h = *p;
        uint64_t size;

        if ((size_t)(end - h) < HEADER_SIZE || memcmp(h, "TZif", 4) != 0)
                return -EBADMSG;
        *ret = (struct block){
                .isut = (uint32_t)read_big_endian(h + 20, 4),
                .isstd = (uint32_t)read_big_endian(h + 24, 4),
                .leap = (uint32_t)read_big_endian(h + 28, 4),
                .time = (uint32_t)read_big_endian(h + 32, 4),
                .type = (uint32_t)read_big_endian(h + 36, 4),
                .chars = (uint32_t)read_big_endian(h + 40, 4),
                .time_size = time_size,
                .data = h + HEADER_SIZE,
        };
        size = (uint64_t)ret->time * (time_size + 1) + (uint64_t)ret->type * 6 + ret->chars +
               (uint64_t)ret->leap * (time_size + 4) + ret->isstd + ret->isut;
        if ((uint64_t)(end - ret->data) < size)
                return -EBADMSG;
        *ret_version = h[4];
        *p = ret->data + size;
        return 0;
}

static int block_verify(const struct block *b) {
        const uint8_t *types = block_types(b), *time_types = block_time_types(b);

        if (b->leap > 0)
                return -EOPNOTSUPP;
        if (b->type < 1 || b->type > TYPES_MAX || b->chars < 1 || b->chars > NAMES_MAX || b->time > TRANSITIONS_MAX)
                return -EBADMSG;
        if (block_names(b)[b->chars - 1] != '\0')
                return -EBADMSG;
        for (size_t i = 0; i < b->type; i++) {
                int32_t offset = (int32_t)(uint32_t)read_big_endian(types + i * 6, 4);

                if (offset < -OFFSET_MAX || offset > OFFSET_MAX || types[i * 6 + 4] > 1 ||
                    types[i * 6 + 5] >= b->chars)
                        return -EBADMSG;
        }
        for (size_t i = 0; i < b->time; i++) {
                int64_t at = block_time(b, i);

                if (time_types[i] >= b->type || at < -TIME_MAX || at > TIME_MAX ||
                    (i > 0 && at <= block_time(b, i - 1)))
                        return -EBADMSG;
        }
        return 0;
}

/* "\nRULE\n" behind the last block; an empty rule says nothing about the future. */
static int read_footer(const uint8_t *p, const uint8_t *end, bool *ret_has_rule, struct posix_tz *ret) {
        char text[FOOTER_MAX + 1];
        const uint8_t *stop;
        size_t n;

        *ret_has_rule = false;
        if (p >= end || *p++ != '\n')
                return -EBADMSG;
        stop = memchr(p, '\n', (size_t)(end - p));
        if (!stop || stop - p > FOOTER_MAX)
                return -EBADMSG;
        n = (size_t)(stop - p);
        if (n == 0)
                return 0;
        memcpy(text, p, n);
        text[n] = '\0';
        if (strlen(text) != n || posix_tz_parse(text, ret) < 0)
                return -EBADMSG;
        *ret_has_rule = true;
        return 0;
}

/* The table under construction: the same block of memory that is handed out in the end. */
struct builder {
        struct tzif tzif;
        size_t n_types, n_names;
        int64_t at[TRANSITIONS_MAX + FOOTER_TRANSITIONS_MAX];
        uint8_t type[TRANSITIONS_MAX + FOOTER_TRANSITIONS_MAX];
        struct tzif_type types[TYPES_MAX + 2];
        char names[NAMES_MAX + 2 * (POSIX_TZ_NAME_MAX + 1)];
};

static void builder_take_block(struct builder *t, const struct block *b) {
        const int64_t earliest = civil_days(TZIF_YEAR_MIN, 1, 1) * SECONDS_PER_DAY;
        const uint8_t *types = block_types(b);

        /* block_verify() has seen to it. */
        assert(b->type <= TYPES_MAX && b->chars <= NAMES_MAX && b->time <= TRANSITIONS_MAX);
        memcpy(t->names, block_names(b), b->chars);
        t->n_names = b->chars;
        for (t->n_types = 0; t->n_types < b->type; t->n_types++) {
                const uint8_t *p = types + t->n_types * 6;

                t->types[t->n_types] = (struct tzif_type){
                        .offset = (int32_t)(uint32_t)read_big_endian(p, 4),
                        .dst = p[4],
                        .name = p[5],
                };
        }
        for (size_t i = 0; i < b->time; i++) {
                if (block_time(b, i) < earliest) {
                        t->tzif.first = block_time_types(b)[i];
                        continue;
                }
                t->at[t->tzif.n] = block_time(b, i);
                t->type[t->tzif.n++] = block_time_types(b)[i];
        }
}

/* The type of that offset and name, a new one if need be. */
static uint8_t builder_type(struct builder *t, int32_t offset, bool dst, const char *name) {
        for (size_t i = 0; i < t->n_types; i++)
                if (t->types[i].offset == offset && t->types[i].dst == dst && streq(t->names + t->types[i].name, name))
                        return (uint8_t)i;

        assert(t->n_types < ELEMENTSOF(t->types) && t->n_names + strlen(name) < sizeof(t->names));
        t->types[t->n_types] = (struct tzif_type){
                .offset = offset,
                .dst = dst,
                .name = (uint16_t)t->n_names,
        };
        strcpy(t->names + t->n_names, name);
        t->n_names += strlen(name) + 1;
        return (uint8_t)t->n_types++;
}

/* Changes come in the order of time but for rules that end and start at the same instant (all-year daylight saving):
 * there the later word holds. */
static void builder_add(struct builder *t, int64_t at, uint8_t type) {
        size_t n = t->tzif.n;

        if (n > 0 && at < t->at[n - 1])
                return;
        if (n > 0 && at == t->at[n - 1])
                n--;
        assert(n < ELEMENTSOF(t->at));
        t->at[n] = at;
        t->type[n] = type;
        t->tzif.n = n + 1;
}

static void builder_take_rule(struct builder *t, const struct posix_tz *rule, bool has_transitions) {
        uint8_t std = builder_type(t, rule->std_offset, false, rule->std_name), dst;
        int64_t last = t->tzif.n > 0 ? t->at[t->tzif.n - 1] : INT64_MIN;

        if (!has_transitions)
                t->tzif.first = std;
        if (!rule->has_dst)
                return;
        dst = builder_type(t, rule->dst_offset, true, rule->dst_name);
        for (int year = TZIF_YEAR_MIN; year <= TZIF_YEAR_MAX; year++) {
                int64_t start, end;

                posix_tz_changes(rule, year, &start, &end);
                if (start < end && start > last)
                        builder_add(t, start, dst);
                if (end > last)
                        builder_add(t, end, std);
                if (start >= end && start > last)
                        builder_add(t, start, dst);
        }
}

/* Copies the table into one block of just its size. */
static int builder_finish(const struct builder *t, struct tzif **ret) {
        size_t n = t->tzif.n;
        struct tzif *tzif;
        char *p;

        tzif = malloc(sizeof(*tzif) + n * sizeof(int64_t) + t->n_types * sizeof(*t->types) + n + t->n_names);
        if (!tzif)
                return -ENOMEM;
        *tzif = t->tzif;
        p = (char *)(tzif + 1);
        tzif->at = memcpy(p, t->at, n * sizeof(int64_t));
        p += n * sizeof(int64_t);
        tzif->types = memcpy(p, t->types, t->n_types * sizeof(*t->types));
        p += t->n_types * sizeof(*t->types);
        tzif->type = memcpy(p, t->type, n);
        p += n;
        tzif->names = memcpy(p, t->names, t->n_names);
        *ret = tzif;
        return 0;
}

int tzif_parse(const void *data, size_t size, struct tzif **ret) {
        const uint8_t *p = data, *end = p + size;
        _cleanup_free_ struct builder *builder = NULL;
        struct posix_tz rule;
        bool has_rule = false;
        struct block block;
        uint8_t version;
        int r;

        r = read_block(&p, end, 4, &version, &block);
        if (r < 0)
                return r;
        if (version >= '2') {
                r = read_block(&p, end, 8, &version, &block);
                if (r >= 0)
                        r = read_footer(p, end, &has_rule, &rule);
                if (r < 0)
                        return r;
        }
        r = block_verify(&block);
        if (r < 0)
                return r;

        builder = calloc(1, sizeof(*builder));
        if (!builder)
                return -ENOMEM;
        builder_take_block(builder, &block);
        if (has_rule)
                builder_take_rule(builder, &rule, block.time > 0);
        return builder_finish(builder, ret);
}
