#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The blocks of vaktctl status. */

#include "ctl/ctl.h"
#include "ctl/json.h"

/* The first line: a coloured dot, the name, and a description. */
void status_print_head(const Ctl *c, Color color, const char *name, const char *description);

/* "     Label: text" */
void status_print_line(const Ctl *c, const char *label, Color color, const char *format, ...) _printf_(4, 5);

/* One run as a block, or appended to the array. Returns like ctl_call(). */
int status_run(Ctl *c, const char *number, json_object *array);
