#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* online: there is a default route over a link that works. listening tcp|udp|unix ADDRESS: a socket waits there. */

#include "probe/kind.h"

extern const ProbeKind online_kind, listening_kind;
