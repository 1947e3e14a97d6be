#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The readers of vakt-probe: each answers one kind of question, and takes as long as that takes. */

#include <sys/stat.h>

#include "probe/path-answer.h"

/* Opens what an absolute path leads to, with O_PATH: nothing is mounted by it, no device and no FIFO is woken. The way
 * is walked name by name, and a symbolic link is followed only if nobody but root and ourselves can have made it or
 * replace it: otherwise others could choose what is asked about. Negative errno; what is to be said about all but
 * -ENOENT and -ENOTDIR is in *a then. */
int reader_open(const char *path, OutsideAnswer *a);

void read_path(const OutsideQuestion *q, OutsideAnswer *a); /* what path_answer() knows */
void read_entries(const OutsideQuestion *q, OutsideAnswer *a);
void read_cert_days(const OutsideQuestion *q, OutsideAnswer *a);
void read_journal_matches(const OutsideQuestion *q, OutsideAnswer *a);
void read_temperature(const OutsideQuestion *q, OutsideAnswer *a);

/* Executes the words of the subject with no streams, and ends what it leaves behind. It does not
 * return when nobody waits for the answer any more. */
void read_exec(const OutsideQuestion *q, OutsideAnswer *a);
