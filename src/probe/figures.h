#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Figures that the kernel keeps in a small file: load, memory, swap, open files, processes. */

#include "probe/kind.h"

extern const ProbeKind load1_kind, load5_kind, load15_kind, memory_available_kind, swap_free_kind, fd_free_kind,
        pids_free_kind;
