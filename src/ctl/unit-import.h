#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Timer and path units as job files that start the same units. */

#include "ctl/import.h"

typedef enum UnitKind {
        UNIT_TIMER,
        UNIT_PATH,
        _UNIT_KIND_MAX,
} UnitKind;

/* Makes the job of a unit, which is read with its drop-ins from where the service manager reads it, or from
 * $SYSTEMD_UNIT_PATH. name is "fstrim.timer" or "fstrim". 0, or a negative errno. */
int unit_import(Import *i, UnitKind kind, const char *name, bool user);

/* By the end of the name. */
UnitKind unit_import_kind(const char *name) _pure_;

/* The names of those that are enabled, sorted. The caller frees them. */
char **unit_import_list(UnitKind kind, bool user);
