#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The progress of a run on a terminal, for verbs that wait: one line, which the next one replaces. */

#include "client/run-view.h"
#include "ctl/ctl.h"

/* Whether anything is shown: standard output is a terminal that can rewrite a line, and nothing asks for less. */
bool progress_is_wanted(const Ctl *c);

/* The status text of a run with a bar before it, if it has a percentage and bars are wanted. The caller frees it. */
char *progress_text(const Ctl *c, const char *status);

/* Shows the progress of a run; nothing if it reports none. */
void progress_line_show(const Ctl *c, const RunView *v);

/* Removes the line, before anything else is printed. */
void progress_line_clear(void);
