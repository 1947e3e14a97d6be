#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Section [Timer] of a job file: its keys, and the end of it. */

#include "config/job-builder.h"

/* The rows of [Timer]. */
extern const KeyRow timer_rows[];
extern const size_t n_timer_rows;

/* Parses what waited for the zone, and validates the section as a whole. Problems go to their lines. 0 or -ENOMEM. */
int timer_finish(Builder *b);

void timer_lines_done(TimerLines *lines);
