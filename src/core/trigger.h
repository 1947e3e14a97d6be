#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A kind of trigger, as the core knows it: a table of functions, and what such a kind may see of the core. Each kind
 * is a file of trigger/, and is known only by its table, which the code that creates the manager passes
 * (ManagerOptions.triggers).
 *
 * A kind keeps what it knows of a job behind a pointer of the job's that is its own, and what it gives a run behind a
 * RunPayload. The core carries both about without looking in: the payload is written in the transaction in which the
 * run is accepted, goes on to the next try, is there again after a restart, and is forgotten in the transaction in
 * which the run ends, unless the kind has something left to do for it. */

#include <sys/queue.h>

#include "condition/condition.h"
#include "core/manager.h"
#include "exec/executor.h"
#include "util/heap.h"

typedef struct TriggerOps TriggerOps;

/* What a run was given: the first member of what its kind keeps of that. It belongs to the run. */
typedef struct RunPayload {
        const TriggerOps *ops;
        bool is_empty; /* nothing in it is for another run, should this one not deal with it */
} RunPayload;

#define TRIGGER_KINDS_MAX 5 /* kinds of triggers */

/* What a kind of trigger keeps for a job; most kinds keep nothing of it. */
struct TriggerKept {
        TriggerKept *next; /* of the job */
        const struct Trigger *trigger;
        void *of; /* what is kept */
};

/* The first member of what a kind of trigger keeps for all jobs. All in it is the core's, and there until done(). */
typedef struct Trigger {
        const TriggerOps *ops;
        Manager *manager;
        sd_event *event;
        Ledger *ledger; /* not in done() */
        ZoneCache *zones;
        const Settings *settings;
        const ManagerOptions *options;
} Trigger;

/* Each may be NULL, but size. Jobs are handed over with their definition; one that has no such trigger is to be told
 * by that. What a function asks for or writes is in the transaction of this turn. */
struct TriggerOps {
        size_t size; /* of the struct that begins with Trigger; comes zeroed */
        int (*init)(Trigger *t);
        void (*done)(Trigger *t);

        /* --- the daemon --- */
        int (*start)(Trigger *t); /* jobs are there, and are to be waited for from now on */
        /* Nothing is asked for until that is taken back: so it is to begin with, while it is not known yet what goes
         * on, and when the daemon ends. When it is taken back, perhaps once more, something has become known. */
        void (*hold)(Trigger *t, bool hold);
        void (*reload)(Trigger *t); /* settings were loaded, jobs are about to be: what was in the way may be mended */
        void (*written)(Trigger *t); /* as manager_notify_written() asked for: all that was written before is safe */
        void (*flush)(Trigger *t);   /* the daemon ends: the last chance to write something down */

        /* --- a job --- */
        int (*set_job)(Trigger *t, Job *job);        /* is new, or has another definition; not before start() */
        void (*remove_job)(Trigger *t, Job *job);    /* is gone; perhaps not for the first time */
        void (*pause_changed)(Trigger *t, Job *job); /* Job.paused is another one; not before start() */

        /* --- a run --- */
        /* A person asks for it (RUN_CAUSE_MANUAL): asks for it with what it is to be given. 0: the kind has nothing to
         * give. Errors as manager_request(). */
        int (*request)(Trigger *t, Job *job, const RunRequest *request, uint64_t *ret_id);
        void (*run_started)(Trigger *t, LiveRun *run); /* any run of any job, whatever requested it; so with its end */
        /* It is over. Its payload is another try's by now if there is one. True: it stays in the ledger until
         * payload_forget(). */
        bool (*run_ended)(Trigger *t, LiveRun *run);
        /* A run with this payload has failed; the payload is about to be another try's. */
        void (*run_retried)(Trigger *t, const LiveRun *failed, RunPayload *payload);
        /* There is a run that was not known: which trigger of the job has requested it? */
        void (*run_found)(Trigger *t, Job *job, RunRecord *record);

        /* --- its payload --- */
        void (*describe)(const RunPayload *p, ExecutionRequest *request); /* what the executor is to know of it */
        int (*pack)(const RunPayload *p, char **ret, size_t *ret_n);
        int (*unpack)(Trigger *t, const void *bytes, size_t n, RunPayload **ret); /* -EBADMSG: not of this kind */
        /* The opposite of describe(), for a run that is not in the ledger. Sets the payload of run's record. NULL: not
         * of this kind. */
        RunPayload *(*recognize)(Trigger *t, const ExecutionRequest *request, OwnedRun *run);
        RunPayload *(*free_payload)(RunPayload *p);
        /* It was found in the ledger. run NULL: that is over, as record says, or (NULL) nothing is known of it; true:
         * it stays in the ledger until payload_forget(). */
        bool (*restore)(Trigger *t, LiveRun *run, const RunRecord *record, RunPayload *p);

        /* --- for people --- */
        /* As manager_explain(); with a file as manager_explain_path(). 0: the job has no such trigger; 1: it has. */
        int (*explain)(Trigger *t, const Job *job, const char *file, size_t n, ExplainVisit visit, void *userdata);
        int (*list)(Trigger *t, const Job *job, TriggerVisit visit, void *userdata); /* as manager_list_triggers() */
        int (*count)(Trigger *t, const Job *job, CounterVisit visit, void *userdata);
        size_t (*next)(Trigger *t, const Job *job, usec_t *ret, size_t n); /* as manager_next_elapses() */
        /* The files that the job would be run for now; as manager_plan(). */
        int (*plan)(Trigger *t, const Job *job, PlanVisit visit, void *userdata, uint64_t *ret_most);
};

