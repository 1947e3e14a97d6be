/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The two mappings between names and object paths. sd_bus_path_encode() would work for jobs, but allocates, and
 * ListJobs writes one path per job. */

#include "bus/object-path.h"

#include "util/ascii.h"

/* Characters that a path may contain unescaped; a digit not as the first one. */
static bool is_plain(char c, bool first) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (!first && is_digit(c));
}

char *job_object_path(char buf[static OBJECT_PATH_MAX], const char *name) {
        static const char hex[] = "0123456789abcdef";
        char *out = buf + strlen(JOB_PREFIX "/");

        memcpy(buf, JOB_PREFIX "/", strlen(JOB_PREFIX "/"));
        if (*name == '\0')
                *out++ = '_';
        for (size_t i = 0; i < CLIENT_JOB_NAME_MAX && name[i] != '\0'; i++) {
                if (is_plain(name[i], i == 0)) {
                        *out++ = name[i];
                        continue;
                }
                *out++ = '_';
                *out++ = hex[(uint8_t)name[i] >> 4];
                *out++ = hex[(uint8_t)name[i] & 15];
        }
        *out = '\0';
        return buf;
}

char *run_object_path(char buf[static OBJECT_PATH_MAX], uint64_t id) {
        (void)snprintf(buf, OBJECT_PATH_MAX, RUN_PREFIX "/%" PRIu64, id);
        return buf;
}

int job_from_object_path(const char *path, char ret_name[static CLIENT_JOB_NAME_MAX + 1]) {
        const char *p = startswith(path, JOB_PREFIX "/");
        size_t n = 0;

        if (!p || *p == '\0' || streq(p, "_"))
                return -ENOENT;
        while (*p != '\0') {
                int high, low;

                if (n == CLIENT_JOB_NAME_MAX)
                        return -ENOENT;
                if (*p != '_') {
                        if (!is_plain(*p, n == 0))
                                return -ENOENT;
                        ret_name[n++] = *p++;
                        continue;
                }
                high = hex_value(p[1]);
                low = high < 0 ? high : hex_value(p[2]);
                if (low < 0 || (high == 0 && low == 0))
                        return -ENOENT;
                ret_name[n++] = (char)(high << 4 | low);
                p += 3;
        }
        ret_name[n] = '\0';
        return 0;
}

int run_from_object_path(const char *path, uint64_t *ret_id) {
        const char *p = startswith(path, RUN_PREFIX "/");
        uint64_t id = 0;

        if (!p || !is_digit(*p) || (*p == '0' && p[1] != '\0'))
                return -ENOENT;
        for (; is_digit(*p); p++)
                if (__builtin_mul_overflow(id, 10, &id) || __builtin_add_overflow(id, (uint64_t)(*p - '0'), &id))
                        return -ENOENT;
        if (*p != '\0')
                return -ENOENT;
        *ret_id = id;
        return 0;
}
