#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Conditions in use; core/trigger.h has the functions for one. */

#include "core/trigger.h"

int conditions_init(Manager *m);
/* None is in use any more. */
void conditions_done(Manager *m);
/* A run of the job begins, which is told to nobody else yet. */
void conditions_job_changed(Manager *m, const Job *job);
