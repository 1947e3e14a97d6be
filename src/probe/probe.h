#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Probes: questions of conditions put to the machine. There is one probe for all who ask the same question; it lives
 * as long as somebody asks. The kernel or the bus tells where it can, else the machine is asked again and again: the
 * sooner, the nearer the value is to one of the limits and the faster it moved, between PROBE_SAMPLE_MIN_USEC and the
 * smallest sample_max of those who ask. What can block (a file, a program) is asked by a process of its own, with a
 * time limit. */

#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "condition/condition.h"

#define PROBE_SAMPLE_MIN_USEC     USEC_PER_SEC
#define PROBE_SAMPLE_DEFAULT_USEC (30 * USEC_PER_SEC)

typedef struct Probes Probes;
typedef struct Probe Probe;
typedef struct ProbeUse ProbeUse;

/* Somebody's interest in a question; part of what it is for. */
struct ProbeUse {
        const ConditionTest *test; /* borrowed until probe_unuse() */
        usec_t sample_max;         /* µs */
        /* There is another reading. From the loop, never from within a function below; may call probe_unuse() for any
         * use. A reading that lasted for a moment only (a unit that failed and was restarted) is told, too: it stays
         * for two more turns. */
        void (*changed)(ProbeUse *use);
        Probe *probe; /* NULL: not in use */

        /* The rest is for probe/. */
        TAILQ_ENTRY(ProbeUse) uses, news;
        bool has_news;
};

typedef struct ProbesOptions {
        const char *program_dir; /* where vakt-probe is */
        bool user_instance;
        const char *manager_address; /* of a service manager other than the default, for tests; or NULL */
        const char *root;            /* the directory of proc/, sys/ and run/, for tests; or NULL */
        /* Told of each answer, also of one like the one before; r NULL: nobody asks any more. Or NULL. *observed
         * belongs to the question, and is NULL at first. */
        void (*answered)(void *userdata, const Question *q, const Reading *r, void **observed);
        void *userdata;
} ProbesOptions;

int probes_new(Probes **ret, sd_event *event, const ProbesOptions *options);
Probes *probes_free(Probes *p); /* nobody uses any */
DEFINE_CLEANUP(Probes, probes_free)

/* Fills in use->probe. Its reading is unknown ("not asked yet") until the loop has turned. -EOPNOTSUPP: a kind that
 * others answer (CONDITION_JOB); -ENOMEM. */
int probe_use(Probes *p, ProbeUse *use);
void probe_unuse(ProbeUse *use); /* may not be in use */

/* Valid until the loop turns. */
const Reading *probe_reading(const ProbeUse *use);
/* "event": it is told of changes; "sample": it asks again every so often, and this long after the last time (µs). */
const char *probe_source(const ProbeUse *use, usec_t *ret_interval);

/* All probes, for dumps, "values" and tests. */
typedef int (*ProbeVisit)(const Question *q, const Reading *r, unsigned n_uses, void *userdata);
int probes_list(const Probes *p, ProbeVisit visit, void *userdata);
