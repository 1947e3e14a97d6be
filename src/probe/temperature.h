#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* temperature ZONE: a thermal zone by number or type, or a sensor of hwmon by its label. */

#include "probe/kind.h"

extern const ProbeKind temperature_kind;
