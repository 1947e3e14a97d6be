/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names are built so that an administrator can read them and they can be parsed again: the run is the part after the
 * last hyphen. The object path of a unit is decoded here and not by sd_bus_path_decode(), because that allocates, and
 * every signal about every unit of the machine goes through here. */

#include "systemd/unit-name.h"

#include "util/ascii.h"
#include "util/strv.h"

#define PREFIX      "vakt-"
#define SUFFIX      ".service"
#define UNIT_OBJECT "/org/freedesktop/systemd1/unit/"

/* The byte of two hexadecimal digits, or -1. */
static int hex_byte(const char *s) {
        int high = hex_value(s[0]), low = high < 0 ? -1 : hex_value(s[1]);

        return low < 0 ? -1 : high * 16 + low;
}

int unit_name_of_run(char **ret, const char *job, uint64_t run) {
        char escaped[JOB_NAME_MAX * 4 + 1], *out = escaped;

        for (; *job && out + 4 < escaped + sizeof(escaped); job++)
                if (is_alphanumeric(*job) || strchr("_.-", *job))
                        *out++ = *job;
                else
                        out += snprintf(out, 5, "\\x%02x", (unsigned char)*job);
        *out = '\0';
        return string_format(ret, PREFIX "%s-%" PRIu64 SUFFIX, escaped, run);
}

/* A number in its printed form: no sign, no leading zero. */
static bool parse_run(const char *s, const char *end, uint64_t *ret) {
        uint64_t n = 0;

        if (s == end || *s == '0')
                return false;
        for (; s < end; s++)
                if (*s < '0' || *s > '9' || __builtin_mul_overflow(n, 10, &n) ||
                    __builtin_add_overflow(n, (uint64_t)(*s - '0'), &n))
                        return false;
        *ret = n;
        return true;
}

static bool unescape_job(const char *s, const char *end, char *job) {
        size_t n = 0;

        while (s < end) {
                int c = *s;

                if (c == '\\') {
                        if (end - s < 4 || s[1] != 'x')
                                return false;
                        c = hex_byte(s + 2);
                        s += 3;
                }
                if (c <= 0 || n >= JOB_NAME_MAX)
                        return false;
                job[n++] = (char)c;
                s++;
        }
        job[n] = '\0';
        return job_name_is_valid(job);
}

bool unit_name_parse(const char *unit, char job[static JOB_NAME_MAX + 1], uint64_t *ret_run) {
        const char *name = startswith(unit, PREFIX), *end, *hyphen;

        end = name ? strrchr(name, '.') : NULL;
        if (!end || !streq(end, SUFFIX))
                return false;
        hyphen = memrchr(name, '-', (size_t)(end - name));
        return hyphen && parse_run(hyphen + 1, end, ret_run) && unescape_job(name, hyphen, job);
}

bool unit_name_from_path(const char *path, char unit[static UNIT_NAME_MAX + 1]) {
        const char *s = startswith(path, UNIT_OBJECT);
        size_t n = 0;

        if (isempty(s))
                return false;
        for (; *s; s++) {
                int c = *s;

                if (c == '_') {
                        c = hex_byte(s + 1);
                        s += 2;
                }
                if (c <= 0 || n >= UNIT_NAME_MAX)
                        return false;
                unit[n++] = (char)c;
        }
        unit[n] = '\0';
        return true;
}
