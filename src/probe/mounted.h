#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Is something mounted on a directory? */

#include "probe/kind.h"

extern const ProbeKind mounted_kind;
