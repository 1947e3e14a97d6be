#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* unit NAME is STATE, failed-units: as the service manager tells. */

#include "probe/kind.h"

extern const ProbeKind unit_kind, failed_units_kind;
