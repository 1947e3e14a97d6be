/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A tree is read without recursion: each directory to its end, where files are decided at once and the names of
 * directories are put on a stack, and then these. One descriptor for each level is open at a time, so that nothing has
 * to be found again on the way up, whatever was moved. */

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "upkeep/clean-internal.h"

#define READ_SIZE (256U * 1024)

typedef struct Level {
        Place place;
        size_t path_length;
        size_t names;    /* where its directories begin among the pending ones */
        uint32_t index;  /* as a RememberedDirectory; or NOTHING */
        uint32_t n_left; /* entries */
        bool had_entries;
        bool is_old; /* as MaxAge= says */
} Level;

typedef struct Walk {
        Clean *c;
        Level *levels;
        size_t n_levels;
        Names pending; /* each with its NUL; of the deepest level last */
        char *buffer;
} Walk;

static void walk_done(Walk *w) {
        while (w->n_levels > 0)
                place_close(&w->levels[--w->n_levels].place);
        free(w->levels);
        free(w->pending.bytes);
        free(w->buffer);
}

int names_add(Names *n, const char *name, size_t length, uint32_t *ret) {
        if (n->length + length + 1 > n->n_allocated) {
                size_t bigger = MAX(n->n_allocated * 2, n->length + length + 4096);
                char *bytes;

                if (bigger > UINT32_MAX)
                        return -E2BIG;
                bytes = realloc(n->bytes, bigger);
                if (!bytes)
                        return -ENOMEM;
                n->bytes = bytes;
                n->n_allocated = bigger;
        }
        memcpy(n->bytes + n->length, name, length);
        n->bytes[n->length + length] = '\0';
        *ret = (uint32_t)n->length;
        n->length += length + 1;
        return 0;
}

static void path_cut(PathText *path, size_t n) {
        assert(n <= path->length);
        path->length = n;
        path->bytes[n] = '\0';
}

/* Files of a sticky directory are looked at as ourselves, those of another user's as that user. */
static int become_reader(Walk *w, const Place *p) {
        if (p->acting.kind != ACTING_OWNER) {
                actor_done(&w->c->actor);
                return 0;
        }
        return actor_become(&w->c->actor, &p->acting, p->acting.uid);
}

static void keep(Clean *c, bool is_directory, const char *reason) {
        if (c->is_plan)
                clean_report(c, CLEAN_KEPT, is_directory, reason);
}

/* Without memory, the walk goes on without a limit. */
static OwnerUse *owner_use(Clean *c, uid_t uid) {
        size_t at = BISECT(c->n_owners, i, c->owners[i].uid < uid);
        OwnerUse *use;

        if (at < c->n_owners && c->owners[at].uid == uid)
                return &c->owners[at];
        use = ARRAY_INSERT(c->owners, c->n_owners, at);
        if (use)
                *use = (OwnerUse){ .uid = uid };
        return use;
}

/* A user other than us must not keep us so busy that the files of others stay. */
static bool has_used_all(const OwnerUse *use) {
        return use && use->uid != own_uid() &&
               (use->n_entries > clean_limits.owner_entries || use->time > clean_limits.owner_time);
}

/* --- entries --- */

static int remember(Walk *w, const char *name, const struct statx *s) {
        Clean *c = w->c;

        for (size_t i = w->levels[w->n_levels - 1].index == NOTHING ? 0 : w->n_levels; i < w->n_levels; i++) {
                Level *l = &w->levels[i];
                size_t begin = i == 0 ? 0 : w->levels[i - 1].path_length + 1;
                int r;

                if (l->index != NOTHING)
                        continue;
                r = remember_directory(c, &l->place, i == 0 ? NOTHING : w->levels[i - 1].index, c->path.bytes + begin,
                                       l->path_length - begin, &l->index);
                if (r < 0)
                        return r;
        }
        return remember_file(c, w->levels[w->n_levels - 1].index, name, s);
}

static bool belongs_to_file_system(const Place *p, const char *name, const struct statx *s) {
        if (!p->is_mount_root || s->stx_uid != 0)
                return false;
        if (S_ISDIR(s->stx_mode))
                return streq(name, "lost+found");
        return streq(name, ".journal") || streq(name, "aquota.user") || streq(name, "aquota.group");
}

/* 1: it is gone; 0: it stays, at least for now; -EISDIR: it is a directory; -ENOMEM. */
static int take_file(Walk *w, const Level *l, const char *name) {
        Clean *c = w->c;
        struct statx s;

        if (statx(l->place.fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, ENTRY_MASK, &s) < 0) {
                if (errno == ENOENT)
                        return 1;
                clean_report(c, CLEAN_FAILED, false, strerror(errno));
                return 0;
        }
        if (S_ISDIR(s.stx_mode))
                return -EISDIR;
        if (belongs_to_file_system(&l->place, name, &s)) {
                keep(c, false, "belongs to the file system");
                return 0;
        }
        if (c->remembers && (S_ISREG(s.stx_mode) || S_ISLNK(s.stx_mode)))
                return remember(w, name, &s);
        return entry_decide(c, &l->place, name, &s);
}

