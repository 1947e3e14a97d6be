/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names of files as users write them. vaktd knows a file by the path that is written in its job and continues from
 * there, so a name is made absolute textually: realpath(3) would follow links, and return the name of a file that is
 * in no job; it would not work at all for a file that is gone. */

#include "ctl/alloc.h"
#include "ctl/file-name.h"

/* Appends the names of path to an absolute path that ends at end; returns its new end. */
static char *append_names(char *begin, char *end, const char *path) {
        for (;;) {
                size_t n;

                path += strspn(path, "/");
                n = strcspn(path, "/");
                if (n == 0)
                        return end;
                if (n == 2 && memcmp(path, "..", 2) == 0)
                        while (end > begin && *--end != '/')
                                ;
                else if (n > 1 || path[0] != '.') {
                        *end++ = '/';
                        end = mempcpy(end, path, n);
                }
                path += n;
        }
}

char *file_name_absolute(const char *directory, const char *name) {
        char *ret = alloc_array(NULL, strlen(directory) + strlen(name) + 3, 1), *end = ret;

        if (name[0] != '/')
                end = append_names(ret, end, directory);
        end = append_names(ret, end, name);
        if (end == ret)
                *end++ = '/';
        *end = '\0';
        return ret;
}

char *file_name_from_argument(const char *name) {
        _cleanup_free_ char *directory = name[0] == '/' ? alloc_string("/") : get_current_dir_name();

        return directory ? file_name_absolute(directory, name) : NULL;
}
