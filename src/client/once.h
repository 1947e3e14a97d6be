#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Jobs that run once. Functions with a reterr fail like connection_call(). */

#include "client/connection.h"

/* Creates one. name: "" if the daemon is to find one; at: µs of CLOCK_REALTIME, 0: as soon as its conditions allow;
 * text: its job file without that time. The caller frees *ret_name; *ret_next is when it elapses. */
int once_create(Connection *c, const char *name, usec_t at, const char *text, sd_bus_error *reterr, char **ret_name,
                usec_t *ret_next);

/* Removes one that has not begun to run. */
int once_remove(Connection *c, const char *name, sd_bus_error *reterr);

/* Whether a job whose file has this path is one. */
bool once_is_file(const char *path) _pure_;
