#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a run leads to when it has ended, and an alarm. */

#include "core/manager.h"

void follow_up(Manager *m, LiveRun *run);
/* It would be tried again, should it fail. */
bool wants_another_try(const LiveRun *run) _pure_;
void follow_up_alarm(Manager *m, const Job *job, const LedgerAlarm *alarm); /* OnAlarm= */
