/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* All of /proc is read once, instead of asking for each file: for 200,000 files, that is the only way. What is opened
 * later is not known; a lock (flock(2)) protects also then. */

#include "upkeep/open-files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "util/array.h"
#include "util/file.h"
#include "util/strv.h"

size_t open_files_max = (size_t)1 << 22;

typedef struct OpenFile {
        dev_t device;
        ino_t inode;
} OpenFile;

struct OpenFiles {
        OpenFile *files; /* sorted in the end */
        size_t n_files;
};

OpenFiles *open_files_free(OpenFiles *f) {
        if (!f)
                return NULL;
        free(f->files);
        return mfree(f);
}

static int compare_files(const void *a, const void *b) {
        const OpenFile *x = a, *y = b;

        if (x->inode != y->inode)
                return x->inode < y->inode ? -1 : 1;
        return x->device < y->device ? -1 : x->device > y->device;
}

static void sort_files(OpenFiles *f) {
        size_t n = 0;

        if (f->n_files > 0)
                qsort(f->files, f->n_files, sizeof(OpenFile), compare_files);
        for (size_t i = 0; i < f->n_files; i++)
                if (n == 0 || compare_files(&f->files[n - 1], &f->files[i]) != 0)
                        f->files[n++] = f->files[i];
        f->n_files = n;
}

/* Anybody can have the same file open millions of times, which must not keep us from cleaning. */
static int add_file(OpenFiles *f, dev_t device, ino_t inode) {
        OpenFile *file;

        if (f->n_files >= open_files_max) {
                sort_files(f);
                if (f->n_files > open_files_max / 4 * 3) /* or there would be no end to sorting */
                        return -E2BIG;
        }
        file = ARRAY_NEXT(f->files, f->n_files);
        if (!file)
                return -ENOMEM;
        *file = (OpenFile){ .device = device, .inode = inode };
        f->n_files++;
        return 0;
}

/* What a link of /proc leads to, without asking a server, which may be gone. False: nowhere any more. */
static bool look_at_link(int dir_fd, const char *name, dev_t *ret_device, ino_t *ret_inode) {
        struct statx s;

        if (statx(dir_fd, name, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_INO, &s) < 0)
                return false;
        *ret_device = makedev(s.stx_dev_major, s.stx_dev_minor);
        *ret_inode = s.stx_ino;
        return true;
}

static int add_link(OpenFiles *f, int dir_fd, const char *name) {
        dev_t device;
        ino_t inode;

        return look_at_link(dir_fd, name, &device, &inode) ? add_file(f, device, inode) : 0;
}

