#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One pipe that a run writes to, read line by line on the loop. */

#include <systemd/sd-event.h>

#include "util/macro.h"

#define OUTPUT_LINE_MAX 49152 /* bytes, as the journal's LineMax=; a longer line arrives in pieces of this size */

typedef void (*output_line_t)(void *userdata, const char *line, size_t n, bool is_stderr);

typedef struct Output Output;

/* Makes the pipe; the run's end is given out (O_CLOEXEC, the caller's to close). */
int output_new(Output **ret, int *ret_write_fd, sd_event *event, bool is_stderr, output_line_t line, void *userdata);

/* Takes what is in the pipe now, and the last unfinished line; then closes. */
void output_finish(Output *o);

Output *output_free(Output *o);
DEFINE_CLEANUP(Output, output_free)
