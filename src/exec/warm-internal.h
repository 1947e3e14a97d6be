#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the files warm*.c share. */

#include "exec/exec-unit-internal.h"
#include "exec/runner-protocol.h"

#define RUNNER_STOP_USEC (90 * USEC_PER_SEC) /* as the service manager has it, where TimeoutStopSec= says nothing */

typedef enum WarmState {
        WARM_UNSURE,  /* of an earlier daemon: whether it was started is to be seen */
        WARM_WAITING, /* it was not sent */
        WARM_SENT,
        WARM_RUNNING,
        WARM_HELD, /* the runner was told to end, and has ended it: why is known when the unit is over */
        WARM_OVER, /* to be reported */
} WarmState;

/* What of a request is kept until it is sent. */
typedef struct WarmOrder {
        usec_t timeout; /* µs, USEC_INFINITY = none */
        uint32_t flags; /* RunnerRunFlags */
        int list;       /* fd, or -EBADF */
        uint32_t size;
        char variables[]; /* "NAME=value" with a NUL behind each */
} WarmOrder;

/* A run in a runner. */
struct WarmRun {
        Execution base;
        Runner *runner;
        void *cookie;
        JobDef *def; /* NULL = not known */
        uint64_t run;
        uint32_t entry; /* once it was sent */
        WarmState state;
        WarmOrder *order;
        RunResult stop_result; /* none = not told to stop by us */
        usec_t begun;          /* realtime µs: when it was written down as starting */
        usec_t deadline;       /* monotonic: it has ended by then, or the runner does not work */
        uint16_t told_command; /* by started() */
        bool is_told;
        pid_t untold;        /* over: it was started, too, and that is told with its end; or 0 */
        bool is_put_back;    /* over: it goes back to where it waited */
        bool may_start;      /* adopted: it was surely never started if the runner does not know it */
        ExecOutcome outcome; /* over */
        char *reason;        /* of outcome */
        TAILQ_ENTRY(WarmRun) of_runner, queue; /* queue: Runner.waiting or .stops, or WarmRunners.over */
        struct WarmQueue *in;                  /* or NULL */
};

typedef enum RunnerLife {
        RUNNER_NAMED, /* its unit was not asked for */
        RUNNER_ASKED,
        RUNNER_CONNECTED,
        RUNNER_BROKEN, /* there is no talking with it any more: its unit ends */
        RUNNER_OVER,   /* its unit has ended */
} RunnerLife;

/* An entry of the table, as we know it. */
typedef struct RunnerSlot {
        uint64_t run;       /* 0 = free */
        uint64_t last;      /* that was acknowledged here: what is on its way may still be of it */
        WarmRun *x;         /* NULL = it was reported */
        uint32_t next;      /* of those that are free, reported or to be acknowledged: its index + 1, or 0 */
        uint8_t state;      /* RunnerRunState that was heard last */
        bool is_from_table; /* which may be ahead of what is told */
} RunnerSlot;

struct Runner {
        UnitNode by_job; /* first; its name is the job's */
        UnitExecutor *executor;
        UnitExecution *execution; /* its unit, or NULL */
        char *unit;
        JobDef *def; /* NULL = adopted: what its unit was made of is not known */
        uint64_t number, n_started;
        RunnerLife life;
        int listener, fd;
        sd_event_source *source, *idle;
        usec_t idle_since; /* monotonic */
        sd_event_source *bound;
        usec_t bound_at; /* when that elapses, monotonic */
        usec_t greet_by; /* monotonic; USEC_INFINITY = it has, or was not asked */
        struct WarmQueue runs, waiting, stops;
        RunnerSlot *slots;
        size_t n_slots;
        uint32_t free, reported, acks; /* lists of slots: index + 1 of the first, or 0 */
        unsigned n_acks;
        unsigned n_active, n_promised, n_used;                   /* runs that are not over, or were named; slots */
        bool is_greeted, is_retired, is_told_to_exit, is_useful; /* useful: it has taken a run */
        const char *problem;                                     /* that we stopped it for, with its runs, or NULL */
        bool is_ended;                                           /* its unit is stopped by us */
        bool is_unheard;                                         /* we are short of what it takes to connect to it */
        bool in_told;
        TAILQ_ENTRY(Runner) told;
};

static inline Runner *runner_of(UnitNode *node) { /* its first member */
        return (Runner *)node;
}

/* warm.c */
void warm_run_end(WarmRun *x, const ExecOutcome *outcome, const char *reason); /* soon it is reported */
void warm_run_enqueue(WarmRun *x, struct WarmQueue *queue);                    /* NULL: in none */
void warm_run_never_started(WarmRun *x, const char *reason); /* reason: should that be a loss, or NULL */
WarmOrder *warm_order_free(WarmOrder *o);

/* warm-runner.c */
int runner_new(Runner **ret, UnitExecutor *e, const char *job, const char *unit, uint64_t number);
void runner_free(Runner *r);
int runner_launch(Runner *r);
int runner_adopt(Runner *r, const RunRecord *run);
void runner_retire(Runner *r);                     /* it gets no more runs */
void runner_break(Runner *r, const char *problem); /* NULL: it is gone */
void runner_note_idle(Runner *r);
void runner_bound(WarmRun *x, usec_t timeout); /* it ends within that time, or vaktd ends its runner */
void runner_bound_greeting(Runner *r);         /* it answers soon, if it has not yet, or vaktd ends it */
bool runner_free_if_done(Runner *r);           /* true: nothing needed it any more */
RunnerSlot *runner_take_slot(Runner *r, uint32_t i, uint64_t run, WarmRun *x); /* free before; NULL without memory */
void runner_tell_slot(Runner *r, uint32_t i); /* reported: it waits to be acknowledged */
void runner_acknowledge(Runner *r);

/* warm-talk.c */
int runner_connect(Runner *r);
void runner_flush(Runner *r); /* sends what waits */
/* It was started; unit: how the runner ended. */
void warm_run_lost(WarmRun *x, const ExecOutcome *unit);
/* Why what the runner did has no known end. */
const char *runner_loss(const Runner *r, const ExecOutcome *unit, char buffer[static UNIT_REASON_MAX]);
/* Takes what is there for reported; unit: how that ended, or NULL: it has not. -ENOMEM. */
int runner_read_table(Runner *r, const ExecOutcome *unit);

/* warm-unit.c */
int runner_def_new(JobDef **ret, const JobDef *def);
int runner_write_setup(const JobDef *def); /* an fd */
int runner_write_any_setup(const char *job);
int warm_open_directory(WarmRunners *w);
int runner_listen(const WarmRunners *w, uint64_t number);
int runner_open_table(const WarmRunners *w, uint64_t number, bool make);
int runner_connect_socket(const WarmRunners *w, uint64_t number);
int journal_connect(void);
void runner_remove_files(const WarmRunners *w, uint64_t number);
int memory_file_write(const char *name, const char *bytes, size_t n);
