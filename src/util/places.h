#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The default locations of the files of an instance of vaktd (vaktd(8), "FILES"), on which the daemon and vaktctl have
 * to agree.
 *
 * Each function returns 0, -ENOMEM, or -ENXIO if the home directory of a user is not known; the caller frees the
 * result. */

#include "util/macro.h"

/* The directories of job files, in order of precedence; NULL-terminated, for strv_free(). */
int places_job_dirs(bool user, char ***ret);

/* The path of vaktd.conf. */
int places_settings(bool user, char **ret);

/* The directory of the persistent state. */
int places_state_dir(bool user, char **ret);

#define PLACES_ONCE "once.d" /* in it: the files of jobs that run once */

/* The path of the control socket. */
int places_socket(bool user, char **ret);

/* What to say to -ENXIO. */
#define PLACES_NO_HOME "The home directory is not known. Set HOME, or XDG_CONFIG_HOME and XDG_STATE_HOME."
