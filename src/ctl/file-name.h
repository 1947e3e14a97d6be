#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names of files as people give them and as they are shown. */

/* An absolute path: name itself, or name below directory, without ".", ".." and slashes too many. ".." takes the name
 * before it away, as cd does in a shell, whatever is on disk. The caller frees it. */
char *file_name_absolute(const char *directory, const char *name);

/* The same below the working directory, by the name that the shell gave it. NULL, with errno, when that is gone. */
char *file_name_from_argument(const char *name);