static int add_descriptors(OpenFiles *f, int process_fd) {
        _cleanup_close_ int fd = openat(process_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_(closedirp) DIR *dir = NULL;
        const struct dirent *entry;
        int r = 0;

        if (fd < 0)
                return -errno;
        dir = fd_list(fd);
        if (!dir)
                return -errno;
        while (r >= 0 && (entry = readdir(dir)))
                if (entry->d_name[0] != '.')
                        r = add_link(f, fd, entry->d_name);
        return r;
}

/* "START-END PERMISSIONS OFFSET MAJOR:MINOR INODE PATH". On btrfs and overlayfs that is another device than the one of
 * stat(2), which the link in map_files has, if we may follow it. */
static int add_mapped(OpenFiles *f, int process_fd) {
        _cleanup_close_ int links = openat(process_fd, "map_files", O_PATH | O_DIRECTORY | O_CLOEXEC);
        int fd = openat(process_fd, "maps", O_RDONLY | O_CLOEXEC), r = 0;
        _cleanup_free_ char *line = NULL;
        unsigned long last = 0;
        size_t size = 0;
        FILE *maps;

        maps = fd < 0 ? NULL : fdopen(fd, "re");
        if (!maps) {
                r = -errno;
                safe_close(fd);
                return r;
        }
        while (r >= 0 && getline(&line, &size, maps) > 0) {
                unsigned major, minor;
                unsigned long inode;
                char range[64];

                if (sscanf(line, "%63s %*s %*s %x:%x %lu", range, &major, &minor, &inode) != 4 || inode == 0 ||
                    inode == last)
                        continue;
                last = inode;
                r = add_file(f, makedev(major, minor), inode);
                if (r >= 0 && links >= 0)
                        r = add_link(f, links, range);
        }
        (void)fclose(maps);
        return r;
}

/* 0; 1: we may not look at it. A process that has ended is no error. */
static int add_process(OpenFiles *f, int proc_fd, const char *pid) {
        _cleanup_close_ int fd = openat(proc_fd, pid, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = fd < 0 ? -errno : add_descriptors(f, fd);

        if (r >= 0)
                r = add_mapped(f, fd);
        if (r >= 0)
                r = add_link(f, fd, "cwd");
        if (r >= 0)
                r = add_link(f, fd, "root");
        if (r == -ENOMEM || r == -E2BIG)
                return r;
        return r == -EACCES || r == -EPERM;
}

int open_files_read(OpenFiles **ret, uint64_t *ret_unseen) {
        _cleanup_(open_files_freep) OpenFiles *f = calloc(1, sizeof(*f));
        _cleanup_close_ int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_(closedirp) DIR *dir = fd < 0 ? NULL : fd_list(fd);
        const struct dirent *entry;
        uint64_t n_unseen = 0;
        int r = 0;

        if (!f)
                return -ENOMEM;
        if (!dir)
                return -errno;
        while (r >= 0 && (entry = readdir(dir)))
                if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && atoi(entry->d_name) != getpid()) {
                        r = add_process(f, fd, entry->d_name);
                        n_unseen += r > 0;
                }
        if (r < 0)
                return r;
        sort_files(f);
        *ret = TAKE_PTR(f);
        *ret_unseen = n_unseen;
        return 0;
}

bool open_files_have(const OpenFiles *f, dev_t device, ino_t inode) {
        const OpenFile wanted = { .device = device, .inode = inode };
        size_t at = BISECT(f->n_files, i, compare_files(&f->files[i], &wanted) < 0);

        return at < f->n_files && compare_files(&f->files[at], &wanted) == 0;
}

/* --- locks --- */

static int read_text(int process_fd, const char *name, char *text, size_t size) {
        _cleanup_close_ int fd = openat(process_fd, name, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

        if (n < 0)
                return -errno;
        text[n] = '\0';
        return 0;
}

/* Not by the owner of its directory in /proc: a process can make that root. All its ids, or a program that is setuid
 * would count as root's, with the lock that its caller has left it. */
static bool belongs_to(int process_fd, const uid_t *users, size_t n_users) {
        const char *line;
        char text[4096];
        uid_t ids[4];

        if (read_text(process_fd, "status", text, sizeof(text)) < 0)
                return false;
        line = strstr(text, "\nUid:");
        if (!line || sscanf(line, " Uid: %u %u %u %u", &ids[0], &ids[1], &ids[2], &ids[3]) != 4)
                return false;
        for (size_t i = 0; i < ELEMENTSOF(ids); i++) {
                size_t k = 0;

                while (k < n_users && users[k] != ids[i])
                        k++;
                if (k == n_users)
                        return false;
        }
        return true;
}

/* The kernel prints the locks of an open file with its descriptor, to whomever it was passed on. */
static bool has_lock(int process_fd, dev_t device, ino_t inode) {
        _cleanup_close_ int fd = openat(process_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_(closedirp) DIR *dir = fd < 0 ? NULL : fd_list(fd);
        const struct dirent *entry;
        char name[64], text[4096];
        dev_t d;
        ino_t i;

        while (dir && (entry = readdir(dir))) {
                if (!look_at_link(fd, entry->d_name, &d, &i) || i != inode || d != device)
                        continue;
                (void)snprintf(name, sizeof(name), "fdinfo/%.20s", entry->d_name);
                if (read_text(process_fd, name, text, sizeof(text)) >= 0 && strstr(text, "FLOCK"))
                        return true;
        }
        return false;
}

bool flock_is_held_by(dev_t device, ino_t inode, const uid_t *users, size_t n_users) {
        _cleanup_close_ int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_(closedirp) DIR *dir = fd < 0 ? NULL : fd_list(fd);
        const struct dirent *entry;
        bool is_held = false;

        while (!is_held && dir && (entry = readdir(dir))) {
                _cleanup_close_ int process = -EBADF;

                if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
                        continue;
                process = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                is_held = process >= 0 && belongs_to(process, users, n_users) && has_lock(process, device, inode);
        }
        return is_held;
}

/* --- sockets --- */

struct LiveSockets {
        char **names; /* sorted */
        size_t n_names;
};

LiveSockets *live_sockets_free(LiveSockets *s) {
        if (!s)
                return NULL;
        for (size_t i = 0; i < s->n_names; i++)
                free(s->names[i]);
        free(s->names);
        return mfree(s);
}

/* "ADDRESS: REFERENCES PROTOCOL FLAGS TYPE STATE INODE PATH"; where the path is absent, or begins with @, the socket
 * is in no file system. A path with a newline goes on in the next line, which does not begin like that. */
static const char *socket_path(const char *line) {
        int at = 0;

        if (sscanf(line, "%*x: %*x %*x %*x %*x %*x %*u%n", &at) < 0 || at == 0)
                return line;
        return line + at + (line[at] == ' ');
}

static int add_socket(LiveSockets *s, const char *path, bool goes_on) {
        const char *slash = strrchr(path, '/');
        char **name;
        int r;

        if (goes_on && !slash && s->n_names > 0) {
                char *longer; /* what was taken for the name is its first line */

                r = string_format(&longer, "%s\n%s", s->names[s->n_names - 1], path);
                if (r < 0)
                        return r;
                free(s->names[s->n_names - 1]);
                s->names[s->n_names - 1] = longer;
                return 0;
        }
        name = ARRAY_NEXT(s->names, s->n_names);
        if (!name)
                return -ENOMEM;
        *name = strdup(slash ? slash + 1 : path);
        if (!*name)
                return -ENOMEM;
        s->n_names++;
        return 0;
}

int live_sockets_read(LiveSockets **ret) {
        _cleanup_(live_sockets_freep) LiveSockets *s = calloc(1, sizeof(*s));
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        int r = 0;
        FILE *f;

        if (!s)
                return -ENOMEM;
        f = fopen("/proc/net/unix", "re");
        if (!f)
                return -errno;
        while (r >= 0 && getline(&text, &size, f) > 0) {
                const char *path = socket_path(text);

                text[strcspn(text, "\n")] = '\0';
                if (*path && *path != '@')
                        r = add_socket(s, path, /* goes_on= */ path == text);
        }
        (void)fclose(f);
        if (r < 0)
                return r;
        strings_sort(s->names, s->n_names);
        *ret = TAKE_PTR(s);
        return 0;
}

bool live_sockets_have(const LiveSockets *s, const char *name) {
        size_t at = BISECT(s->n_names, i, strcmp(s->names[i], name) < 0);

        return at < s->n_names && streq(s->names[at], name);
}
