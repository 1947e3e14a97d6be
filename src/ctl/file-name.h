#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names of files as users write them and as they are shown. */

/* An absolute path: name itself, or name below directory, without ".", ".." and redundant slashes. ".." removes the
 * name before it, as cd does in a shell, regardless of what is on disk. The caller frees it. */
char *file_name_absolute(const char *directory, const char *name);

/* The same below the working directory, by the name that the shell gave it. NULL, with errno, if that is gone. */
char *file_name_from_argument(const char *name);
