#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a kind of probe is made of, and what it calls. A kind is one row of the table in kinds.c.
 *
 * A probe is looked at from the loop: for the first time in the turn after somebody asks, and then
 *
 *   sampled  (the default) as soon as the reading could have reached a limit: the loop decides. Nothing else to do.
 *   event    (is_event, which look() may set and reset as it likes) only when the kind says so: with probe_look() if
 *            it was told of a change, with probe_look_after() if it knows when there is to be one, or not at all if it
 *            calls probe_report() itself.
 *
 * look() answers at once, or returns PROBE_LATER and calls probe_report() when it has the answer (no other look takes
 * place meanwhile; what takes too long is for the kind to end, as unknown), or returns PROBE_AGAIN to be called again
 * in the next turn, because it has done as much as a turn may, or as an event-driven one PROBE_SILENT: there is
 * nothing to say now. It never blocks and never fails: what cannot be told is an answer, too, with a reason
 * (probe_unknown()). There is no start(): the first look() makes what it needs, keeps it in state, and stop() frees
 * that. */

#include <sys/queue.h>

#include "probe/probe.h"
#include "util/heap.h"

enum {
        PROBE_ANSWERED,
        PROBE_LATER,
        PROBE_AGAIN,
        PROBE_SILENT,
};

typedef struct ProbeKind {
        /* Returns one of these. ret is all zero at first. */
        int (*look)(Probe *p, Reading *ret);
        /* Nobody asks any more: forgets the answer that is to come, frees p->state. May be NULL. */
        void (*stop)(Probe *p);
        /* There are other uses, and so perhaps other limits (probe_lowest_limit()). May be NULL. */
        void (*uses_changed)(Probe *p);
        /* All probes are gone: frees what they shared, its place in Probes.shared. May be NULL. */
        void (*done)(Probes *probes);
} ProbeKind;

typedef enum ProbeShared {
        PROBE_SHARED_LOCAL_FILES,
        PROBE_SHARED_MOUNTS,
        PROBE_SHARED_OUTSIDE,
        PROBE_SHARED_PROCESSES,
        PROBE_SHARED_UNITS,
        _PROBE_SHARED_MAX,
} ProbeShared;

struct Probe {
        Probes *probes;
        const ProbeKind *kind;
        Question question;
        void *state;   /* of the kind; NULL at first */
        bool is_event; /* for the kind to set */
        usec_t pace;   /* the same: with is_event, it is sampled nevertheless, and always after this time; or 0 */

        /* The rest is for kind.c and probe.c. */
        Reading reading; /* its texts are our own copies */
        Reading held;    /* what is to follow a reading that lasted for a moment only */
        bool is_held, is_asked, looks_again, has_looked, has_sample;
        unsigned turns_shown, n_uses, n_untold; /* uses that have not been told of the reading */
        TAILQ_HEAD(ProbeUses, ProbeUse) uses;
        TAILQ_ENTRY(Probe) all_held;
        void *observed;       /* of Probes.answered */
        uint32_t position;    /* in Probes.looks */
        usec_t next_boottime; /* when it is looked at next, or USEC_INFINITY */
        usec_t looked_boottime, sampled_boottime, interval;
        int64_t sampled;
        double worst_rate; /* units per µs */
};

struct Probes {
        sd_event *event;
        const char *program_dir, *manager_address;
        bool user_instance;
        int root_fd; /* proc/…, sys/… and run/… are opened below it; a test's own directory, or "/" */
        void *shared[_PROBE_SHARED_MAX];
        void (*looked)(Probes *probes); /* called when no look follows in this turn, if a look has set it */

        /* The rest is for kind.c and probe.c. */
        char *texts[2]; /* program_dir, manager_address */
        void (*answered)(void *userdata, const Question *q, const Reading *r, void **observed);
        void *userdata;
        char reason[256];
        Probe **probes; /* sorted by question */
        size_t n_probes;
        Heap looks;
        sd_event_source *timer, *deliverer;
        TAILQ_HEAD(, ProbeUse) news; /* who is to be told */
        TAILQ_HEAD(, Probe) held;
        uint64_t n_looks;
};

/* --- for kinds --- */

/* Unknown, with the reason as one plain sentence. Both return PROBE_ANSWERED. %m in the format of the second is the
 * text of the error. */
int probe_unknown(Probe *p, Reading *ret, const char *format, ...) _printf_(3, 4);
int probe_unknown_errno(Probe *p, Reading *ret, int error, const char *format, ...) _printf_(4, 5);
/* Known. Both return PROBE_ANSWERED. */
int probe_known(Reading *ret, int64_t value);
int probe_known_share(Reading *ret, int64_t value, int64_t whole);

/* The answer to a look() that returned PROBE_LATER, or a change. r and its texts are copied; r->at is set if it is 0.
 * Who asks is told of it later, from the loop. */
void probe_report(Probe *p, const Reading *r);
/* It was so for a moment, and is no more. Who asks is told of it as of a reading of its own, at least two turns before
 * what comes next: the former reading, or what was reported meanwhile. */
void probe_report_moment(Probe *p, const Reading *r);

/* Looks at it in the next turn, or if it is being looked at, after that. */
void probe_look(Probe *p);
/* Looks at it after so many µs, or up to a fifth of that earlier, unless it is looked at before. USEC_INFINITY: not at
 * all. What is sampled is then looked at again soon. */
void probe_look_after(Probe *p, usec_t delay);
/* Looks at it within so many µs, at least PROBE_SAMPLE_MIN_USEC, when others are looked at, too. It is for what is
 * sampled, and the loop calls it for that. */
void probe_look_within(Probe *p, usec_t interval);

/* The smallest of the limits of all uses, in the unit of the kind. */
int64_t probe_lowest_limit(const Probe *p) _pure_;
/* The smallest sample_max of all uses. µs. */
usec_t probe_sample_max(const Probe *p) _pure_;

/* --- for probe.c --- */

void probe_use_join(ProbeUse *use, Probe *p);
void probe_use_leave(ProbeUse *use);                                   /* the probe stays, also without uses */
int probe_on_timer(sd_event_source *s, uint64_t usec, void *userdata); /* of Probes */
int probe_on_deliver(sd_event_source *s, int fd, uint32_t revents, void *userdata); /* of Probes */
void probe_done(Probe *p);
