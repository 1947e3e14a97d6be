#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Telling the program that writes a log that it was rotated, and what the administrator wants to run around that. */

#include "job/upkeep-def.h"

/* ReloadUnit=: asks the service manager to reload the unit, and waits for the result. Signal=: sends it to the main
 * process. A unit that is not running needs neither. Returns 0 or a negative errno with a reason. */
int writer_tell(const RotateDef *def, char **reterr);

/* Runs lines of the shell; the logs are its arguments, "$@". Of very many logs, several times with some of them. Never
 * with anything but our own rights: the script is part of the job file. -EREMOTEIO: it failed. */
int writer_run_script(const char *script, char *const *logs, char **reterr);
