#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where job files and settings lie (DESIGN section 2), for the verbs that read them themselves. */

#include <stdbool.h>

/* The folders of job files, first one wins; NULL-terminated, the caller frees it with strv_free(). */
char **places_job_dirs(bool user);

/* The path of vaktd.conf; the caller frees it. */
char *places_settings(bool user);

/* The folder of the runtime files of the user instance or of the system; the caller frees it. */
char *places_runtime_dir(bool user);
