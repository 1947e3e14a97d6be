#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The kinds of triggers that jobs may have, NULL-terminated (core/trigger.h). */

#include "core/trigger.h"

extern const TriggerOps *const trigger_kinds[];
