#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* ac-power: the machine does not run on a battery. */

#include "probe/kind.h"

extern const ProbeKind ac_power_kind;
