/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The lines of /proc/self/mountinfo (proc_pid_mountinfo(5)), sorted, and the difference between two readings. Two
 * mounts are the same if id and path are; the kernel reuses ids, but a path that got a new mount with the old id
 * between two readings is the same path with a new device, which its watch notices itself. */

#include "fs/mount-table.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "util/array.h"
#include "util/strv.h"

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x00004000U /* Linux 6.8 */
#endif

#define KNOWN_MAX 16U /* mounts */

typedef struct Mount {
        long id;
        char *path;
        bool is_known_local;
} Mount;

typedef struct MountList {
        Mount *mounts;
        size_t n_mounts;
} MountList;

struct MountTable {
        int fd;
        MountList list;
};

static void mount_list_done(MountList *l) {
        for (size_t i = 0; i < l->n_mounts; i++)
                free(l->mounts[i].path);
        l->mounts = mfree(l->mounts);
        l->n_mounts = 0;
}

/* Space, tab, newline and backslash are written as \ooo. */
static void unescape(char *s) {
        char *out = s;

        for (; *s; s++) {
                if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' &&
                    s[3] <= '7') {
                        *out++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
                        s += 3;
                } else
                        *out++ = *s;
        }
        *out = '\0';
}

/* Of others there is no telling: see is_remote_type(). */
static bool is_known_local_type(const char *type) {
        static const char *const types[] = { "btrfs", "ext2", "ext3", "ext4", "tmpfs", "xfs" };

        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                if (streq(type, types[i]))
                        return true;
        return false;
}

static int mount_list_add(MountList *l, long id, const char *path, bool is_known_local) {
        Mount *m = ARRAY_NEXT(l->mounts, l->n_mounts);

        if (!m)
                return -ENOMEM;
        *m = (Mount){ .id = id, .path = strdup(path), .is_known_local = is_known_local };
        if (!m->path)
                return -ENOMEM;
        unescape(m->path);
        l->n_mounts++;
        return 0;
}

/* "36 35 98:0 /root /mount/point options … - type source options" */
static int mount_list_add_line(MountList *l, char *line) {
        char *field = line, *end, *type = strstr(line, " - ");
        long id = strtol(line, &end, 10);

        if (type) {
                type += strlen(" - ");
                type[strcspn(type, " \n")] = '\0';
        }

        for (int i = 0; i < 4 && field; i++) {
                field = strchr(field, ' ');
                field = field ? field + 1 : NULL;
        }
        if (end == line || !field)
                return 0; /* not a line that we know */
        field[strcspn(field, " \n")] = '\0';
        return mount_list_add(l, id, field, type && is_known_local_type(type));
}

static int mount_compare(const void *a, const void *b) {
        const Mount *m = a, *n = b;
        int r = strcmp(m->path, n->path);

        return r != 0 ? r : (m->id > n->id) - (m->id < n->id);
}

static int mount_list_read(MountList *ret) {
        _cleanup_free_ char *line = NULL;
        MountList l = {};
        size_t size = 0;
        FILE *f;
        int r = 0;

        /* Opened again: a read only marks the change as seen where epoll waits, and a rewound file may be
         * inconsistent. */
        f = fopen("/proc/self/mountinfo", "re");
        if (!f)
                return -errno;
        while (r >= 0 && getline(&line, &size, f) > 0)
                r = mount_list_add_line(&l, line);
        (void)fclose(f);
        if (r < 0) {
                mount_list_done(&l);
                return r;
        }
        if (l.n_mounts > 0)
                qsort(l.mounts, l.n_mounts, sizeof(Mount), mount_compare);
        *ret = l;
        return 0;
}

int mount_table_update(MountTable *t, void (*changed)(void *userdata, const char *path), void *userdata) {
        size_t i = 0, k = 0;
        MountList l;
        int r, n = 0;

        r = mount_list_read(&l);
        if (r < 0)
                return r;
        while (i < t->list.n_mounts || k < l.n_mounts) {
                int c = i == t->list.n_mounts ? 1
                        : k == l.n_mounts     ? -1
                                              : mount_compare(&t->list.mounts[i], &l.mounts[k]);

                if (c != 0) {
                        if (changed)
                                changed(userdata, c < 0 ? t->list.mounts[i].path : l.mounts[k].path);
                        n++;
                }
                i += c <= 0;
                k += c >= 0;
        }
        assert(i == t->list.n_mounts && k == l.n_mounts);
        mount_list_done(&t->list);
        t->list = l;
        return n;
}

/* --- who answers --- */

/* What comes behind a dot is a kind of FUSE: "fuse.sshfs". */
static bool is_remote_type(const char *type) {
        static const char *const types[] = {
                "9p",    "afs",      "autofs", "beegfs", "ceph",   "cifs",   "coda",     "davfs",
                "fuse",  "fuseblk",  "gfs2",   "gpfs",   "lustre", "ncpfs",  "nfs",      "nfs4",
                "ocfs2", "orangefs", "pvfs2",  "smb3",   "smbfs",  "vboxsf", "virtiofs",
        };
        size_t n = strcspn(type, ". \n");

        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                if (strlen(types[i]) == n && memcmp(types[i], type, n) == 0)
                        return true;
        return false;
}

