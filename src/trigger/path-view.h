#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What path triggers know, for people: as the functions of TriggerOps. */

#include "trigger/path-job.h"

int path_view_explain(Trigger *base, const Job *job, const char *file, size_t n, ExplainVisit visit, void *userdata);
int path_view_list(Trigger *base, const Job *job, TriggerVisit visit, void *userdata);
int path_view_count(Trigger *base, const Job *job, CounterVisit visit, void *userdata);
int path_view_plan(Trigger *base, const Job *job, PlanVisit visit, void *userdata, uint64_t *ret_most);
