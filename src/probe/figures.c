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

/* The load of the last minute, five minutes and fifteen minutes begin the line. */
static int look_at_load(Probe *p, Reading *ret, unsigned skip) {
        char buf[FILE_SIZE];
        const char *s = buf;
        int64_t load = 0;

        if (read_file(p, "proc/loadavg", buf, sizeof(buf), ret) < 0)
                return PROBE_ANSWERED;
        for (unsigned i = 0; s && i <= skip; i++) {
                s = parse_milli(s, &load);
                s = s && *s == ' ' ? s + 1 : NULL;
        }
        return s ? probe_known(ret, load) : unexpected(p, ret, "proc/loadavg");
}

static int look_at_load1(Probe *p, Reading *ret) {
        return look_at_load(p, ret, 0);
}

static int look_at_load5(Probe *p, Reading *ret) {
        return look_at_load(p, ret, 1);
}

static int look_at_load15(Probe *p, Reading *ret) {
        return look_at_load(p, ret, 2);
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

static int look_at_swap(Probe *p, Reading *ret) {
        char buf[FILE_SIZE];
        int64_t unused, total;

        if (read_file(p, "proc/meminfo", buf, sizeof(buf), ret) < 0)
                return PROBE_ANSWERED;
        unused = meminfo_get(buf, "SwapFree");
        total = meminfo_get(buf, "SwapTotal");
        if (unused < 0 || total < 0)
                return unexpected(p, ret, "proc/meminfo");
        return total > 0 ? probe_known_share(ret, unused, total)
                         : probe_unknown(p, ret, "The machine has no swap space.");
}

/* --- things of which there is a limited number --- */

static int look_at_fds(Probe *p, Reading *ret) {
        int64_t allocated, unused, max;
        char buf[FILE_SIZE];

        if (read_file(p, "proc/sys/fs/file-nr", buf, sizeof(buf), ret) < 0)
                return PROBE_ANSWERED;
        if (sscanf(buf, "%" SCNd64 " %" SCNd64 " %" SCNd64, &allocated, &unused, &max) != 3 || allocated < 0 ||
            max <= 0)
                return unexpected(p, ret, "proc/sys/fs/file-nr");
        return probe_known_share(ret, MAX(max - allocated, (int64_t)0), max);
}

static int read_number(Probe *p, const char *path, int64_t *ret_value, Reading *ret) {
        char buf[FILE_SIZE];

        if (read_file(p, path, buf, sizeof(buf), ret) < 0)
                return -EIO;
        if (sscanf(buf, "%" SCNd64, ret_value) == 1 && *ret_value > 0)
                return 0;
        (void)unexpected(p, ret, path);
        return -EBADMSG;
}

/* A thread takes an id, and there is one limit on ids and one on threads. How many there are is in the fourth field
 * of loadavg, "running/all", so that nobody has to be counted. */
static int look_at_pids(Probe *p, Reading *ret) {
        int64_t ids, threads, used, max;
        char buf[FILE_SIZE];

        if (read_number(p, "proc/sys/kernel/pid_max", &ids, ret) < 0 ||
            read_number(p, "proc/sys/kernel/threads-max", &threads, ret) < 0 ||
            read_file(p, "proc/loadavg", buf, sizeof(buf), ret) < 0)
                return PROBE_ANSWERED;
        if (sscanf(buf, "%*s %*s %*s %*d/%" SCNd64, &used) != 1 || used < 0)
                return unexpected(p, ret, "proc/loadavg");
        max = MIN(ids, threads);
        return probe_known_share(ret, MAX(max - used, (int64_t)0), max);
}

/* --- all of them --- */

const ProbeKind load1_kind = { .look = look_at_load1 };
const ProbeKind load5_kind = { .look = look_at_load5 };
const ProbeKind load15_kind = { .look = look_at_load15 };
const ProbeKind memory_available_kind = { .look = look_at_memory };
const ProbeKind swap_free_kind = { .look = look_at_swap };
const ProbeKind fd_free_kind = { .look = look_at_fds };
const ProbeKind pids_free_kind = { .look = look_at_pids };
