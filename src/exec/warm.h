#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The part of the unit executor that is for jobs with Runner=warm: their runs are forked by vakt-runner, the main
 * process of a unit that stays, and what of a run would be a unit is an entry of a table there. See
 * exec/runner-protocol.h. warm.c: runs; warm-runner.c: a runner, from its start to its end; warm-talk.c: messages;
 * warm-unit.c: what a runner is made of. */

#include <sys/queue.h>

#include "exec/executor.h"
#include "exec/unit-table.h"

typedef struct UnitExecutor UnitExecutor;
typedef struct Runner Runner;
typedef struct WarmRun WarmRun;
TAILQ_HEAD(RunnerList, Runner);
TAILQ_HEAD(WarmQueue, WarmRun);

/* What the executor knows of all runners. */
typedef struct WarmRunners {
        char *path;             /* of their directory, or NULL: there is none */
        int directory;          /* opened when it is needed first */
        UnitTable by_job;       /* all of them */
        struct RunnerList told; /* who has ended runs that are not acknowledged */
        struct WarmQueue over;  /* runs that are to be reported, in their order */
        sd_event_source *over_source;
        uint64_t last_number; /* the highest that any of them has */
        char *message;        /* of RUNNER_MESSAGE_MAX bytes, that is read */
        uint64_t *strangers;  /* of the list that is read, which have not ended */
        size_t n_strangers;
        bool is_swept;
} WarmRunners;

int warm_init(UnitExecutor *e, const char *runtime_dir);
void warm_done(UnitExecutor *e); /* the runners stay */

bool warm_is_wanted(const JobDef *def) _pure_;
/* The unit of the runner that takes a run; start() comes soon. -ENOMEM. */
int warm_name_unit(UnitExecutor *e, const JobDef *def, const RunRecord *run, char **ret);
/* As those of the executor, for runs with such a unit. */
int warm_start(UnitExecutor *e, const ExecutionRequest *request, void *cookie, Execution **ret);
int warm_adopt(UnitExecutor *e, const ExecutionRequest *request, void *cookie, Execution **ret);
void warm_acknowledge(UnitExecutor *e);

void warm_put_waiting_back(UnitExecutor *e);        /* no more runs are begun */
bool warm_is_drained(const UnitExecutor *e) _pure_; /* nothing is about to be reported */

/* The service manager has a unit with the name of a runner that is not known here. */
void warm_stranger_listed(UnitExecutor *e, const char *unit, const char *job, uint64_t number, bool is_over,
                          bool is_failed);
void warm_sweep(UnitExecutor *e); /* all units are known: removes files that belong to none of them */
