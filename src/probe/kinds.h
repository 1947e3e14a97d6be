#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table of kinds. */

#include "probe/kind.h"

/* NULL: others answer it, or nobody can yet. */
const ProbeKind *probe_kind_get(ConditionKind kind) _const_;
