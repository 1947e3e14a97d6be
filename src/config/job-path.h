#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Section [Path] of a job file: its keys, and the end of it. */

#include "config/job-builder.h"

/* The rows of [Path], whose fields are in a PathDef. */
extern const KeyRow path_rows[];
extern const size_t n_path_rows;

/* Validates the section as a whole and completes it. Problems go to their lines. 0 or -ENOMEM. */
int path_finish(Builder *b);

void path_lines_done(PathLines *lines);
