#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Paths as people write them in settings. */

/* Takes doubled slashes and one at the end out of an absolute path, in place. Returns NULL, or what is wrong with it
 * as the rest of a message, "is not an absolute path. …"; then it is left as it is. */
const char *path_value_tidy(char *path);
