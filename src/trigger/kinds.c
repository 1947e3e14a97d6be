/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* All kinds of triggers; a further one is a file of its own and a line here. */

#include "trigger/kinds.h"

extern const TriggerOps timer_trigger_ops, path_trigger_ops, monitor_trigger_ops, rotate_trigger_ops;

const TriggerOps *const trigger_kinds[] = { &timer_trigger_ops, &path_trigger_ops, &monitor_trigger_ops,
                                            &rotate_trigger_ops, NULL };
