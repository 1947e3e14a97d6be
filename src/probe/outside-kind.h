#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What vakt-probe is asked: files, file systems, certificates, programs and the journal. */

#include "probe/kind.h"

extern const ProbeKind outside_kind;
