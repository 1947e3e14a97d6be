#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the parts of the unit executor share: exec-unit.c (runs come in and go out), unit-calls.c (what is asked of the
 * service manager), unit-state.c (states), unit-follow.c (what it says), unit-resync.c (comparing), unit-release.c
 * (letting units go), unit-strangers.c (unknown units), unit-shutdown.c (when the machine, or we, go down),
 * unit-bounds.c (how long runs may take). */

#include <sys/queue.h>

#include "exec/exec-unit.h"
#include "exec/files-directory.h"
#include "systemd/unit-connection.h"
#include "systemd/unit-facts.h"
#include "exec/unit-message.h"
#include "systemd/unit-name.h"
#include "exec/unit-outcome.h"
#include "exec/unit-table.h"
#include "exec/warm.h"

typedef struct Caller Caller;

/* In the order in which they are sent when several wait: what ends a run goes before what begins one. */
typedef enum CallKind {
        CALL_NONE,
        CALL_STOP,     /* of a run */
        CALL_KILL,     /* of what does not stop */
        CALL_IDENTIFY, /* of an unknown unit */
        CALL_LOOK,     /* at all properties of its unit */
        CALL_ASK,      /* for a figure, once it is over */
        CALL_RELEASE,  /* of its unit */
        CALL_START,
        _CALL_KIND_MAX,
} CallKind;

/* Somebody with a unit who makes one call at a time. */
struct Caller {
        UnitNode node;
        UnitExecutor *executor;
        unsigned wanted;   /* calls that are to be made after that, a bit each */
        CallKind call;     /* that waits in its queue, or is under way */
        sd_bus_slot *slot; /* while it is under way */
        TAILQ_ENTRY(Caller) queue;
};
TAILQ_HEAD(CallerQueue, Caller);

typedef enum ExecutionState {
        EXECUTION_WAITING,  /* its start was not sent */
        EXECUTION_SENT,     /* it was, and is not answered */
        EXECUTION_UNSURE,   /* whether it was started has to be seen */
        EXECUTION_STARTING, /* of an existing unit: the job that starts it goes on */
        EXECUTION_FOLLOWED, /* its unit is there */
        EXECUTION_REFUSED,  /* its start would cancel other jobs: whether the machine goes down is asked */
        EXECUTION_ENDING,   /* it is over, some figures are asked for */
        EXECUTION_OVER,     /* to be reported */
        EXECUTION_PUT_BACK, /* the same, as one that was not started */
        _EXECUTION_STATE_MAX,
} ExecutionState;

typedef struct UnitExecution {
        Execution base;
        Caller caller;
        const ExecutorCallbacks *callbacks; /* those of the executor, or of the runner that is its unit */
        void *cookie;
        JobDef *def;       /* NULL = not known */
        StartOrder *order; /* until the start is sure; NULL = it is not to be started (again) */
        uint64_t list_run; /* its number, when it has a file with paths, else 0 */
        ExecutionState state;
        unsigned tries; /* starts that were sent */
        RunResult stop_result;
        uint64_t sent, seen; /* number of the last comparison then: when it came in, when its unit was there */
        usec_t since;        /* of an existing unit: when it was asked for, realtime */
        sd_id128_t expected; /* of an existing unit that is adopted, or null */
        usec_t bound;        /* µs for the whole run */
        sd_event_source *timeout, *stop_timeout;
        char bound_step[UNIT_RESULT_MAX]; /* of its end, that stop_timeout is for */
        UnitFacts facts;
        uint32_t start_job;
        StartResult start;
        unsigned n_unanswered;
        unsigned questions; /* that are still to be asked, a bit each */
        pid_t told_pid;     /* by started(); -1 = it was not called yet */
        sd_id128_t told_invocation;
        RunResult verdict; /* what is reported when the facts do not tell; none = they do */
        int verdict_code;
        char *verdict_reason;
        bool existing; /* Unit=: not a unit of ours */
        bool adopted;
        bool was_stopping; /* before it was adopted */
        bool stop_looked;  /* its unit, for how long its end may take */
        bool stopped_elsewhere;
        bool shutting_down;
        bool perhaps_started; /* a start of it was lost on its way */
        bool cut_short;       /* some of its commands were not run */
        bool has_first_half;  /* of a change */
} UnitExecution;

