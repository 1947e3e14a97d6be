#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* pressure RESOURCE some|full: the share of the last ten seconds for which tasks stood still for want of a resource.
 * The kernel tells when it rises. */

#include "probe/kind.h"

extern const ProbeKind pressure_kind;
