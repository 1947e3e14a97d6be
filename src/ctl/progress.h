#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The progress of runs that report it in their status text: STATUS=42% of …, as sd_notify(3) sends it. */

#include "util/macro.h"

#define PROGRESS_BAR_MAX 64 /* columns */

/* The first percentage in a status text, 0 to 100 (more counts as 100), or that of "3/10"; -1: there is none. */
int progress_parse(const char *status) _pure_;

/* A bar of so many columns, at most PROGRESS_BAR_MAX; blocks: of block elements of Unicode. The caller frees it. */
char *progress_bar(int percent, size_t columns, bool blocks);