/* The unit of a run that was reported, kept until the ledger has it. */
typedef struct Release {
        Caller caller;
        uint64_t list_run; /* its number, when it has a file with paths, else 0 */
        bool is_failed;
        bool is_acknowledged;
        TAILQ_ENTRY(Release) unacknowledged;
} Release;
TAILQ_HEAD(ReleaseQueue, Release);

struct UnitExecutor {
        Executor base;
        sd_event *event;
        bool user_instance;
        WarmRunners warm;
        ExecutorCallbacks callbacks;
        void *userdata;
        StartContext start;
        FilesDirectory *directory;
        UnitConnection *connection;
        bool is_open;
        bool is_proved;      /* the manager has answered since */
        bool reloading;      /* the manager reads its files, units come and go */
        bool no_memory_peak; /* it does not know such a thing */
        bool said_full;
        bool is_held;     /* the machine goes down */
        bool is_draining; /* we do */
        bool has_drained;
        sd_bus_slot *state_slot; /* it is asked whether that is still so */
        sd_event_source *drained_source;
        UnitTable executions, releases, strangers;
        struct CallerQueue queues[_CALL_KIND_MAX];
        unsigned n_calls;      /* under way */
        unsigned n_starts;     /* of them */
        unsigned n_starts_due; /* how many more go before all of these are answered */
        struct ReleaseQueue unacknowledged;
        size_t n_unacknowledged;
        struct CallerQueue over; /* or put back, in the order in which they ended */
        sd_event_source *over_source;
        sd_event_source *compare_timer;
        sd_bus_slot *list_slot; /* of the comparison that is under way */
        bool compare_again;
        uint64_t comparison; /* number of the last one that was sent */
};

static inline UnitExecution *execution_of(Caller *c) {
        return (UnitExecution *)(void *)((char *)c - offsetof(UnitExecution, caller));
}
static inline Caller *caller_of(UnitNode *node) { /* its first member */
        return (Caller *)node;
}
static inline bool execution_has_unit(const UnitExecution *x) {
        return x->state == EXECUTION_STARTING || x->state == EXECUTION_FOLLOWED;
}
static inline bool execution_is_done(const UnitExecution *x) { /* it is over, or put back */
        return x->state >= EXECUTION_OVER;
}
static inline void execution_want(UnitExecution *x, CallKind kind) {
        x->caller.wanted |= 1U << kind;
}

/* unit-calls.c */
void caller_call(Caller *c, CallKind kind);           /* puts it into its queue */
void caller_cancel(Caller *c);                        /* takes it out, or drops the answer */
void calls_pump(UnitExecutor *e);                     /* sends what may be sent */
void calls_interrupted(UnitExecutor *e);              /* the connection is gone */
bool error_is_unsure(const sd_bus_error *error);      /* the call is to be made again, and was perhaps obeyed */
bool error_is_undelivered(const sd_bus_error *error); /* of those: it was surely not obeyed */

/* unit-state.c */
void execution_set_state(UnitExecution *x, ExecutionState state);
const char *execution_state_to_string(ExecutionState state);
const char *execution_transition_to_string(ExecutionState from, ExecutionState to); /* NULL: there is none */

/* The unit of a runner (warm.h) instead of that of a run. */
typedef struct UnitOwner {
        const ExecutorCallbacks *callbacks; /* of which held() and those after it are not called */
        int listener;                       /* its standard input; stays the caller's, until the unit is there */
} UnitOwner;

