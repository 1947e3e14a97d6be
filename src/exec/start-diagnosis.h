#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Why a run could not be started, from a look at its files: the service manager reports the step that failed, but
 * neither the errno nor, of several paths, which one. What may have been different when it looked at the same files,
 * or for the user of the run, remains unknown, and so does what is on a file system that may not answer. */

#include "job/job-def.h"

#define DIAGNOSIS_MAX 320

/* What is wrong with a program, in words that begin with its path: "/etc/hosts: Permission denied", "/srv/run: its
 * interpreter /no/such: No such file or directory". is_ours: it is executed with our identity, and not by a user who
 * may have put something there that only we can read. Returns the errno; 0: nothing that can be seen. */
int diagnose_program(const char *path, bool is_ours, char ret[static DIAGNOSIS_MAX]);

/* The same for a process that could not execute it, and got this errno, in any case in some words. */
void describe_exec_failure(const char *path, int error, char ret[static DIAGNOSIS_MAX]);

/* The same of the first program, or of the first path in these settings (names as in UnitProperty; NULL-terminated),
 * which is named with its setting if different ones are asked for: "BindPaths=/no/such: No such file or directory". */
int diagnose_programs(const JobDef *def, char ret[static DIAGNOSIS_MAX]);
int diagnose_paths(const JobDef *def, const char *const *settings, char ret[static DIAGNOSIS_MAX]);

/* Why we cannot read a file: an errno; 0: nothing that can be seen. */
int diagnose_file(const char *path);
