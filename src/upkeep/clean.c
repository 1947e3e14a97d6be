/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a path of a rule means, and what is told about each entry. A path is opened anew when files in it are removed
 * at the end, since there may be more of them than a process may have open. */

#include <fcntl.h>
#include <sys/file.h>
#include <sys/sysmacros.h>

#include "fs/beneath.h"
#include "upkeep/clean-internal.h"
#include "upkeep/patterns.h"
#include "util/file.h"
#include "util/nofile.h"
#include "util/size.h"
#include "util/strv.h"

CleanLimits clean_limits = {
        .owner_entries = 20000000,
        .owner_time = USEC_PER_HOUR,
        .files = UINT32_C(1) << 22,
        .directories = UINT32_C(1) << 22,
        .pending = (size_t)64 << 20,
        .links = 1000000,
        .locked = 10000,
};

/* --- places --- */

void place_close(Place *p) {
        p->fd = safe_close(p->fd);
}

int take_lock(Clean *c, int fd, uid_t directory_uid) {
        uid_t users[] = { 0, own_uid(), directory_uid, 0 };
        bool is_acting = c->actor.scope.is_entered, is_held;
        struct stat st;

        if (flock(fd, LOCK_EX | LOCK_NB) >= 0 || errno != EWOULDBLOCK)
                return 0;
        if (fstat(fd, &st) < 0 || c->n_locked++ >= clean_limits.locked)
                return -EAGAIN;
        users[3] = st.st_uid;
        actor_done(&c->actor);
        is_held = flock_is_held_by(st.st_dev, st.st_ino, users, ELEMENTSOF(users));
        if (is_acting && identity_enter(&c->actor.scope, &c->actor.identity) < 0)
                return -EAGAIN;
        return is_held ? -EAGAIN : 0;
}

int place_open(Clean *c, const char *path, Place *ret, char **reterr) {
        GuardedDirectory d;
        struct statx s;
        int r, fd;

        r = guarded_open(path, &d, reterr);
        if (r < 0)
                return r;
        fd = open_directory_beneath(d.fd, "", 0, /* cross_mounts= */ false);
        guarded_close(&d);
        if (fd < 0)
                return fd;
        r = statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &s) < 0 ? -errno : take_lock(c, fd, d.uid);
        if (r < 0) {
                safe_close(fd);
                return r;
        }
        *ret = (Place){
                .fd = fd,
                .device = d.device,
                .inode = d.inode,
                .acting = acting_in_guarded(&d),
                .is_mount_root = s.stx_attributes & STATX_ATTR_MOUNT_ROOT,
        };
        return 0;
}

/* --- what is told --- */

static void report(Clean *c, CleanAct act, bool is_directory, uint64_t bytes, usec_t age, const char *reason) {
        const CleanEvent e = {
                .act = act,
                .path = path_text_string(&c->path),
                .n = c->path.length,
                .is_directory = is_directory,
                .bytes = bytes,
                .age = age,
                .reason = reason,
        };

        c->totals.n_refused += act == CLEAN_REFUSED;
        c->totals.n_failed += act == CLEAN_FAILED;
        c->report(c->userdata, &e);
}

void clean_report(Clean *c, CleanAct act, bool is_directory, const char *reason) {
        report(c, act, is_directory, 0, USEC_INFINITY, reason);
}

void clean_report_file(Clean *c, CleanAct act, const struct statx *s, usec_t when, const char *reason) {
        report(c, act, S_ISDIR(s->stx_mode), s->stx_blocks * 512, usec_sub(c->now, when), reason);
}

bool is_excluded(const Clean *c, bool is_directory) {
        return c->filter && !path_filter_matches(c->filter, c->path.bytes + 1, c->path.length - 1, is_directory);
}

/* --- paths of a rule --- */

