/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One set of rows for each key of a job: a hundred thousand rows under one key share its strings, and deleting them
 * all is one flag. A row is one allocation together with its bytes, so they are copied once on their way to the
 * database.
 *
 * A deletion has to be remembered until the database has done it as well; a set or a row with a flag takes the place
 * of what it removes. These are limited by number, not by bytes: when memory is short, it must be possible to release
 * something. */

#include "ledger/pending-blobs.h"

#include "ledger/ledger.h"
#include "util/text-copy.h"

int blob_id_compare(uint64_t a, uint64_t b) {
        int64_t x = (int64_t)a, y = (int64_t)b;

        return x < y ? -1 : x > y;
}

/* --- rows --- */

static int compare_rows(const void *a, const void *b) {
        return blob_id_compare(((const PendingBlob *)a)->id, ((const PendingBlob *)b)->id);
}

PendingBlob *pending_blob_ref(PendingBlob *b) {
        b->n_refs++;
        return b;
}

void pending_blob_unref(PendingBlob *b) {
        assert(b->n_refs > 0);
        if (--b->n_refs == 0)
                free(b);
}

static void free_row(void *item) {
        pending_blob_unref(item);
}

static PendingBlob *new_row(uint64_t id, const void *bytes, size_t n) {
        PendingBlob *b = malloc(sizeof(*b) + n);

        if (!b)
                return NULL;
        *b = (PendingBlob){ .id = id, .n_refs = 1, .forget = !bytes, .n = n };
        if (n > 0)
                memcpy(b->bytes, bytes, n);
        return b;
}

static size_t row_size(const PendingBlob *b) {
        return b ? sizeof(*b) + b->n : 0;
}

/* --- sets --- */

static int compare_sets(const void *a, const void *b) {
        const BlobSet *x = a, *y = b;
        int c = strcmp(x->job, y->job);

        if (c != 0)
                return c;
        return x->key && y->key ? strcmp(x->key, y->key) : (x->key != NULL) - (y->key != NULL);
}

static void free_set(void *item) {
        BlobSet *s = item;

        sorted_set_clear(&s->rows);
        free(s);
}

static BlobSet *find_set(const PendingBlobs *p, const char *job, const char *key) {
        return sorted_set_get(&p->sets, &(BlobSet){ .job = job, .key = key });
}

static size_t set_size(const char *job, const char *key) {
        return sizeof(BlobSet) + strlen(job) + strlen(strempty(key)) + 2;
}

/* whole_job: the set of all keys of the job, or NULL: what is forgotten of it is forgotten of this one. */
static BlobSet *insert_set(PendingBlobs *p, const char *job, const char *key, const BlobSet *whole_job) {
        static const size_t texts[] = { offsetof(BlobSet, job), offsetof(BlobSet, key) };
        const BlobSet empty = {
                .job = job,
                .key = key,
                .forget = whole_job && whole_job->forget,
                .rows = { .compare = compare_rows, .free_item = free_row },
        };
        BlobSet *s = COPY_WITH_TEXTS(&empty, texts);

        if (!s || sorted_set_insert(&p->sets, s) < 0)
                return mfree(s);
        p->n_bytes += set_size(job, key);
        return s;
}

void pending_blobs_init(PendingBlobs *p) {
        *p = (PendingBlobs){ .sets = { .compare = compare_sets, .free_item = free_set } };
}

void pending_blobs_clear(PendingBlobs *p) {
        sorted_set_clear(&p->sets);
        p->n_bytes = p->n_void = 0;
}

bool pending_blobs_is_full(const PendingBlobs *p) {
        return p->n_bytes >= LEDGER_BLOBS_BYTES || p->n_void >= LEDGER_STAMPS_MAX;
}

/* --- writing --- */

/* Replaces the known row, if there is one. */
static int put_row(PendingBlobs *p, BlobSet *s, size_t i, const PendingBlob *known, PendingBlob *row) {
        int r;

        if (!known) {
                r = sorted_set_insert(&s->rows, row);
                if (r < 0)
                        return r;
        }
        assert(!known || s->rows.items[i] == known);
        p->n_bytes += row_size(row) - row_size(known);
        p->n_void += (size_t)row->forget - (size_t)(known && known->forget);
        if (known) {
                s->rows.free_item(s->rows.items[i]);
                s->rows.items[i] = row;
        }
        return 0;
}

