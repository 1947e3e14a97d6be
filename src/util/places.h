#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where an instance of vaktd has its files when nothing else is asked for (vaktd(8), "FILES"): what the daemon and
 * vaktctl have to agree on.
 *
 * Each returns 0, -ENOMEM, or -ENXIO where a user's home is not known; what is returned is the caller's to free. */

#include "util/macro.h"

/* The directories of job files, first one wins; NULL-terminated, for strv_free(). */
int places_job_dirs(bool user, char ***ret);

/* The path of vaktd.conf. */
int places_settings(bool user, char **ret);

/* The directory of what must be remembered. */
int places_state_dir(bool user, char **ret);

/* The path of the control socket. */
int places_socket(bool user, char **ret);

/* What to say to -ENXIO. */
#define PLACES_NO_HOME "The home directory is not known. Set HOME, or XDG_CONFIG_HOME and XDG_STATE_HOME."