/* One message of explain(), as printf(3). */
int explain_tell(ExplainVisit visit, void *userdata, const char *topic, const char *format, ...) _printf_(4, 5);

/* --- what a kind may ask of the core --- */

/* What it keeps of the job, or NULL. */
static inline void *trigger_get(const Trigger *t, const Job *job) {
        for (const TriggerKept *k = job->kept; k; k = k->next)
                if (k->trigger == t)
                        return k->of;
        return NULL;
}

/* The node is a part of what is kept, until trigger_unset(). */
void trigger_set(const Trigger *t, Job *job, TriggerKept *node, void *kept);
void trigger_unset(const Trigger *t, Job *job);

/* Asks for a run of a job that is there and good: 1 when it was accepted and has the payload now (*payload is NULL
 * then), 0 when it was refused, and that is written down. payload may be NULL. Negative errno as manager_request(). */
int runs_request(Manager *m, Job *job, const RunRequest *request, RunPayload **payload, uint64_t *ret_id);
/* Writes down that a run of what has this name was asked for, and why there is none. */
void runs_refuse(Manager *m, const char *job, const RunRequest *request, RunResult result, const char *format, ...)
        _printf_(5, 6);
/* Asks for runs of other jobs, which a key of this one names, and writes down why there is none. */
void runs_request_others(Manager *m, const Job *job, char *const *others, const char *key);
/* One occurrence of a trigger was skipped. */
void runs_use_up_skip(Manager *m, Job *job);
/* From when on the gates let a run with a payload of this cause pass, boottime; 0: now; USEC_INFINITY: when another
 * one is over, or somebody says so. */
usec_t runs_allowed(const Manager *m, const Job *job, RunCause cause, Instant now);
/* Ends what the job does for a payload of this kind, for the sake of newer ones: run_returns_payload() is true of it
 * then. What waits for a slot keeps it, and what a person asked for goes on. */
void runs_preempt(const Trigger *t, const Job *job, const char *reason);

/* It has been unknown since then (realtime) what the job waits for, and message says why: an alarm, raised once. NULL:
 * it is known. */
void job_set_unknown(Manager *m, Job *job, usec_t since, const char *message);

bool manager_is_stopping(const Manager *m) _pure_;
/* What an earlier daemon left is known: from the ledger, and from the executor. */
bool manager_knows_what_was(const Manager *m) _pure_;
/* What the job shows of itself is another thing now. */
void manager_job_changed(Manager *m, const Job *job);
/* TriggerOps.written() is to be called once all that was written until now is safe. */
void manager_notify_written(Manager *m);
void payload_forget(Manager *m, const char *job, uint64_t run);

/* A run that is not over. */
const RunRecord *run_record(const LiveRun *run) _pure_;
Job *run_job(const LiveRun *run) _pure_;
JobDef *run_def(const LiveRun *run) _pure_;
RunPayload *run_payload(const LiveRun *run, const TriggerOps *kind) _pure_; /* NULL: it has none of this kind */
/* What it was given was not dealt with: another run is to be given it. */
bool run_returns_payload(const LiveRun *run) _pure_;
/* It has failed, and another try was found that is not this daemon's: that has what this one was given. */
bool run_was_retried(const LiveRun *run) _pure_;
/* The runs of a job in the order in which they came; after NULL: the first. */
LiveRun *runs_next(const Job *job, const LiveRun *after) _pure_;

/* A point in time, of CLOCK_BOOTTIME, at which something is to be done; the first member of what it is about. */
typedef struct Deadline Deadline;
struct Deadline {
        void (*due)(Manager *m, Deadline *d);
        uint32_t position; /* in Deadlines.heap; HEAP_NONE to begin with */
};

/* Sets, moves or (USEC_INFINITY) takes back. */
void deadline_set(Manager *m, Deadline *d, usec_t at_boottime);

/* A condition in use (core/conditions.c), part of what it is for. */
typedef struct ConditionWatch ConditionWatch;
typedef struct ConditionUse ConditionUse;
struct ConditionWatch {
        /* truth is another one. From the loop, after the truth of all conditions was found; never from within a
         * function below; may call condition_watch_stop() for any of them. */
        void (*changed)(ConditionWatch *w);
        Truth truth;

        /* The rest is for conditions.c. */
        Manager *manager;           /* NULL: not in use */
        const Condition *condition; /* borrowed until condition_watch_stop() */
        ConditionUse *uses;         /* of its tests */
        Reading *readings;          /* the same */
        bool is_stale, has_news;    /* readings have changed; changed() is to be called */
        TAILQ_ENTRY(ConditionWatch) stale, news;
};

/* Asks for what the condition is about, again after at most sample_max where nobody tells. It is unknown at first.
 * -ENOMEM, and errors of probes_new(). */
int condition_watch_start(ConditionWatch *w, Manager *m, const Condition *condition, usec_t sample_max);
void condition_watch_stop(ConditionWatch *w); /* may not be in use */
/* As they are in this turn, for which nothing is asked. NULL: not in use. */
const Reading *condition_watch_readings(ConditionWatch *w);
/* "load1 is 3.2 and not < 2", "ac-power: no", "unit *.service is failed: yes (a.service)", "load1 is unknown: REASON"
 * about the test that decides, without a full stop; of NULL, that nothing is known. Fills buf, returns it. */
#define CONDITION_TELL_MAX 512
const char *condition_tell(char buf[static CONDITION_TELL_MAX], const Condition *c, const Reading *readings);
