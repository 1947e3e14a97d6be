#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A service manager that runs nothing: what is started ends at a time and with a result that a random number says. It
 * outlives the daemons that use it, as the real one does, and holds them to the rules of executor.h: nothing is
 * started twice, nothing is released before its end is written. It is what unit_executor_new() makes in a program that
 * wraps that. Uses fake-clock.h. */

#include "exec/executor.h"

/* What it asks the test, and tells it. */
typedef struct FakeWorld {
        uint64_t (*random)(uint64_t below);
        bool (*is_dead)(void); /* the daemon is: what it still does has no effect */
        void (*began)(uint64_t id, const ExecutionRequest *request);
        void (*put_back)(uint64_t id);
        void (*reported)(uint64_t id, RunResult result); /* the daemon is about to hear of the end */
        void (*released)(uint64_t id);                   /* the daemon says that it is written */
        /* The next two may be NULL. */
        void (*adopted)(const ExecutionRequest *request);
        void (*stopped)(uint64_t id, RunResult result);
        bool is_mute; /* it does not say what it has */
} FakeWorld;
extern FakeWorld fake_world;

/* The machine goes down, and with it all that runs. */
void fake_world_down(void);
/* There is a unit of a run that a daemon has forgotten. */
void fake_world_add(const char *job, uint64_t id);
/* A run's unit is gone, and nobody hears of it: the test reports its end itself. */
void fake_world_forget(uint64_t id);
/* It is about to go down and puts back what is started, or stays up after all. */
void fake_world_hold(bool hold);
unsigned fake_world_n_units(void);
/* Of the job, that are not over. */
unsigned fake_world_n_running(const char *job);
