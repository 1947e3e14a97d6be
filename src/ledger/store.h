#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The database behind the ledger. These errors apply to all its functions:
 *
 * -EBADMSG: the file is damaged or is not a database; -ENOSPC, -EDQUOT, -EROFS, -EACCES, -EIO, …: it cannot be read or
 * written now; -EBUSY: another program has it locked; -ENOMEM. None of them leaves partial changes: store_rollback()
 * follows an error within a transaction. */

#include "util/boot-id.h"
#include "ledger/records.h"

typedef struct Store Store;

/* Opens or creates path, upgrades it to this version of the schema and keeps it locked. boot: id of the running boot.
 * Also -EPROTONOSUPPORT: created by a newer vaktd, and -EMEDIUMTYPE: created by another program; the file is not
 * touched then. With -EBADMSG *ret is set, too: the functions that walk may read it, as damaged as it is. */
int store_open(Store **ret, const char *path, const BootId *boot);

/* Checks for damage, for about limit µs at most: -EBADMSG. */
int store_check(Store *s, usec_t limit);

/* is_damaged: leave the files unchanged, for inspection. */
Store *store_close(Store *s, bool is_damaged);

int store_begin(Store *s); /* first makes room in the write-ahead log, if it has become too long */
int store_commit(Store *s);
void store_rollback(Store *s);

/* Pages that were committed and are only in the write-ahead log; store_checkpoint() moves them and waits for the
 * disk. */
unsigned store_n_wal_pages(const Store *s);
int store_checkpoint(Store *s);

/* Gives some of the free pages back to the file system, if a quarter of the file is free; the file is shorter when the
 * log is moved. Returns 1 if it did so, and 0 if not: also for a file that an earlier version of vaktd created, which
 * keeps its size. */
int store_shrink(Store *s);

/* --- runs --- */

int store_put_run(Store *s, const RunRecord *record, bool this_boot);
int store_get_run(Store *s, uint64_t id, OwnedRun *ret); /* as owned_run_assign(); -ENOENT */
int store_get_next_id(Store *s, uint64_t *ret);          /* above all there are */

typedef int (*StoreRunFunc)(const RunRecord *r, bool this_boot, void *userdata);

/* Like ledger_query(), but the visits have to observe the limit of the filter. ret_next is 0 or where the search
 * stopped, after scan_max rows that did not match. A visit that returns nonzero ends the walk; its value is
 * returned. */
int store_query_runs(Store *s, const LedgerFilter *filter, unsigned scan_max, StoreRunFunc visit, void *userdata,
                     uint64_t *ret_next);
bool store_filter_matches(const LedgerFilter *filter, const RunRecord *r) _pure_;

/* Visits the unfinished run with the lowest id above after. -ENOENT: there is none. */
int store_next_unfinished(Store *s, uint64_t after, StoreRunFunc visit, void *userdata);

/* --- retention --- */

/* Deletes, oldest first, at most max finished runs of job that are beyond the newest keep or ended before. Returns the
 * number. */
int store_prune_job(Store *s, const char *job, unsigned keep, usec_t before, unsigned max);
/* The first job with runs that follows after in the order of names, for free(). -ENOENT: there is none. */
int store_next_job(Store *s, const char *after, char **ret);

/* --- stamps, job states, alarms, blobs, meta --- */

int store_set_stamp(Store *s, const char *job, const char *key, usec_t usec);
int store_forget_stamp(Store *s, const char *job, const char *key);
int store_get_stamp(Store *s, const char *job, const char *key, usec_t *ret); /* -ENOENT */
int store_list_stamps(Store *s, const char *job,
                      int (*visit)(const char *job, const char *key, usec_t usec, void *userdata), void *userdata);

/* Reads stamps, names of jobs with a state and of those of which anything is kept, all at once, for the look-ups that
 * follow: until store_end_read_ahead(), or until something is written. 0, also when that was done before; -ENOMEM or
 * another error: nothing is read ahead. */
int store_read_ahead(Store *s);
void store_end_read_ahead(Store *s);

/* Gives back the pages that it keeps in memory: what is needed again is read again, from the cache of the system. */
void store_release_memory(Store *s);

/* As ledger_next_kept_job(). */
int store_next_kept_job(Store *s, const char *after, char **ret);

int store_set_job_state(Store *s, const char *job, const LedgerJobState *state); /* all zero: forgets it */
int store_get_job_state(Store *s, const char *job, LedgerJobState *ret);         /* -ENOENT */
int store_list_job_states(Store *s, int (*visit)(const char *job, const LedgerJobState *state, void *userdata),
                          void *userdata);

int store_set_alarm(Store *s, const LedgerAlarm *alarm); /* not since anything: forgets it */
int store_list_alarms(Store *s, const char *job, int (*visit)(const LedgerAlarm *alarm, void *userdata),
                      void *userdata);

typedef int (*StoreBlobFunc)(const char *job, const char *key, uint64_t id, const void *bytes, size_t n,
                             void *userdata);

int store_put_blob(Store *s, const char *job, const char *key, uint64_t id, const void *bytes, size_t n);
int store_forget_blob(Store *s, const char *job, const char *key, uint64_t id);
int store_forget_blobs(Store *s, const char *job, const char *key); /* key may be NULL: all of the job */
/* As ledger_list_blobs(), in the order of job, key and id. */
int store_list_blobs(Store *s, const char *job, const char *key, StoreBlobFunc visit, void *userdata);
/* All of them in reverse order, and by the table alone: what can be read of a damaged one. */
int store_list_blobs_backwards(Store *s, StoreBlobFunc visit, void *userdata);

#define STORE_META_NEXT_RUN "next-run" /* an id that was never used, and no higher one either */

int store_set_meta(Store *s, const char *key, const char *value);
int store_get_meta(Store *s, const char *key, char **ret); /* -ENOENT */
