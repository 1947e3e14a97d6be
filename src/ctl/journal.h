#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What runs left in the journal: lines of their output, and the messages of vaktd and the service manager about
 * them. */

#include <regex.h>
#include <systemd/sd-event.h>

#include "util/clock.h"
#include "util/macro.h"

/* Whose lines. */
typedef struct JournalScope {
        const char *job;
        uint64_t run;           /* 0: all runs of the job */
        const char *unit;       /* in which it ran, of all runs any one's; or "" */
        const char *invocation; /* of that unit; or "" */
        usec_t requested;       /* when the run was requested, µs of CLOCK_REALTIME; of all runs 0 */
        usec_t ended;           /* 0: it is not over */
        bool user;              /* of the user's vaktd */
        bool output_only;       /* only what the run itself wrote to its output, */
        bool own_only;          /* or what its processes wrote, to whatever */
        unsigned priorities;    /* a bit for each that is wanted; 0: all */
        const regex_t *pattern; /* that the message matches; or NULL */
        usec_t until;           /* 0: without an end */
} JournalScope;

/* Strings belong to the journal, valid until the next step. */
typedef struct JournalLine {
        usec_t time; /* µs of CLOCK_REALTIME */
        const char *message;
        size_t n;               /* length in bytes; it may contain any bytes */
        const char *identifier; /* who wrote it: a program's name */
        const char *host;
        uint64_t pid;     /* 0: not known */
        uint64_t run;     /* 0: not known */
        int priority;     /* -1: not known */
        uint64_t dropped; /* number of missing lines of the run, which the message reports; or 0 */
} JournalLine;

/* Whether enough is known about the unit of the run to find its lines by it. */
bool journal_scope_is_known(const JournalScope *s) _pure_;

typedef struct Journal Journal;

/* Opens at the start. -EACCES, -ENOENT, …: it cannot be read, and *reterr_message (which the caller frees) says why
 * and what to do. */
int journal_open(const JournalScope *scope, Journal **ret, char **reterr_message);
Journal *journal_free(Journal *j);
DEFINE_CLEANUP(Journal, journal_free)

/* Go to the first line at or after a time; or back from the end by so many lines. Negative errno. */
int journal_seek_time(Journal *j, usec_t realtime);
int journal_seek_last(Journal *j, unsigned n);

/* The next line. 1: there is one, 0: there is none yet, negative errno. */
int journal_next(Journal *j, JournalLine *ret);

/* How many lines of the run's output the journal has dropped, as it reports; also 0 if it cannot be read. */
uint64_t journal_count_dropped(const JournalScope *scope);

/* True if this user may not read everything that may belong here. */
bool journal_is_partial(void);

/* Watches for new lines: source's handler calls journal_process(), after which journal_next() finds them. */
int journal_watch(Journal *j, sd_event *event, sd_event_source **ret, sd_event_io_handler_t handler, void *userdata);
int journal_process(Journal *j);

/* Waits for new lines outside a loop, so many µs. 1: the journal changed, 0: it did not, negative errno. */
int journal_wait(Journal *j, usec_t timeout);

/* Waits until everything that was written so far can be read. Negative errno if that is not available: then the caller
 * has to wait. */
int journal_synchronize(void);

/* Waits until the journal has begun to read everything that was written so far, which any user may request. Negative
 * errno. */
int journal_knock(void);