/* A FUSE that neither root nor we have mounted: its program is anybody's. (On a block device only root can mount one,
 * so the table is not read for the usual file systems.) The source of a mount is free text, in which blanks are
 * escaped. */
static bool is_users_fuse(const char *type) {
        const char *source = strchr(type, ' '), *options = source ? strchr(source + 1, ' ') : NULL;
        const char *user = options ? strstr(options, ",user_id=") : NULL;
        unsigned long uid = user ? strtoul(user + strlen(",user_id="), NULL, 10) : 0;

        return startswith(type, "fuse") && uid != 0 && uid != geteuid();
}

/* "36 35 98:0 /root /mount/point options … - type source options". -ENOENT: it is not mounted. */
static int mount_is(const struct statx *s, bool (*is_wanted)(const char *type)) {
        _cleanup_free_ char *line = NULL;
        bool has_id = s->stx_mask & STATX_MNT_ID;
        unsigned major, minor;
        int found = -ENOENT;
        size_t size = 0;
        uint64_t id;
        FILE *f;

        f = fopen("/proc/self/mountinfo", "re");
        while (f && found == -ENOENT && getline(&line, &size, f) > 0)
                if (sscanf(line, "%" SCNu64 " %*d %u:%u", &id, &major, &minor) == 3 &&
                    (has_id ? id == s->stx_mnt_id : major == s->stx_dev_major && minor == s->stx_dev_minor)) {
                        const char *type = strstr(line, " - ");

                        found = type && is_wanted(type + 3);
                }
        if (f)
                (void)fclose(f);
        return found;
}

/* The mount of our root directory is not in the table of a chroot(2). */
static bool is_on_root(const struct statx *s) {
        struct statx root;

        return statx(AT_FDCWD, "/", AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_MNT_ID, &root) >= 0 &&
               root.stx_mnt_id == s->stx_mnt_id;
}

static int ask_mount(int fd, unsigned mask, struct statx *ret) {
        int r = statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE | mask, ret);

        return r < 0 ? -errno : 0;
}

/* The last mounts that were found to be of a type that nobody else answers for. What a mount is never changes, and no
 * other mount ever gets this number (Linux 6.8): to read the table for each change of a file would take a third of
 * the time until its run. */
static uint64_t known_local[KNOWN_MAX];

static uint64_t *known_local_place(uint64_t unique_id) {
        return &known_local[unique_id % KNOWN_MAX];
}

/* What was unmounted since it was opened (umount -l) is in no table, and still asked: its user could have done that
 * in between. */
static int check_mount(int fd, struct statx *s, bool (*is_refused)(const char *type)) {
        uint64_t unique_id = s->stx_mask & STATX_MNT_ID_UNIQUE ? s->stx_mnt_id : 0;
        int r = unique_id > 0 ? ask_mount(fd, STATX_MNT_ID, s) : 0;

        if (r >= 0)
                r = mount_is(s, is_refused);
        if (r == -ENOENT)
                return (s->stx_mask & STATX_MNT_ID) && !is_on_root(s) ? -EREMOTE : 0;
        if (r == 0 && unique_id > 0 && mount_is(s, is_remote_type) == 0)
                *known_local_place(unique_id) = unique_id;
        return r > 0 ? -EREMOTE : r;
}

static int check_device(int fd, bool (*is_refused)(const char *type), dev_t *device) {
        dev_t before = *device;
        struct statx s;
        int r;

        r = ask_mount(fd, STATX_MNT_ID | STATX_MNT_ID_UNIQUE, &s);
        if (r < 0)
                return r;
        *device = makedev(s.stx_dev_major, s.stx_dev_minor);
        if (*device == before || (is_refused == is_users_fuse && s.stx_dev_major != 0))
                return 0;
        if ((s.stx_mask & STATX_MNT_ID_UNIQUE) && *known_local_place(s.stx_mnt_id) == s.stx_mnt_id)
                return 0;
        return check_mount(fd, &s, is_refused);
}

int file_is_local(int fd, dev_t *device) {
        return check_device(fd, is_remote_type, device);
}

int file_is_answered(int fd, dev_t *device) {
        return check_device(fd, is_users_fuse, device);
}

/* --- the table --- */

bool mount_table_has(const MountTable *t, const char *path) {
        size_t i = BISECT(t->list.n_mounts, k, strcmp(t->list.mounts[k].path, path) < 0);

        return i < t->list.n_mounts && streq(t->list.mounts[i].path, path);
}

bool mount_table_id_is_known_local(const MountTable *t, int id) {
        for (size_t i = 0; i < t->list.n_mounts; i++)
                if (t->list.mounts[i].id == id)
                        return t->list.mounts[i].is_known_local;
        return false;
}

int mount_table_fd(const MountTable *t) {
        return t->fd;
}

int mount_table_new(MountTable **ret) {
        _cleanup_(mount_table_freep) MountTable *t = NULL;
        int r;

        t = calloc(1, sizeof(*t));
        if (!t)
                return -ENOMEM;
        t->fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        if (t->fd < 0)
                return -errno;
        r = mount_list_read(&t->list);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

MountTable *mount_table_free(MountTable *t) {
        if (!t)
                return NULL;
        mount_list_done(&t->list);
        safe_close(t->fd);
        return mfree(t);
}
