#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What people say about a job beside its file. */

#include "core/manager.h"

int pauses_init(Manager *m);
void pauses_start(Manager *m); /* jobs were loaded: waits for the end of the pauses that came with them */
/* Gives a job what was said about it before: paused, how long, what to skip. */
void pauses_load(Manager *m, Job *job);
void pauses_load_all(Manager *m);
/* The ledger can be read again: takes what stands there for all jobs. */
void pauses_reload(Manager *m);
