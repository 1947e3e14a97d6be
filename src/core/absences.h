#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Jobs that are gone. */

#include "core/manager.h"

/* Forgets what is kept of jobs and triggers that are gone. */
void absences_look(Manager *m);