/* exec-unit.c */
/* As start() and adopt() of an executor; owner NULL: of a run. */
int unit_execution_start(UnitExecutor *e, const ExecutionRequest *request, const UnitOwner *owner, void *cookie,
                         UnitExecution **ret);
int unit_execution_adopt(UnitExecutor *e, const ExecutionRequest *request, const UnitOwner *owner, void *cookie,
                         UnitExecution **ret);
void execution_next(UnitExecution *x); /* makes the call that its state asks for */
/* over, whatever the facts say */
void execution_conclude(UnitExecution *x, RunResult result, int code, const char *reason);
void execution_set_verdict(UnitExecution *x, RunResult result, int code, const char *reason);

/* What each kind of call is made of. build: 0 or negative errno. answered: m is the answer, may be an error; the
 * caller makes no call any more by then. */
int execution_build_start(Caller *c, sd_bus_message **ret);
void execution_start_answered(Caller *c, sd_bus_message *m);
int execution_build_stop(Caller *c, sd_bus_message **ret);
void execution_stop_answered(Caller *c, sd_bus_message *m);

/* unit-bounds.c */
int execution_bound_existing(UnitExecution *x, usec_t timeout, usec_t passed);
void execution_keep_bounds(UnitExecution *x); /* the facts are new */
int execution_build_kill(Caller *c, sd_bus_message **ret);
void execution_kill_answered(Caller *c, sd_bus_message *m);

/* unit-follow.c */
int execution_build_look(Caller *c, sd_bus_message **ret);
/* Asks for a property of the unit, or (NULL) for all of an interface. */
int caller_build_get(Caller *c, sd_bus_message **ret, const char *interface, const char *property);
void execution_look_answered(Caller *c, sd_bus_message *m);
int execution_build_question(Caller *c, sd_bus_message **ret);
void execution_question_answered(Caller *c, sd_bus_message *m);
bool execution_is_over(const UnitExecution *x);
void execution_end(UnitExecution *x); /* asks what is left to be known, then it is over */
/* The same where there is a verdict, and only the reason may be another. */
void execution_end_with_verdict(UnitExecution *x, ExecutionState state);
void execution_tell_started(UnitExecution *x);
extern const UnitConnectionHandler unit_connection_handler;

/* unit-resync.c */
void executor_compare(UnitExecutor *e);
void execution_absent(UnitExecution *x); /* its unit is not there */
int executor_add_compare_timer(UnitExecutor *e);
void executor_keep_comparing(UnitExecutor *e); /* once a minute, while something runs */

/* unit-shutdown.c */
int executor_add_drained_source(UnitExecutor *e);
void executor_hold(UnitExecutor *e);
void executor_ask_whether_held(UnitExecutor *e);
void executor_note_drained(UnitExecutor *e); /* when the last thing to wait for may be over */
bool unit_drain(Executor *base);
bool execution_is_unstarted(const UnitExecution *x); /* it is over, and was never begun */

/* unit-strangers.c */
int stranger_build(Caller *c, sd_bus_message **ret);
void stranger_answered(Caller *c, sd_bus_message *m);
/* Tells core what the unit is for, soon. */
void stranger_ask(UnitExecutor *e, const char *unit, const char *job, uint64_t run, bool is_over);
void strangers_note_surveyed(UnitExecutor *e); /* when the last of a list may be known */
void strangers_forget(UnitExecutor *e);

/* unit-release.c */
int release_build(Caller *c, sd_bus_message **ret);
void release_answered(Caller *c, sd_bus_message *m);
/* Until it is settled; the file of list_run, if that is not 0, too. False: it is not kept. */
bool release_keep(UnitExecutor *e, const char *unit, bool is_failed, uint64_t list_run);
void release_at_once(UnitExecutor *e, const char *unit, bool is_failed); /* because it is not needed */
void releases_acknowledged(UnitExecutor *e);
void releases_forget(UnitExecutor *e);