static int take_directory(Walk *w, const char *name, size_t n) {
        uint32_t at;

        if (!w->c->def->recursive)
                keep(w->c, true, "is a directory, and Recursive=no");
        else if (w->pending.length + n > clean_limits.pending)
                clean_report(w->c, CLEAN_REFUSED, true, "is one of too many directories");
        else
                return names_add(&w->pending, name, n, &at) < 0 ? -ENOMEM : 1;
        return 0;
}

/* The same, but of a directory 1 is that it is pending. */
static int take_entry(Walk *w, const Level *l, const struct dirent64 *entry) {
        const char *name = entry->d_name;
        size_t n = strlen(name);
        Clean *c = w->c;
        int r = -EISDIR;

        path_cut(&c->path, l->path_length);
        if (path_text_append(&c->path, name, n) < 0)
                return -ENOMEM;
        if (is_excluded(c, entry->d_type == DT_DIR)) {
                keep(c, entry->d_type == DT_DIR, "is excluded");
                return 0;
        }
        if (entry->d_type != DT_DIR)
                r = take_file(w, l, name);
        return r == -EISDIR ? take_directory(w, name, n) : r;
}

/* --- directories --- */

static int take_entries(Walk *w, Level *l, OwnerUse *use) {
        for (;;) {
                ssize_t n = syscall(SYS_getdents64, l->place.fd, w->buffer, READ_SIZE);

                if (n < 0 && errno != ENOENT) /* it was removed meanwhile */
                        return -errno;
                if (n <= 0)
                        return 0;
                for (ssize_t at = 0; at < n;) {
                        const struct dirent64 *entry = (const void *)(w->buffer + at);
                        int r;

                        at += entry->d_reclen;
                        if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
                                continue;
                        if (use && ++use->n_entries && has_used_all(use))
                                return -EDQUOT;
                        l->had_entries = true;
                        r = take_entry(w, l, entry);
                        if (r < 0)
                                return r;
                        l->n_left += r == 0;
                }
        }
}

/* To its end, and the directories in it become pending. */
static int read_directory(Walk *w) {
        Level *l = &w->levels[w->n_levels - 1];
        OwnerUse *use = owner_use(w->c, l->place.acting.uid);
        usec_t since = now_boottime();
        int r;

        r = become_reader(w, &l->place);
        if (r >= 0)
                r = take_entries(w, l, use);
        if (use)
                use->time += usec_sub(now_boottime(), since);
        if (r >= 0 || r == -ENOMEM)
                return r;
        path_cut(&w->c->path, l->path_length);
        l->n_left++;
        if (r == -EDQUOT)
                clean_report(w->c, CLEAN_REFUSED, true, "belongs to a user with too many files: the rest is left");
        else
                clean_report(w->c, CLEAN_FAILED, true, strerror(-r));
        return 0;
}

static int push(Walk *w, const Place *p, bool is_old) {
        Level *l = ARRAY_NEXT(w->levels, w->n_levels);

        if (!l)
                return -ENOMEM;
        *l = (Level){
                .place = *p,
                .path_length = w->c->path.length,
                .names = w->pending.length,
                .index = NOTHING,
                .is_old = is_old,
        };
        w->n_levels++;
        return 0;
}

static const char *open_problem(int r) {
        switch (-r) {
        case EPERM:
                return "has another owner than the directory that it is in, who could have put it there";
        case EACCES:
                return "is writable by other users and has no sticky bit";
        case ESTALE:
                return "was replaced meanwhile";
        default:
                return strerror(-r);
        }
}

/* The directory that a name was a moment ago. */
static int open_same(Clean *c, const Place *above, const char *name, const struct statx *s, Place *ret) {
        int fd = openat(above->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOATIME), r;
        struct stat st;

        if (fd < 0 && errno == EPERM)
                fd = openat(above->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0) {
                r = errno == ELOOP || errno == ENOTDIR ? -ESTALE : -errno;
                if (r == -EACCES && own_uid() != 0 && s->stx_uid != own_uid())
                        keep(c, true, "belongs to another user");
                else if (r != -ENOENT)
                        clean_report(c, r == -ESTALE || r == -EMFILE ? CLEAN_REFUSED : CLEAN_FAILED, true,
                                     r == -ESTALE ? open_problem(r) : strerror(-r));
                return r;
        }
        *ret = (Place){ .fd = fd, .device = above->device, .inode = s->stx_ino };
        if (fstat(fd, &st) < 0)
                r = -errno;
        else if (st.st_ino != s->stx_ino || st.st_dev != above->device || st.st_uid != s->stx_uid)
                r = -ESTALE;
        else
                r = acting_below(&above->acting, fd, &st, &ret->acting);
        if (r >= 0)
                r = take_lock(c, fd, above->acting.uid);
        if (r == -EAGAIN)
                clean_report(c, CLEAN_KEPT, true, "is locked (flock(2))");
        else if (r < 0)
                clean_report(c, CLEAN_REFUSED, true, open_problem(r));
        if (r < 0)
                place_close(ret);
        return r;
}

