/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The part of the ledger that keeps bytes for jobs: the files of a run, the model of a watch. Unlike the small things
 * in stamps.c, they are listed in order, so a walk merges pending rows into those of the database. They may be large,
 * so a visit gets the bytes in place, held by a reference, and no copy. */

#include "ledger/ledger-internal.h"

int ledger_put(Ledger *l, const char *job, const char *key, uint64_t id, const void *bytes, size_t n) {
        if (bytes && n > LEDGER_BLOB_MAX)
                return -E2BIG;
        return ledger_change_result(l, pending_put_blob(&l->pending, job, key, id, bytes, bytes ? n : 0));
}

int ledger_forget(Ledger *l, const char *job, const char *key) {
        return ledger_change_result(l, pending_forget_blobs(&l->pending, job, key));
}

typedef struct BlobWalk {
        const Pending *pending;
        BlobCursor cursor;
        int result; /* of the last visit */
        StoreBlobFunc visit;
        void *userdata;
} BlobWalk;

/* Rows of the database; everything pending comes before a NULL. */
typedef struct StoredBlob {
        const char *job, *key;
        uint64_t id;
} StoredBlob;

static bool comes_before(const BlobCursor *c, const StoredBlob *stored) {
        int k;

        if (!stored)
                return true;
        k = strcmp(c->set->job, stored->job);
        if (k == 0)
                k = strcmp(c->set->key, stored->key);
        return (k != 0 ? k : blob_id_compare(c->id, stored->id)) < 0;
}

/* Visits pending rows up to the stored one. Each step searches again, because the visit may have changed
 * everything. */
static void walk_pending(BlobWalk *w, const StoredBlob *stored) {
        PendingBlob *b;

        while (w->result == 0 && (b = pending_next_blob(w->pending, &w->cursor)) && comes_before(&w->cursor, stored)) {
                const BlobSet *set = w->cursor.set;

                w->cursor.passed = true;
                (void)pending_blob_ref(b);
                w->result = w->visit(set->job, set->key, b->id, b->bytes, b->n, w->userdata);
                pending_blob_unref(b);
        }
}

static int on_stored_blob(const char *job, const char *key, uint64_t id, const void *bytes, size_t n, void *userdata) {
        const StoredBlob stored = { job, key, id };
        BlobWalk *w = userdata;

        if (!job || !key || pending_has_blob(w->pending, job, key, id))
                return 0;
        walk_pending(w, &stored);
        if (w->result != 0)
                return 1;
        if (pending_has_blob(w->pending, job, key, id)) /* by now */
                return 0;
        w->result = w->visit(job, key, id, bytes, n, w->userdata);
        if (pending_has_blob(w->pending, job, key, id)) /* the visit has replaced it */
                pending_pass_blob(w->pending, &w->cursor, job, key, id);
        return w->result != 0;
}

int ledger_list_blobs(Ledger *l, const char *job, const char *key,
                      int (*visit)(const char *job, const char *key, uint64_t id, const void *bytes, size_t n,
                                   void *userdata),
                      void *userdata) {
        BlobWalk w = {
                .pending = &l->pending,
                .cursor = { .job = job, .key = key },
                .visit = visit,
                .userdata = userdata,
        };
        int r;

        r = l->store ? store_list_blobs(l->store, job, key, on_stored_blob, &w) : l->error;
        walk_pending(&w, NULL);
        if (r == -EBADMSG && l->store)
                ledger_error(l, r);
        return w.result != 0 || r > 0 ? w.result : r;
}