static int add_directory(Clean *c, const char *path) {
        _cleanup_free_ char *error = NULL;
        Place p;
        int r;

        r = place_open(c, path, &p, &error);
        if (r == -ENOMEM || r == -ENOTDIR)
                return r;
        if (r == -EAGAIN)
                clean_report(c, CLEAN_KEPT, true, "is locked (flock(2))");
        else if (r == -ENOENT)
                clean_report(c, CLEAN_SKIPPED, true, "does not exist");
        else if (r < 0)
                clean_report(c, CLEAN_REFUSED, true, error ?: strerror(-r));
        if (r < 0)
                return 0;
        return walk_tree(c, &p);
}

/* Opens the directory that a file is in, unless the last file was in the same one. */
static int open_parent(Clean *c, const char *path, size_t n) {
        _cleanup_free_ char *error = NULL, *parent = strndup(path, MAX(n, (size_t)1));
        int r;

        if (!parent)
                return -ENOMEM;
        if (c->parent.fd >= 0 && streq(parent, c->parent_path))
                return 1;
        place_close(&c->parent);
        free(c->parent_path);
        c->parent_path = TAKE_PTR(parent);
        c->parent_index = NOTHING;
        r = place_open(c, c->parent_path, &c->parent, &error);
        if (r == -EAGAIN)
                clean_report(c, CLEAN_KEPT, false, "is in a directory that is locked (flock(2))");
        else if (r < 0 && r != -ENOENT && r != -ENOMEM)
                clean_report(c, CLEAN_REFUSED, false, error ?: strerror(-r));
        return r < 0 ? MIN(r, 0) : 1;
}

static int add_file(Clean *c, const char *name, const struct statx *s) {
        int r;

        if (!c->remembers || !(S_ISREG(s->stx_mode) || S_ISLNK(s->stx_mode)))
                return entry_decide(c, &c->parent, name, s);
        if (c->parent_index == NOTHING) {
                r = remember_directory(c, &c->parent, NOTHING, c->parent_path, strlen(c->parent_path),
                                       &c->parent_index);
                if (r < 0)
                        return r;
        }
        return remember_file(c, c->parent_index, name, s);
}

static int add_match(Clean *c, const char *path, bool is_literal) {
        const char *slash = strrchr(path, '/');
        struct statx s;
        int r;

        assert(path[0] == '/');
        path_text_clear(&c->path);
        r = path_text_append(&c->path, path, strlen(path));
        if (r >= 0)
                r = open_parent(c, path, (size_t)(slash - path));
        if (r <= 0)
                return r;
        if (statx(c->parent.fd, slash + 1, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, ENTRY_MASK, &s) < 0) {
                if (errno != ENOENT)
                        clean_report(c, CLEAN_FAILED, false, strerror(errno));
                else if (!glob_is_pattern(c->def->paths[c->rule]))
                        clean_report(c, CLEAN_SKIPPED, false, "does not exist");
                return 0;
        }
        if (is_excluded(c, S_ISDIR(s.stx_mode))) {
                if (c->is_plan)
                        clean_report(c, CLEAN_KEPT, S_ISDIR(s.stx_mode), "is excluded");
                return 0;
        }
        if (!is_literal && (s.stx_attributes & STATX_ATTR_MOUNT_ROOT)) {
                if (c->is_plan)
                        clean_report(c, CLEAN_KEPT, true, "is another file system, and matched by a pattern only");
                return 0;
        }
        r = -ENOTDIR;
        if (S_ISDIR(s.stx_mode) || (is_literal && S_ISLNK(s.stx_mode)))
                r = add_directory(c, path);
        return r == -ENOTDIR ? add_file(c, slash + 1, &s) : r;
}

static int add_name(Clean *c, const Workplace *place, const char *name, bool is_literal) {
        _cleanup_free_ char *path = NULL;

        int r;

        if (string_format(&path, "%s/%s", place->path, name) < 0)
                return -ENOMEM;
        r = add_match(c, path, is_literal);
        actor_done(&c->actor);
        return r;
}