/* A row that is not in the database needs no flag in its place. */
static void drop_row(PendingBlobs *p, BlobSet *s, size_t i, const PendingBlob *known) {
        if (!known)
                return;
        assert(p->n_bytes >= row_size(known) && !known->forget);
        p->n_bytes -= row_size(known);
        sorted_set_remove_at(&s->rows, i);
}

int pending_blobs_put(PendingBlobs *p, const char *job, const char *key, uint64_t id, const void *bytes, size_t n,
                      bool is_bounded) {
        BlobSet *s = find_set(p, job, key);
        size_t i = s ? sorted_set_position(&s->rows, &(PendingBlob){ .id = id }) : 0;
        const PendingBlob *known = s && i < s->rows.n ? s->rows.items[i] : NULL;
        const BlobSet *covering = s ?: find_set(p, job, NULL);
        PendingBlob *row;
        size_t n_bytes;
        int r;

        known = known && known->id == id ? known : NULL;
        if (!bytes && covering && covering->forget) {
                drop_row(p, s, i, known);
                return 0;
        }
        n_bytes = p->n_bytes - row_size(known) + sizeof(*row) + n + (s ? 0 : set_size(job, key));
        if (is_bounded && (bytes ? n_bytes > LEDGER_BLOBS_BYTES : !known && p->n_void >= LEDGER_STAMPS_MAX))
                return -ENOBUFS;
        s = s ?: insert_set(p, job, key, covering);
        if (!s)
                return -ENOMEM;
        row = new_row(id, bytes, n);
        if (!row)
                return -ENOMEM;
        r = put_row(p, s, i, known, row);
        if (r < 0)
                pending_blob_unref(row);
        return r;
}

/* The set stays: a walk may use it. */
static void forget_rows(PendingBlobs *p, BlobSet *s) {
        for (size_t i = 0; i < s->rows.n; i++) {
                const PendingBlob *b = s->rows.items[i];

                p->n_bytes -= row_size(b);
                p->n_void -= b->forget;
        }
        sorted_set_clear(&s->rows);
        p->n_void += !s->forget;
        s->forget = true;
}

int pending_blobs_forget(PendingBlobs *p, const char *job, const char *key, bool is_bounded) {
        BlobSet *s = find_set(p, job, key);

        if (!s && is_bounded && p->n_void >= LEDGER_STAMPS_MAX)
                return -ENOBUFS;
        s = s ?: insert_set(p, job, key, find_set(p, job, NULL));
        if (!s)
                return -ENOMEM;
        forget_rows(p, s);
        if (key)
                return 0;
        for (size_t i = sorted_set_position(&p->sets, s); i < p->sets.n; i++) {
                BlobSet *other = p->sets.items[i];

                if (!streq(other->job, job))
                        break;
                forget_rows(p, other);
        }
        return 0;
}

/* --- reading --- */

bool pending_blobs_has(const PendingBlobs *p, const char *job, const char *key, uint64_t id) {
        const BlobSet *s = find_set(p, job, key) ?: find_set(p, job, NULL);

        return s && (s->forget || sorted_set_get(&s->rows, &(PendingBlob){ .id = id }));
}

/* From the cursor on, in its set or in a later one. */
static PendingBlob *next_in_set(const BlobSet *s, BlobCursor *c) {
        size_t i = 0;

        if (s == c->set) {
                i = sorted_set_position(&s->rows, &(PendingBlob){ .id = c->id });
                if (c->passed && i < s->rows.n && ((const PendingBlob *)s->rows.items[i])->id == c->id)
                        i++;
        }
        for (; i < s->rows.n; i++) {
                PendingBlob *b = s->rows.items[i];

                if (b->forget)
                        continue;
                c->set = s;
                c->id = b->id;
                c->passed = false;
                return b;
        }
        return NULL;
}

void pending_blobs_pass(const PendingBlobs *p, BlobCursor *c, const char *job, const char *key, uint64_t id) {
        const BlobSet *s = find_set(p, job, key);

        if (!s)
                return;
        c->set = s;
        c->id = id;
        c->passed = true;
}

PendingBlob *pending_blobs_next(const PendingBlobs *p, BlobCursor *c) {
        const BlobSet first = { .job = strempty(c->job) };

        for (size_t i = sorted_set_position(&p->sets, c->set ?: &first); i < p->sets.n; i++) {
                const BlobSet *s = p->sets.items[i];
                PendingBlob *b;

                if (c->job && !streq(c->job, s->job))
                        break;
                if (!s->key || (c->key && !streq(c->key, s->key)))
                        continue;
                b = next_in_set(s, c);
                if (b)
                        return b;
        }
        return NULL;
}
