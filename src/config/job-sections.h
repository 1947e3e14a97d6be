#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The sections of a job file but [Service]: their keys, and the end of each. Problems go to their lines; the functions
 * return 0 or -ENOMEM. */

#include "config/job-builder.h"

/* --- job-run.c --- */

/* Parsers (KeyParse) for the table of keys. The field is the one of the definition, where the row has one. */
int run_parse_chain(const KeyLine *k, void *field);
int run_parse_unit(const KeyLine *k, void *field);
int run_parse_pool(const KeyLine *k, void *field);
int run_parse_priority(const KeyLine *k, void *field);
int run_parse_factor(const KeyLine *k, void *field);
int run_parse_success(const KeyLine *k, void *field);

/* Hands the requests of OnSuccess= and so on to the context, if it wants them. 0 or -ENOMEM. */
int run_finish_chains(Builder *b);
int run_finish_runner(Builder *b); /* validates what does not go with Runner=warm */

/* --- job-timer.c --- */

/* The rows of [Timer]. */
extern const KeyRow timer_rows[];
extern const size_t n_timer_rows;

/* Parses what waited for the zone, and validates the section as a whole. Problems go to their lines. 0 or -ENOMEM. */
int timer_finish(Builder *b);

void timer_lines_done(TimerLines *lines);

/* --- job-path.c --- */

/* The rows of [Path], whose fields are in a PathDef. */
extern const KeyRow path_rows[];
extern const size_t n_path_rows;

/* Validates the section as a whole and completes it. Problems go to their lines. 0 or -ENOMEM. */
int path_finish(Builder *b);

void path_lines_done(PathLines *lines);

/* Takes the value as an absolute path, or a pattern of one, made tidy. Returns 1, or 0 after a problem, with the path
 * as it is written. */
int path_read(const KeyLine *k, bool is_pattern, char **ret);

int path_parse_pattern(const KeyLine *k, void *field); /* KeyParse: a pattern of Exclude=, into a char ** */

/* --- job-monitor.c --- */

/* The rows of [Monitor], whose fields are in a JobDef. */
extern const KeyRow monitor_rows[];
extern const size_t n_monitor_rows;

/* Parses one line of a condition (KeyParse); the field is a Condition *, which each line narrows. */
int wait_parse_condition(const KeyLine *k, void *field);

/* Where something of [Monitor] was set; NULL: nothing was. */
const Place *monitor_place(const Builder *b) _pure_;

/* Validates what only the whole section can tell, and completes it. 0 or -ENOMEM. */
int monitor_finish(Builder *b);

/* --- job-upkeep.c --- */

/* The rows of [Rotate] and [Clean], whose fields are in a RotateDef and a CleanDef. */
extern const KeyRow rotate_rows[], clean_rows[];
extern const size_t n_rotate_rows, n_clean_rows;

/* Validates the sections as a whole; one that is not there is dropped from the definition. 0 or -ENOMEM. */
int upkeep_finish(Builder *b);

/* Makes the command of a job that has one of the sections, once the rest of the job is known. 0 or -ENOMEM. */
int upkeep_put_command(Builder *b);
