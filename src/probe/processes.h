#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* process NAME count: how many processes run under a name. */

#include "probe/kind.h"

extern const ProbeKind process_kind;
