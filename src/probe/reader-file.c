/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Questions about paths. Nothing is opened but directories, to count what is in them: a stat(2) is all that the rest
 * takes. */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/vfs.h>

#include "fs/guarded.h"
#include "probe/reader.h"

#define LINKS_MAX 40 /* as the kernel has it */

/* --- the way to a path --- */

typedef struct Way {
        int fd; /* O_PATH, as far as it has been walked */
        unsigned n_links;
        char rest[PATH_MAX];
} Way;

static int way_start(Way *w) {
        safe_close(w->fd);
        w->fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        return w->fd < 0 ? -errno : 0;
}

static int way_follow(Way *w, const char *path, int link_fd, OutsideAnswer *a) {
        char target[PATH_MAX], rest[PATH_MAX];
        ssize_t n;

        if (!guarded_may_follow(w->fd, link_fd)) {
                answer_unknown(a,
                               "On the way to %s is a symbolic link that other users can change, which is not "
                               "followed: use the path that it leads to.",
                               path);
                return -ELOOP;
        }
        if (++w->n_links > LINKS_MAX)
                return -ELOOP;
        n = readlinkat(link_fd, "", target, sizeof(target));
        if (n < 0)
                return -errno;
        if (snprintf(rest, sizeof(rest), "%.*s/%s", (int)n, target, w->rest) >= (int)sizeof(rest))
                return -ENAMETOOLONG;
        memcpy(w->rest, rest, strlen(rest) + 1);
        return target[0] == '/' ? way_start(w) : 0;
}

static bool is_automount(int fd) {
        struct statfs sf;

        return fstatfs(fd, &sf) >= 0 && sf.f_type == AUTOFS_SUPER_MAGIC;
}

static int refuse_automount(const char *path, OutsideAnswer *a) {
        answer_unknown(a, "%s is on a file system that is mounted on demand, and that is not mounted.", path);
        return -EREMOTE;
}

static int way_step(Way *w, const char *path, const char *name, OutsideAnswer *a) {
        _cleanup_close_ int fd = openat(w->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;

        if (fd < 0 && errno == ENOENT && is_automount(w->fd))
                return refuse_automount(path, a);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (S_ISLNK(st.st_mode))
                return way_follow(w, path, fd, a);
        safe_close(w->fd);
        w->fd = TAKE_FD(fd);
        return 0;
}

static int way_walk(Way *w, const char *path, OutsideAnswer *a) {
        char name[NAME_MAX + 1];
        int r = way_start(w);

        if (r >= 0 && snprintf(w->rest, sizeof(w->rest), "%s", path) >= (int)sizeof(w->rest))
                return -ENAMETOOLONG;
        while (r >= 0) {
                char *at = w->rest + strspn(w->rest, "/"), *end = at + strcspn(at, "/");

                if (at == end)
                        return is_automount(w->fd) ? refuse_automount(path, a) : 0;
                if ((size_t)(end - at) > NAME_MAX)
                        return -ENAMETOOLONG;
                memcpy(name, at, (size_t)(end - at));
                name[end - at] = '\0';
                memmove(w->rest, end, strlen(end) + 1);
                r = way_step(w, path, name, a);
        }
        return r;
}

int reader_open(const char *path, OutsideAnswer *a) {
        Way w = { .fd = -EBADF };
        int r;

        a->reason[0] = '\0';
        r = path[0] == '/' ? way_walk(&w, path, a) : -EINVAL;
        if (r >= 0)
                return w.fd;
        safe_close(w.fd);
        if (isempty(a->reason))
                answer_unknown(a, r == -ENOENT ? "%s does not exist." : "Cannot look at %s: %s.", path, strerror(-r));
        return r;
}

/* --- what it leads to --- */

void read_path(const OutsideQuestion *q, OutsideAnswer *a) {
        _cleanup_close_ int fd = reader_open(q->subject, a);

        if (fd >= 0)
                path_answer(q, fd, a);
        else if (q->kind == CONDITION_FILE_EXISTS && (fd == -ENOENT || fd == -ENOTDIR))
                answer_known(a, false, 0);
}

/* --- directories --- */

static int64_t count_entries(DIR *dir) {
        const struct dirent *de;
        int64_t n = 0;

        errno = 0;
        while (n <= ENTRIES_MAX && (de = readdir(dir)))
                n += !streq(de->d_name, ".") && !streq(de->d_name, "..");
        return errno != 0 ? -errno : n;
}

void read_entries(const OutsideQuestion *q, OutsideAnswer *a) {
        _cleanup_close_ int fd = reader_open(q->subject, a);
        int64_t n = -EIO;
        int list_fd;
        DIR *dir;

        if (fd < 0)
                return;
        list_fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        dir = list_fd >= 0 ? fdopendir(list_fd) : NULL;
        if (dir) {
                n = count_entries(dir);
                (void)closedir(dir);
        } else {
                n = -errno;
                safe_close(list_fd);
        }
        if (n < 0)
                answer_unknown(a, "Cannot count the entries of %s: %s.", q->subject, strerror((int)-n));
        else
                answer_known(a, n, 0);
}
