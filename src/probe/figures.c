/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Each figure is in a file of /proc that the kernel writes from what it counts anyway, so that reading it does not
 * block and takes no longer on a large machine. */

#include "probe/figures.h"

#include <inttypes.h>
#include <stdio.h>

#include "util/ascii.h"
#include "util/file.h"

#define FILE_SIZE 8192
#define KIBIBYTE  1024

static int read_file(Probe *p, const char *path, char *buf, size_t size, Reading *ret) {
        ssize_t n = file_read(p->probes->root_fd, path, buf, size);

        if (n >= 0)
                return 0;
        (void)probe_unknown_errno(p, ret, (int)n, "Cannot read /%s: %m.", path);
        return (int)n;
}

static int unexpected(Probe *p, Reading *ret, const char *path) {
        return probe_unknown(p, ret, "/%s is not written as expected.", path);
}

/* --- load --- */

/* "0.75" as thousandths. Returns what follows it, or NULL. */
static const char *parse_milli(const char *s, int64_t *ret) {
        int64_t value = 0;
        unsigned decimals = 0;

        if (!is_digit(*s))
                return NULL;
        for (; is_digit(*s) && value < INT64_MAX / 100000; s++)
                value = value * 10 + (*s - '0');
        if (*s == '.')
                for (s++; is_digit(*s); s++)
                        if (decimals < 3) {
                                value = value * 10 + (*s - '0');
                                decimals++;
                        }
        for (; decimals < 3; decimals++)
                value *= 10;
        *ret = value;
        return s;
}

static int look_at_load(Probe *p, Reading *ret) {
        char buf[FILE_SIZE];
        const char *s = buf;
        int64_t load = 0;

        if (read_file(p, "proc/loadavg", buf, sizeof(buf), ret) < 0)
                return PROBE_ANSWERED;
        for (unsigned i = 0; s && i <= (unsigned)(p->question.kind == CONDITION_LOAD1   ? 0
                                                  : p->question.kind == CONDITION_LOAD5 ? 1
                                                                                        : 2);
             i++) {
                s = parse_milli(s, &load);
                s = s && *s == ' ' ? s + 1 : NULL;
        }
        return s ? probe_known(ret, load) : unexpected(p, ret, "proc/loadavg");
}

/* --- memory --- */

/* The value of a line "Name:   123 kB", in bytes, or -1. */
static int64_t meminfo_get(const char *text, const char *name) {
        size_t n = strlen(name);

        for (const char *line = text; line; line = strchr(line, '\n')) {
                int64_t value;

                line += *line == '\n';
                if (strncmp(line, name, n) == 0 && line[n] == ':' && sscanf(line + n + 1, "%" SCNd64, &value) == 1)
                        return value < 0 || value > INT64_MAX / KIBIBYTE ? -1 : value * KIBIBYTE;
        }
        return -1;
}

static int look_at_memory(Probe *p, Reading *ret) {
        char buf[FILE_SIZE];
        int64_t available, total;

        if (read_file(p, "proc/meminfo", buf, sizeof(buf), ret) < 0)
                return PROBE_ANSWERED;
        available = meminfo_get(buf, "MemAvailable");
        total = meminfo_get(buf, "MemTotal");
        return available >= 0 && total > 0 ? probe_known_share(ret, available, total)
                                           : unexpected(p, ret, "proc/meminfo");
}

/* --- all of them --- */

static int look(Probe *p, Reading *ret) {
        switch ((unsigned)p->question.kind) {
        case CONDITION_MEMORY_AVAILABLE:
                return look_at_memory(p, ret);
        default:
                return look_at_load(p, ret);
        }
}

const ProbeKind figure_kind = { .look = look };
