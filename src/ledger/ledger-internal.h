#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The body of the ledger, shared by ledger.c (runs, transactions), stamps.c and blobs.c (its other functions) and
 * recovery.c (failures of the database). Tests that need to speed it up include it, too. */

#include "ledger/ledger.h"
#include "ledger/pending.h"
#include "ledger/retention.h"
#include "ledger/run-ids.h"
#include "ledger/store.h"

#define LEDGER_MESSAGE_MAX 512

struct Ledger {
        int state_fd; /* the directory */
        int lock_fd;
        char *path; /* of the database */
        BootId boot;

        Store *store; /* NULL when it could not be opened */
        Pending pending;
        RunIds ids;
        bool meta_changed; /* reserved ids or the boot must be written */
        Retention retention;
        OwnedRun found; /* by the last ledger_get() */

        sd_event *event;
        sd_event_source *commit_source; /* armed while something is open */
        sd_event_source *late_source;   /* armed while there may be late runs */
        sd_event_source *upkeep_source; /* armed while there may be something to prune or to checkpoint */
        bool may_shrink;                /* much was deleted */
        unsigned checkpoint_pages;      /* size of the log at which this is done */
        unsigned scan_max;              /* LEDGER_SCAN_MAX */

        bool (*turn_end)(void *userdata); /* or NULL */
        void *turn_end_userdata;

        bool was_unreadable; /* when it was opened */
        void (*recovered)(bool is_readable, void *userdata);
        void *recovered_userdata;

        int error;                     /* why the database is not written, or 0 */
        usec_t retry_delay;            /* 0 = never tried */
        usec_t retried_monotonic;      /* when its last failure was noticed */
        sd_event_source *retry_source; /* armed while error is set */
        unsigned n_replaced;           /* damaged databases so far */
        usec_t suspected_monotonic;    /* when damage was met last */
        char message[LEDGER_MESSAGE_MAX];
};

/* --- ledger.c --- */
/* Writes everything that is pending in one transaction, and keeps it if that fails. */
int ledger_flush(Ledger *l);
/* Takes what the change of something pending returned, and returns it. Unless it failed, arms the source that ends the
 * transaction of this turn. */
int ledger_change_result(Ledger *l, int r);
/* Arms the source that prunes later. */
void ledger_arm_upkeep(Ledger *l);
/* One step of pruning or checkpointing. True if there is more to do. */
bool ledger_upkeep(Ledger *l, usec_t now_realtime, usec_t now_boottime);

/* --- recovery.c --- */
/* Opens the database and reads what it knows about ids and the boot. -EBADMSG leaves it open, to be read. */
int ledger_connect(Ledger *l);
/* Handles an error of the store: a damaged database is replaced; after any other error, the ledger continues in memory
 * for now. */
void ledger_error(Ledger *l, int error);
/* Tries to write again. 0 on success, otherwise the reason. */
int ledger_retry(Ledger *l);
