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

static int name_unit(char **ret, const char *job, const char *kind, uint64_t number) {
        char escaped[JOB_NAME_MAX * 4 + 1], *out = escaped;

        for (; *job && out + 4 < escaped + sizeof(escaped); job++)
                if (is_alphanumeric(*job) || strchr("_.-", *job))
                        *out++ = *job;
                else
                        out += snprintf(out, 5, "\\x%02x", (unsigned char)*job);
        *out = '\0';
        return string_format(ret, PREFIX "%s%s-%" PRIu64 SUFFIX, escaped, kind, number);
}

int unit_name_of_run(char **ret, const char *job, uint64_t run) {
        return name_unit(ret, job, "", run);
}

int unit_name_of_runner(char **ret, const char *job, uint64_t number) {
        return name_unit(ret, job, JOB_RUNNER_SUFFIX, number);
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

static bool parse(const char *unit, bool is_runner, char *job, uint64_t *ret_number) {
        const char *name = startswith(unit, PREFIX), *end, *hyphen;
        size_t n_suffix = strlen(JOB_RUNNER_SUFFIX);

        end = name ? strrchr(name, '.') : NULL;
        if (!end || !streq(end, SUFFIX))
                return false;
        hyphen = memrchr(name, '-', (size_t)(end - name));
        if (!hyphen || !parse_run(hyphen + 1, end, ret_number))
                return false;
        end = hyphen;
        if ((size_t)(hyphen - name) > n_suffix && memcmp(hyphen - n_suffix, JOB_RUNNER_SUFFIX, n_suffix) == 0)
                end -= n_suffix;
        return is_runner == (end < hyphen) && unescape_job(name, end, job);
}

bool unit_name_parse(const char *unit, char job[static JOB_NAME_MAX + 1], uint64_t *ret_run) {
        return parse(unit, /* is_runner= */ false, job, ret_run);
}

bool unit_name_parse_runner(const char *unit, char job[static JOB_NAME_MAX + 1], uint64_t *ret_number) {
        return parse(unit, /* is_runner= */ true, job, ret_number);
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
