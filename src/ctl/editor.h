#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The editor of the user. */

/* Runs it on a file, at a line if it is an editor that takes one (0: anywhere), and waits for its end. Returns
 * CTL_DONE, or CTL_FAILED after a message. */
int editor_run(const char *path, unsigned line);
