#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The limit on open files. The daemon wants many; a run gets what the daemon was started with, since programs that use
 * select(2) break past 1,024. */

/* Raises our soft limit to the hard one. The first call remembers what it was. */
void nofile_limit_raise(void);

/* Puts back what it was, for the moment in which a child is made. */
void nofile_limit_restore(void);
