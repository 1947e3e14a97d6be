#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What files of systemd, cron and incron have, and what a job file has instead. */

#include "config/key-table.h"

/* What to write instead of a key, or of a "[section]", that the section does not have: goes on after its name.
 * row: a row of that name in another section; NULL: there is none. NULL: no advice. */
const char *replacement_find(const KeyRow *row, const char *name);
