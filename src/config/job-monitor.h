#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Section [Monitor], and WaitFor=. */

#include "config/job-builder.h"

/* The rows of [Monitor], whose fields are in a JobDef. */
extern const KeyRow monitor_rows[];
extern const size_t n_monitor_rows;

/* Parses one line of a condition (KeyParse); the field is a Condition *, which each line narrows. */
int wait_parse_condition(const KeyLine *k, void *field);

/* Where something of [Monitor] was set; NULL: nothing was. */
const Place *monitor_place(const Builder *b) _pure_;

/* Validates what only the whole section can tell, and completes it. 0 or -ENOMEM. */
int monitor_finish(Builder *b);
