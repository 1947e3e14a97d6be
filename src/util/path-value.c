/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Nothing here looks at the disk: a path is validated by how it is written. What would depend on where somebody stands
 * ("." and "..", no slash in front) is refused instead of resolved. */

#include "util/path-value.h"

#include <limits.h>

#include "util/macro.h"

static bool has_dots(const char *path) {
        for (const char *p = path; p; p = strchr(p + 1, '/')) {
                const char *name = p + (*p == '/');
                size_t n = strcspn(name, "/");

                if ((n == 1 && name[0] == '.') || (n == 2 && name[0] == '.' && name[1] == '.'))
                        return true;
        }
        return false;
}

const char *path_value_tidy(char *path) {
        char *out = path;

        if (*path != '/')
                return "is not an absolute path. It must begin with \"/\".";
        if (has_dots(path))
                return "contains \".\" or \"..\". Write the path without them.";
        if (strlen(path) >= PATH_MAX)
                return "is longer than the system allows. Shorten it.";
        for (const char *p = path; *p; p++)
                if (*p != '/' || (p[1] != '/' && (p[1] != '\0' || out == path)))
                        *out++ = *p;
        *out = '\0';
        return NULL;
}
