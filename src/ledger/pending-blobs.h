#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The large part of Pending: bytes that are kept for jobs, and which of those in the database are void. */

#include "ledger/sorted-set.h"
#include "util/macro.h"

typedef struct PendingBlob {
        uint64_t id;
        unsigned n_refs; /* a visit holds one, too, while it may replace this */
        bool forget;     /* to be removed from the database; no bytes then */
        size_t n;
        char bytes[];
} PendingBlob;

/* The rows under one key of a job. They stay until everything is cleared, so that walks may hold them. */
typedef struct BlobSet {
        const char *job;
        const char *key; /* NULL: has no rows of its own, stands for all keys of the job that have no set here */
        bool forget;     /* all that the database has of it is to be removed, before the rows are written */
        SortedSet rows;  /* PendingBlob, by id */
} BlobSet;

typedef struct PendingBlobs {
        SortedSet sets; /* BlobSet, by job and key, NULL first */
        size_t n_bytes; /* of memory */
        size_t n_void;  /* rows and sets to be removed from the database */
} PendingBlobs;

void pending_blobs_init(PendingBlobs *p);
void pending_blobs_clear(PendingBlobs *p);
bool pending_blobs_is_full(const PendingBlobs *p) _pure_; /* one of the maximums of ledger.h is reached */

/* As ledger_put() and ledger_forget(), with one copy of bytes. -ENOMEM; -ENOBUFS when bounded and a maximum would be
 * passed. */
int pending_blobs_put(PendingBlobs *p, const char *job, const char *key, uint64_t id, const void *bytes, size_t n,
                      bool is_bounded);
int pending_blobs_forget(PendingBlobs *p, const char *job, const char *key, bool is_bounded);

/* What the database has under this is void: there is a newer version here, or it is deleted. */
bool pending_blobs_has(const PendingBlobs *p, const char *job, const char *key, uint64_t id);

/* The order of ids, and that of SQLite, whose integers have a sign. */
int blob_id_compare(uint64_t a, uint64_t b) _const_;

/* --- walks, in the order of the database --- */

typedef struct BlobCursor {
        const char *job, *key; /* to be walked through, NULL = all */
        const BlobSet *set;    /* of the row that comes next, or came last; NULL = none yet */
        uint64_t id;           /* of that row */
        bool passed;           /* it was visited */
} BlobCursor;

/* Moves the cursor to the next row with bytes, which is the current one unless that was passed. NULL: there is none.
 * The set and its strings live until pending_blobs_clear(), the row until it is replaced. */
PendingBlob *pending_blobs_next(const PendingBlobs *p, BlobCursor *c);

/* The row here counts as passed. */
void pending_blobs_pass(const PendingBlobs *p, BlobCursor *c, const char *job, const char *key, uint64_t id);

PendingBlob *pending_blob_ref(PendingBlob *b);
void pending_blob_unref(PendingBlob *b);
