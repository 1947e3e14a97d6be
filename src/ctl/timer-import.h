#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Timer units as job files that start the same units. */

#include "ctl/import.h"

/* Makes the job of a timer unit, which is read with its drop-ins from where the service manager reads it, or from
 * $SYSTEMD_UNIT_PATH. name is "fstrim.timer" or "fstrim". 0, or a negative errno. */
int timer_import(Import *i, const char *name, bool user);

/* The names of the timers that are enabled, sorted. The caller frees them. */
char **timer_import_list(bool user);