/* Its path is c->path. 1: it is the deepest level now; 0: it stays; -ENOENT: it is gone; -ENOMEM. */
static int enter_directory(Walk *w, const char *name) {
        const Level *above = &w->levels[w->n_levels - 1];
        Clean *c = w->c;
        struct statx s;
        Place p;
        int r;

        r = become_reader(w, &above->place);
        if (r >= 0 && statx(above->place.fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
                            ENTRY_MASK, &s) < 0)
                r = -errno;
        if (r == -ENOENT)
                return r;
        if (r < 0)
                clean_report(c, CLEAN_FAILED, true, strerror(-r));
        else if (!S_ISDIR(s.stx_mode))
                clean_report(c, CLEAN_REFUSED, false, open_problem(-ESTALE));
        else if ((s.stx_attributes & STATX_ATTR_MOUNT_ROOT) ||
                 makedev(s.stx_dev_major, s.stx_dev_minor) != above->place.device)
                keep(c, true, "is another file system");
        else if (belongs_to_file_system(&above->place, name, &s))
                keep(c, true, "belongs to the file system");
        else if (w->n_levels >= CLEAN_DEPTH_MAX)
                clean_report(c, CLEAN_REFUSED, true, "is too deep");
        else if (has_used_all(owner_use(c, s.stx_uid)))
                clean_report(c, CLEAN_REFUSED, true, "belongs to a user with too many files");
        else {
                r = open_same(c, &above->place, name, &s, &p);
                if (r == -ENOENT)
                        return r;
                if (r < 0)
                        return 0;
                r = push(w, &p, is_older(c, directory_time(&s)));
                if (r < 0)
                        place_close(&p);
                return r < 0 ? r : 1;
        }
        return 0;
}

/* 1: it is gone. */
static int remove_empty(Walk *w, const Level *l) {
        const Level *above = &w->levels[w->n_levels - 1];
        const char *name = w->c->path.bytes + above->path_length + 1;

        if (l->had_entries)
                return entry_remove_directory(w->c, &above->place, name, &l->place, "has become empty");
        if (l->is_old)
                return entry_remove_directory(w->c, &above->place, name, &l->place, "is empty and older than MaxAge=");
        keep(w->c, true, "is empty, but not as old as MaxAge=");
        return 0;
}

static int leave_directory(Walk *w) {
        Level l = w->levels[--w->n_levels];
        int r = 0;

        path_cut(&w->c->path, l.path_length);
        if (l.index != NOTHING)
                w->c->directories[l.index].n_left = l.n_left;
        if (w->n_levels > 0) {
                if (w->c->def->empty_directories && l.n_left == 0)
                        r = remove_empty(w, &l);
                w->levels[w->n_levels - 1].n_left += r == 0;
        }
        place_close(&l.place);
        return r;
}

/* The last of the pending ones. */
static int next_directory(Walk *w) {
        Level *l = &w->levels[w->n_levels - 1];
        const char *last = w->pending.bytes + w->pending.length - 1, *begin = w->pending.bytes + l->names,
                   *nul = memrchr(begin, '\0', (size_t)(last - begin)), *name = nul ? nul + 1 : begin;
        int r;

        path_cut(&w->c->path, l->path_length);
        if (path_text_append(&w->c->path, name, (size_t)(last - name)) < 0)
                return -ENOMEM;
        w->pending.length = (size_t)(name - w->pending.bytes);
        r = enter_directory(w, w->c->path.bytes + l->path_length + 1);
        if (r > 0)
                return read_directory(w);
        l->n_left += r == 0;
        return r == -ENOENT ? 0 : r;
}

int walk_tree(Clean *c, const Place *root) {
        _cleanup_(walk_done) Walk w = { .c = c, .buffer = malloc(READ_SIZE) };
        int r;

        r = w.buffer ? push(&w, root, /* is_old= */ false) : -ENOMEM;
        if (r < 0) {
                safe_close(root->fd);
                return r;
        }
        r = read_directory(&w);
        while (r >= 0 && w.n_levels > 0)
                r = w.pending.length > w.levels[w.n_levels - 1].names ? next_directory(&w) : leave_directory(&w);
        return r < 0 ? r : 0;
}
