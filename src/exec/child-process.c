/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Processes are looked at through /proc. It tells of a number that is in use now; to know that it is
 * still the same process, compare the time of its start, or hold a pidfd and compare afterwards. */

#include "exec/child-process.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/pidfd.h>

#include "util/file.h"

#define PROC_PATH_MAX   sizeof("/proc/2147483647/environ")
#define STAT_MAX        1024              /* bytes of /proc/PID/stat: 52 numbers and a short name */
#define ENVIRONMENT_MAX (4 * 1024 * 1024) /* bytes that are looked at */

int process_read(pid_t pid, ProcessInfo *ret) {
        char path[PROC_PATH_MAX], text[STAT_MAX];
        unsigned long long start;
        const char *after_name;
        ssize_t n;
        int session;

        (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        n = file_read(AT_FDCWD, path, text, sizeof(text));
        if (n < 0)
                return n == -ENOENT ? -ESRCH : (int)n;
        after_name = strrchr(text, ')'); /* the name may hold anything */
        if (!after_name ||
            sscanf(after_name + 1, " %*c %*d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                   &session, &start) != 2)
                return -EIO;
        *ret = (ProcessInfo){ .session = session, .start = start };
        return 0;
}

int process_open(pid_t pid, uint64_t start) {
        _cleanup_close_ int fd = pidfd_open(pid, 0);
        ProcessInfo info;
        int r;

        if (fd < 0)
                return -errno;
        /* Looked at after it was opened: the number cannot have changed hands in between. */
        r = process_read(pid, &info);
        if (r < 0)
                return r;
        return info.start == start ? TAKE_FD(fd) : -ESRCH;
}

int process_read_environment(pid_t pid, char **ret, size_t *ret_size) {
        char path[PROC_PATH_MAX];
        size_t allocated = 16 * 1024;

        (void)snprintf(path, sizeof(path), "/proc/%d/environ", pid);
        for (;;) {
                _cleanup_free_ char *text = malloc(allocated);
                ssize_t n;

                if (!text)
                        return -ENOMEM;
                n = file_read(AT_FDCWD, path, text, allocated);
                if (n == -EFBIG && allocated < ENVIRONMENT_MAX) {
                        allocated *= 4;
                        continue;
                }
                if (n < 0)
                        return n == -ENOENT ? -ESRCH : (int)n;
                *ret_size = (size_t)n;
                *ret = TAKE_PTR(text);
                return 0;
        }
}

const char *process_environment_get(const char *environment, size_t size, const char *name) {
        const char *end = environment + size;
        size_t n = strlen(name);

        for (const char *s = environment; s < end; s += strlen(s) + 1)
                if (strncmp(s, name, n) == 0 && s[n] == '=')
                        return s + n + 1;
        return NULL;
}

int process_visit_all(void (*visit)(pid_t pid, const ProcessInfo *info, void *userdata), void *userdata) {
        DIR *directory = opendir("/proc");
        struct dirent *entry;

        if (!directory)
                return -errno;
        while ((entry = readdir(directory))) {
                ProcessInfo info;
                char *end;
                long pid = strtol(entry->d_name, &end, 10);

                if (pid > 0 && *end == '\0' && process_read((pid_t)pid, &info) >= 0)
                        visit((pid_t)pid, &info, userdata);
        }
        (void)closedir(directory);
        return 0;
}
