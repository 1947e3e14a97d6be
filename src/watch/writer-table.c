/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Two small caches. Processes: by pid, good for one reading of the kernel's queue, which is when many events come from
 * few processes. Groups: a ring of names with numbers that count up, so that an old number is never taken for another
 * group. Both are bounded whatever others do; what falls out is not known, and that is an answer. */

#include "watch/writer-table.h"

#include <fcntl.h>

#include "util/hash.h"

#define PROCESSES  64U
#define REMEMBERED USEC_PER_SEC /* how long a process that is gone is known: no number is used again so soon */
#define TEXT_MAX   8192U

typedef struct Process {
        pid_t pid;
        uint32_t group, round;
        usec_t asked_at;
} Process;

typedef struct Group {
        uint32_t number; /* 0 = free */
        uint64_t hash;
        char *path;
} Group;

struct WriterTable {
        Process processes[PROCESSES];
        Group groups[WRITER_GROUPS_MAX];
        uint32_t round, last_group;
        usec_t now;
};

static char *path_of_line(char *line, const char *controllers) {
        char *hierarchy = strchr(line, ':'), *path;
        size_t n = strlen(controllers);

        if (!hierarchy || strncmp(hierarchy + 1, controllers, n) != 0 || hierarchy[1 + n] != ':')
                return NULL;
        path = hierarchy + 1 + n + 1;
        return path[0] == '/' ? path : NULL;
}

char *cgroup_of_text(char *text) {
        char *unified = NULL, *of_systemd = NULL, *rest = text, *line;

        while ((line = strsep(&rest, "\n"))) {
                unified = unified ?: strncmp(line, "0::", 3) == 0 ? path_of_line(line, "") : NULL;
                of_systemd = of_systemd ?: path_of_line(line, "name=systemd");
        }
        return unified && (unified[1] != '\0' || !of_systemd) ? unified : of_systemd;
}

/* The group by its path, which becomes known. */
static uint32_t group_number(WriterTable *t, const char *path) {
        uint64_t hash = hash_bytes(hash_seed(), path, strlen(path));
        Group *g;
        char *copy;

        for (size_t i = 0; i < WRITER_GROUPS_MAX; i++)
                if (t->groups[i].hash == hash && t->groups[i].number > 0 && strcmp(t->groups[i].path, path) == 0)
                        return t->groups[i].number;
        copy = t->last_group < UINT32_MAX ? strdup(path) : NULL;
        if (!copy)
                return 0;
        g = &t->groups[++t->last_group % WRITER_GROUPS_MAX];
        assert(g->number < t->last_group); /* the oldest of them */
        free(g->path);
        *g = (Group){ .number = t->last_group, .hash = hash, .path = copy };
        return g->number;
}

static int process_read(WriterTable *t, pid_t pid, uint32_t *ret) {
        char path[sizeof("/proc//cgroup") + 11], text[TEXT_MAX];
        _cleanup_close_ int fd = -EBADF;
        const char *group;
        ssize_t n;

        (void)snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return -errno;
        n = read(fd, text, sizeof(text) - 1);
        if (n <= 0)
                return n < 0 ? -errno : -ESRCH;
        text[n] = '\0';
        group = cgroup_of_text(text);
        *ret = group ? group_number(t, group) : 0;
        return 0;
}

uint32_t writer_table_find(WriterTable *t, pid_t pid) {
        Process *p = &t->processes[(unsigned)pid % PROCESSES];
        uint32_t group = 0;

        if (pid <= 0)
                return 0;
        if (p->pid == pid && p->round == t->round)
                return p->group;
        if (process_read(t, pid, &group) < 0) {
                bool known = p->pid == pid && usec_add(p->asked_at, REMEMBERED) > t->now;

                return known ? p->group : 0;
        }
        *p = (Process){ .pid = pid, .group = group, .round = t->round, .asked_at = t->now };
        return group;
}

void writer_table_begin(WriterTable *t, usec_t now) {
        t->round++;
        t->now = now;
}

const char *writer_table_path(const WriterTable *t, uint32_t group) {
        const Group *g = &t->groups[group % WRITER_GROUPS_MAX];

        return group > 0 && g->number == group ? g->path : NULL;
}

int writer_table_new(WriterTable **ret) {
        WriterTable *t = calloc(1, sizeof(*t));

        if (!t)
                return -ENOMEM;
        *ret = t;
        return 0;
}

WriterTable *writer_table_free(WriterTable *t) {
        if (!t)
                return NULL;
        for (size_t i = 0; i < WRITER_GROUPS_MAX; i++)
                free(t->groups[i].path);
        return mfree(t);
}
