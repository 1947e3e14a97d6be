#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* clock-synchronized: the clock of the machine is kept right by another one (adjtimex(2)). */

#include "probe/kind.h"

extern const ProbeKind clock_synchronized_kind;