static int on_place(void *userdata, Workplace *place, const Pattern *p) {
        const char *literal = pattern_literal(p);
        _cleanup_(closedirp) DIR *dir = NULL;
        const struct dirent *entry;
        Clean *c = userdata;
        int r = 0;

        if (literal)
                return add_name(c, place, literal, /* is_literal= */ true);
        dir = workplace_list(place);
        while (r >= 0 && dir && (entry = readdir(dir)))
                if (pattern_matches(p, entry->d_name) && !streq(entry->d_name, ".") && !streq(entry->d_name, ".."))
                        r = add_name(c, place, entry->d_name, /* is_literal= */ false);
        return r;
}

static void on_refused(void *userdata, const char *path, int error, const char *reason) {
        Clean *c = userdata;

        path_text_clear(&c->path);
        if (path_text_append(&c->path, path, strlen(path)) < 0)
                return;
        if (error == -ENOENT)
                clean_report(c, CLEAN_SKIPPED, false, "does not exist");
        else
                clean_report(c, CLEAN_REFUSED, true, reason ?: strerror(-error));
}

static int look(Clean *c) {
        const PatternVisitor visitor = {
                .visit = on_place,
                .refused = on_refused,
                .userdata = c,
                .filter = c->filter,
        };
        int r = 0;

        for (c->rule = 0; r >= 0 && c->def->paths && c->def->paths[c->rule]; c->rule++) {
                _cleanup_(pattern_freep) Pattern *p = NULL;

                r = pattern_new(&p, c->def->paths[c->rule]);
                if (r >= 0)
                        r = pattern_walk(p, &visitor);
                if (r == -EINVAL || r == -E2BIG) {
                        on_refused(c, c->def->paths[c->rule], r, r == -EINVAL ? "is not an absolute path" : NULL);
                        r = 0;
                }
        }
        return r < 0 ? r : 0;
}

/* --- the whole --- */

int clean_new(Clean **ret, const CleanDef *def, usec_t now, bool is_plan, CleanReport on_event, void *userdata) {
        _cleanup_(clean_freep) Clean *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        *c = (Clean){
                .def = def,
                .now = now,
                .is_plan = is_plan,
                .makes_room = def->until_free.bytes > 0 || def->until_free.permyriad > 0 ||
                              def->until_inodes_free.bytes > 0 || def->until_inodes_free.permyriad > 0,
                .report = on_event,
                .userdata = userdata,
                .parent.fd = -EBADF,
        };
        c->remembers =
                c->makes_room || def->max_size != SIZE_ENDLESS || def->max_count != UINT64_MAX || def->keep_min > 0;
        for (size_t i = 0; i < OPEN_PLACES; i++)
                c->places[i].place.fd = -EBADF;
        c->rules = calloc(strv_length(def->paths) + 1, sizeof(Rule));
        if (!c->rules)
                return -ENOMEM;
        if (def->exclude) {
                r = path_filter_new(&c->filter, NULL, def->exclude, NULL);
                if (r < 0)
                        return r;
        }
        if (def->keep_open) {
                r = open_files_read(&c->open_files, &c->totals.n_unseen);
                if (r < 0)
                        return r;
        }
        nofile_limit_raise();
        *ret = TAKE_PTR(c);
        return 0;
}

int clean_do(Clean *c) {
        int r = look(c);

        place_close(&c->parent);
        if (r >= 0 && c->remembers)
                r = choose(c);
        actor_done(&c->actor);
        return r;
}

const CleanTotals *clean_totals(const Clean *c) {
        return &c->totals;
}

Clean *clean_free(Clean *c) {
        if (!c)
                return NULL;
        actor_done(&c->actor);
        place_close(&c->parent);
        free(c->parent_path);
        choice_done(c);
        free(c->rules);
        free(c->owners);
        path_text_done(&c->path);
        path_filter_free(c->filter);
        open_files_free(c->open_files);
        live_sockets_free(c->live_sockets);
        return mfree(c);
}
