#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Scripts of logrotate(8). */

#include <stdio.h>

#include "util/macro.h"

/* What a script does that only lets a unit reopen its logs. */
typedef struct LogrotateReload {
        char *unit;   /* the caller frees it; NULL: the script does something else */
        char *signal; /* the same; NULL: the unit is reloaded */
} LogrotateReload;

/* Whether a script is "systemctl reload X", "systemctl kill -s HUP X", "service X reload", "invoke-rc.d X reload" or
 * "/etc/init.d/X reload". */
void logrotate_script_read(const char *script, LogrotateReload *ret);

/* Writes the lines of a script, each as a line of a key. False if they lose something: a here-document is
 * indented, or a line ends with several backslashes. */
bool logrotate_script_put(FILE *f, const char *key, const char *script);

/* Whether the script uses its argument number n, "1" or "2", or all of them. */
bool logrotate_script_uses(const char *script, char n) _pure_;
