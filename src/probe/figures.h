#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Figures that the kernel keeps in a small file: load, memory, swap, open files, processes. */

#include "probe/kind.h"

extern const ProbeKind figure_kind;
