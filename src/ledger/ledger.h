#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What happened and what must be remembered. This version keeps the records in memory, bounded, and only the counter
 * of run ids and the boot on disk; the interface is the one that a database fills. DESIGN sections 3 and 8. */

#include <stdbool.h>

#include "job/run.h"

#define LEDGER_RUNS_MAX 10000 /* records kept; the oldest one goes first */

typedef struct Ledger Ledger;

/* state_dir must exist. What cannot be written there is logged and done without: the daemon goes on. -ENOMEM. */
int ledger_open(Ledger **ret, const char *state_dir);
Ledger *ledger_close(Ledger *l);
DEFINE_CLEANUP(Ledger, ledger_close)

/* Gives record its id and remembers it. -ENOMEM: nothing was remembered. */
int ledger_add(Ledger *l, RunRecord *record);

/* Writes what is known of a run now over what was remembered. A run that is not remembered any more is none: 0. */
int ledger_update(Ledger *l, const RunRecord *record);

/* Valid until the next call that changes the ledger; NULL when not remembered. */
const RunRecord *ledger_get(const Ledger *l, uint64_t id);

/* Highest id first: ids below before (0 = all), of job (NULL = all), at most limit. A visit that returns nonzero ends
 * the walk; its value is returned. */
int ledger_list(const Ledger *l, const char *job, uint64_t before, unsigned limit,
                int (*visit)(const RunRecord *r, void *userdata), void *userdata);

/* True when this is the first ledger_open() of this boot of the machine. */
bool ledger_is_first_of_boot(const Ledger *l) _pure_;
