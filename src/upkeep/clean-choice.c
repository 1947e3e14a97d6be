/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The choice among all files that were seen: sorted by age, and the oldest go while a rule has too many, or a file
 * system too little room. A file takes 24 bytes and its name. Of more than clean_limits.files, the newer half is
 * forgotten, because these would go last; what rules have is counted before.
 *
 * A file is looked at again before it goes. If one of its times has changed, it is not the file that was chosen.
 *
 * How much is free is asked of the file system, and not added up: what a process still has open has not come free. But
 * some file systems free later (btrfs), so they are asked to finish before more than necessary goes. */

#include <fcntl.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "fs/beneath.h"
#include "upkeep/clean-internal.h"
#include "util/hash.h"
#include "util/strv.h"

#define ASK_AGAIN 64U /* files after which others may have made room, too */

/* --- what is remembered --- */

int remember_directory(Clean *c, const Place *p, uint32_t parent, const char *name, size_t n, uint32_t *ret) {
        RememberedDirectory *d;
        uint32_t at;
        int r;

        if (c->n_directories >= clean_limits.directories)
                return -E2BIG;
        r = names_add(&c->directory_names, name, n, &at);
        if (r < 0)
                return r;
        d = ARRAY_NEXT(c->directories, c->n_directories);
        if (!d)
                return -ENOMEM;
        *d = (RememberedDirectory){
                .inode = p->inode,
                .device = p->device,
                .acting = p->acting,
                .parent = parent,
                .name = at,
        };
        *ret = c->n_directories++;
        return 0;
}

static int compare_files(const void *a, const void *b) {
        const RememberedFile *x = a, *y = b;

        if (x->when != y->when)
                return x->when < y->when ? -1 : 1;
        return x->name < y->name ? -1 : x->name > y->name;
}

static void sort_files(Clean *c) {
        if (c->n_files > 0)
                qsort(c->files, c->n_files, sizeof(RememberedFile), compare_files);
}

/* With their names, so that these do not take all memory either. */
static int forget_newest(Clean *c) {
        Names names = {};
        int r = 0;

        sort_files(c);
        c->n_forgotten += c->n_files - c->n_files / 2;
        c->n_files /= 2;
        for (uint32_t i = 0; r >= 0 && i < c->n_files; i++) {
                const char *name = c->file_names.bytes + c->files[i].name;

                r = names_add(&names, name, strlen(name), &c->files[i].name);
        }
        free(c->file_names.bytes);
        c->file_names = names;
        return r;
}

int remember_file(Clean *c, uint32_t directory, const char *name, const struct statx *s) {
        bool has_links = s->stx_nlink > 1 && !S_ISLNK(s->stx_mode);
        int64_t before = has_links ? links_count(c, (uint32_t)c->rule, s, 1) : 0;
        RememberedFile *f;
        uint32_t at;
        int r;

        if (before < 0)
                return (int)before;
        c->rules[c->rule].n_files++;
        if (before == 0)
                c->rules[c->rule].bytes += s->stx_blocks * 512;
        r = c->n_files >= clean_limits.files ? forget_newest(c) : 0;
        if (r >= 0)
                r = names_add(&c->file_names, name, strlen(name), &at);
        if (r < 0)
                return r;
        f = ARRAY_NEXT(c->files, c->n_files);
        if (!f)
                return -ENOMEM;
        *f = (RememberedFile){
                .when = entry_time(c, s),
                .blocks = s->stx_blocks,
                .rule = c->rule,
                .has_links = has_links,
                .directory = directory,
                .name = at,
        };
        c->n_files++;
        return 0;
}

/* --- files with several names --- */

static uint32_t hash_of(uint32_t rule, dev_t device, ino_t inode) {
        const uint64_t key[] = { rule, device, inode };

        return (uint32_t)hash_bytes(hash_seed(), key, sizeof(key));
}

static uint32_t rehash(const HashNode *node, const void *userdata) {
        const LinkCount *l = (const LinkCount *)node;

        return hash_of(l->rule, l->device, l->inode);
}

int64_t links_count(Clean *c, uint32_t rule, const struct statx *s, int64_t change) {
        dev_t device = makedev(s->stx_dev_major, s->stx_dev_minor);
        uint32_t hash = hash_of(rule, device, s->stx_ino);
        LinkCount *l = NULL;
        int64_t before;

        for (HashNode *n = hash_table_chain(&c->links, hash); n; n = n->next) {
                LinkCount *found = (LinkCount *)n;

                if (found->rule == rule && found->device == device && found->inode == s->stx_ino)
                        l = found;
        }
        if (!l) {
                if (change < 0 || c->links.n_nodes >= clean_limits.links)
                        return 0;
                l = calloc(1, sizeof(*l));
                if (!l || hash_table_reserve(&c->links) < 0) {
                        free(l);
                        return -ENOMEM;
                }
                *l = (LinkCount){ .device = device, .inode = s->stx_ino, .rule = rule };
                hash_table_put(&c->links, &l->node, hash, rehash, NULL);
        }
        before = l->n_names;
        l->n_names = (uint32_t)(before + change);
        return before;
}

static void links_done(Clean *c) {
        for (uint32_t i = 0; i < c->links.n_slots; i++)
                for (HashNode *n = c->links.slots[i], *next; n; n = next) {
                        next = n->next;
                        free(n);
                }
        hash_table_done(&c->links);
}

/* --- directories, once more --- */

/* The path from its root; or, with absolute, from /. */
static int directory_path(Clean *c, uint32_t directory, bool absolute, PathText *ret) {
        uint32_t chain[CLEAN_DEPTH_MAX + 1];
        size_t n = 0;

        do {
                assert(n < ELEMENTSOF(chain) && directory < c->n_directories);
                chain[n++] = directory;
                directory = c->directories[directory].parent;
        } while (directory != NOTHING);
        path_text_clear(ret);
        for (size_t i = n - !absolute; i > 0; i--) {
                const char *name = c->directory_names.bytes + c->directories[chain[i - 1]].name;

                if (path_text_append(ret, name, strlen(name)) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static uint32_t root_of(const Clean *c, uint32_t directory) {
        while (c->directories[directory].parent != NOTHING)
                directory = c->directories[directory].parent;
        return directory;
}

static int open_root(Clean *c, const RememberedDirectory *d, Place *ret) {
        const char *path = c->directory_names.bytes + d->name;

        return place_open(c, path, ret, NULL);
}

static int open_below(Clean *c, uint32_t directory, const Place *root, Place *ret) {
        const RememberedDirectory *d = &c->directories[directory];
        _cleanup_(path_text_done) PathText path = {};
        struct stat st;
        int r, fd;

        r = directory_path(c, directory, /* absolute= */ false, &path);
        if (r < 0)
                return r;
        fd = open_directory_beneath(root->fd, path.bytes, path.length, /* cross_mounts= */ false);
        if (fd < 0)
                return fd;
        *ret = (Place){ .fd = fd, .device = d->device, .inode = d->inode, .acting = d->acting };
        if (fstat(fd, &st) < 0)
                r = -errno;
        else if (st.st_dev != d->device || st.st_ino != d->inode || st.st_uid != d->acting.uid ||
                 (d->acting.kind == ACTING_SELF && own_uid() == 0 && guarded_is_shared(fd, &st)))
                r = -ESTALE;
        else
                r = take_lock(c, fd, d->acting.uid);
        if (r < 0)
                place_close(ret);
        return r;
}

/* A directory that is open already is not opened twice: the lock of the first one would keep us out. *ret is valid
 * until OPEN_PLACES others have been opened. */
static int place_of(Clean *c, uint32_t directory, const Place **ret) {
        const RememberedDirectory *d = &c->directories[directory];
        const Place *root = NULL;
        OpenPlace *o;
        Place p;
        int r;

        for (size_t i = 0; i < OPEN_PLACES; i++) {
                o = &c->places[i];
                if ((o->place.fd < 0 && !o->error) || o->place.inode != d->inode || o->place.device != d->device)
                        continue;
                *ret = &o->place;
                return -o->error;
        }
        actor_done(&c->actor);
        if (d->parent != NOTHING) {
                r = place_of(c, root_of(c, directory), &root);
                if (r >= 0)
                        r = open_below(c, directory, root, &p);
        } else
                r = open_root(c, d, &p);
        if (r >= 0 && (p.inode != d->inode || p.device != d->device)) {
                place_close(&p);
                r = -ESTALE;
        }
        if (r == -ENOMEM)
                return r;
        o = &c->places[c->next_place++ % OPEN_PLACES];
        place_close(&o->place);
        if (r < 0)
                p = (Place){ .fd = -EBADF, .inode = d->inode, .device = d->device };
        *o = (OpenPlace){ .place = p, .error = r < 0 ? -r : 0 };
        *ret = &o->place;
        return r;
}

/* --- removal --- */

static int set_path(Clean *c, uint32_t directory, const char *name) {
        int r = directory_path(c, directory, /* absolute= */ true, &c->path);

        return r < 0 || !name ? r : path_text_append(&c->path, name, strlen(name));
}

static void forget_file(Clean *c, RememberedFile *f, const struct statx *s) {
        Rule *rule = &c->rules[f->rule];

        f->is_done = true;
        rule->n_files--;
        if (!f->has_links || !s || links_count(c, f->rule, s, -1) <= 1)
                rule->bytes -= MIN(rule->bytes, f->blocks * 512);
        c->directories[f->directory].n_left -= c->directories[f->directory].n_left > 0;
}

/* 1: it is gone; 0: it stays. */
static int remove_file(Clean *c, RememberedFile *f, const char *reason) {
        const char *name = c->file_names.bytes + f->name;
        const Place *p;
        struct statx s;
        int r;

        r = set_path(c, f->directory, name);
        if (r < 0)
                return r;
        r = place_of(c, f->directory, &p);
        if (r == -ENOMEM)
                return r;
        f->is_done = true; /* it is not tried twice */
        if (r < 0) {
                clean_report(c, r == -EAGAIN ? CLEAN_KEPT : CLEAN_REFUSED, false,
                             r == -EAGAIN ? "is in a directory that is locked (flock(2))"
                                          : "is in a directory that was replaced meanwhile");
                return 0;
        }
        actor_done(&c->actor);
        if (statx(p->fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, ENTRY_MASK, &s) < 0) {
                if (errno == ENOENT)
                        forget_file(c, f, NULL);
                else
                        clean_report(c, CLEAN_FAILED, false, strerror(errno));
                return 0;
        }
        if (entry_time(c, &s) != f->when || !(S_ISREG(s.stx_mode) || S_ISLNK(s.stx_mode))) {
                clean_report(c, CLEAN_KEPT, false, "has changed meanwhile");
                return 0;
        }
        r = entry_remove(c, p, name, &s, reason);
        if (r > 0) {
                forget_file(c, f, &s);
                c->directories[f->directory].is_touched = true;
        }
        return r;
}

/* By what there is at the beginning: that older ones cannot go is no reason for the newest. What was forgotten is
 * newer than all that is remembered. */
static void keep_newest(Clean *c) {
        for (size_t i = 0; c->def->paths[i]; i++)
                c->rules[i].n_newer = c->rules[i].n_files;
        for (uint32_t i = 0; i < c->n_files; i++)
                c->rules[c->files[i].rule].n_newer--;
        for (uint32_t i = c->n_files; i-- > 0;)
                c->files[i].is_newest = c->rules[c->files[i].rule].n_newer++ < c->def->keep_min;
}

/* The reason that a rule by itself has; NULL: none. */
static const char *reason_of_rule(const Clean *c, const RememberedFile *f) {
        const Rule *rule = &c->rules[f->rule];

        if (f->is_newest)
                return NULL;
        if (is_older(c, f->when))
                return "is older than MaxAge=";
        if (rule->n_files > c->def->max_count)
                return "is beyond MaxCount=";
        return rule->bytes > c->def->max_size ? "is beyond MaxSize=" : NULL;
}

/* Too many files to remember them all: what should go, too, is left for the next run. */
static bool has_left_some(const Clean *c, const Rule *rule) {
        if (c->n_forgotten == 0 || rule->n_files <= c->def->keep_min)
                return false;
        return rule->n_files > c->def->max_count || rule->bytes > c->def->max_size ||
               (c->n_files > 0 && is_older(c, c->files[c->n_files - 1].when));
}

static int apply_rules(Clean *c) {
        int r = 0;

        for (uint32_t i = 0; r >= 0 && i < c->n_files; i++) {
                const char *reason = reason_of_rule(c, &c->files[i]);

                if (reason)
                        r = remove_file(c, &c->files[i], reason);
        }
        for (size_t i = 0; r >= 0 && c->def->paths[i]; i++) {
                if (!has_left_some(c, &c->rules[i]))
                        continue;
                path_text_clear(&c->path);
                r = path_text_append(&c->path, c->def->paths[i], strlen(c->def->paths[i]));
                if (r >= 0)
                        clean_report(c, CLEAN_REFUSED, false, "has too many files for one run: the rest is left");
        }
        return r;
}

/* --- room --- */

typedef struct Room {
        uint64_t bytes, inodes;           /* free, for others than root */
        uint64_t want_bytes, want_inodes; /* 0 = nothing is wanted */
} Room;

static uint64_t mark_of(const CleanMark *mark, uint64_t all) {
        return MAX(mark->bytes, all / 10000 * mark->permyriad + all % 10000 * mark->permyriad / 10000);
}

static int room_of(const Clean *c, int fd, Room *ret) {
        struct statvfs s;

        if (fstatvfs(fd, &s) < 0)
                return -errno;
        *ret = (Room){
                .bytes = s.f_bavail * s.f_frsize,
                .inodes = s.f_favail,
                .want_bytes = mark_of(&c->def->until_free, s.f_blocks * s.f_frsize),
                .want_inodes = s.f_files > 0 ? mark_of(&c->def->until_inodes_free, s.f_files) : 0,
        };
        return 0;
}

static bool has_room(const Room *r) {
        return r->bytes >= r->want_bytes && r->inodes >= r->want_inodes;
}

static const char *reason_of_room(const Room *r) {
        return r->bytes < r->want_bytes ? "is among the oldest, for UntilFree="
                                        : "is among the oldest, for UntilInodesFree=";
}

/* What counts as free: in a plan, what would be. */
static int look_again(const Clean *c, int fd, Room *room, const Room *counted) {
        int r;

        if (c->is_plan) {
                *room = *counted;
                return 0;
        }
        r = room_of(c, fd, room);
        if (r < 0 || has_room(room) || !has_room(counted))
                return r;
        (void)syncfs(fd);
        return room_of(c, fd, room);
}

static bool is_on(const Clean *c, const RememberedFile *f, dev_t device) {
        return c->directories[f->directory].device == device;
}

static int make_room(Clean *c, uint32_t directory) {
        dev_t device = c->directories[directory].device;
        _cleanup_close_ int fd = -EBADF;
        Room room, counted;
        const Place *p;
        int r;

        r = set_path(c, directory, NULL);
        if (r >= 0)
                r = place_of(c, directory, &p);
        if (r == -ENOMEM)
                return r;
        if (r >= 0)
                fd = fcntl(p->fd, F_DUPFD_CLOEXEC, 0);
        if (r >= 0)
                r = fd < 0 ? -errno : room_of(c, fd, &room);
        if (r < 0) {
                clean_report(c, CLEAN_FAILED, true, strerror(-r));
                return 0;
        }
        counted = room;
        for (uint32_t i = 0, n = 0; !has_room(&room) && i < c->n_files; i++) {
                RememberedFile *f = &c->files[i];
                CleanTotals before = c->totals;

                if (f->is_done || f->is_newest || !is_on(c, f, device))
                        continue;
                r = remove_file(c, f, reason_of_room(&room));
                if (r < 0)
                        return r;
                counted.bytes += c->totals.bytes - before.bytes;
                counted.inodes += c->totals.n_inodes - before.n_inodes;
                if (has_room(&counted) || ++n % ASK_AGAIN == 0) {
                        r = look_again(c, fd, &room, &counted);
                        if (r < 0)
                                break;
                        counted = room;
                }
        }
        if (r >= 0 && has_room(&room))
                return 0;
        if (set_path(c, directory, NULL) < 0)
                return -ENOMEM;
        clean_report(c, r < 0 ? CLEAN_FAILED : CLEAN_REFUSED, true,
                     r < 0 ? strerror(-r) : "is on a file system that has too little room, and nothing more may go");
        return 0;
}

/* Once for each file system. */
static int make_rooms(Clean *c) {
        int r = 0;

        for (uint32_t d = 0; r >= 0 && d < c->n_directories; d++) {
                bool is_first = c->directories[d].parent == NOTHING;

                for (uint32_t e = 0; is_first && e < d; e++)
                        is_first = c->directories[e].parent != NOTHING ||
                                   c->directories[e].device != c->directories[d].device;
                if (is_first)
                        r = make_room(c, d);
        }
        return r;
}

/* --- the end --- */

/* Children come after their parents. */
static int remove_empty_directories(Clean *c) {
        int r = 0;

        for (uint32_t i = c->n_directories; r >= 0 && i-- > 0;) {
                RememberedDirectory *d = &c->directories[i];
                const Place *child, *above;
                Place held;

                if (!d->is_touched || d->n_left > 0 || d->parent == NOTHING)
                        continue;
                r = set_path(c, i, NULL);
                if (r >= 0)
                        r = place_of(c, i, &child);
                if (r >= 0) {
                        held = *child;
                        held.fd = fcntl(child->fd, F_DUPFD_CLOEXEC, 0);
                        r = place_of(c, d->parent, &above);
                        if (r >= 0)
                                r = entry_remove_directory(c, above, c->directory_names.bytes + d->name, &held,
                                                           "has become empty");
                        safe_close(held.fd);
                }
                if (r > 0) {
                        c->directories[d->parent].is_touched = true;
                        c->directories[d->parent].n_left -= c->directories[d->parent].n_left > 0;
                }
                if (r < 0 && r != -ENOMEM)
                        r = 0;
        }
        return r;
}

/* What --plan says about the others. */
static int report_kept(Clean *c) {
        int r = 0;

        for (uint32_t i = 0; r >= 0 && i < c->n_files; i++) {
                const RememberedFile *f = &c->files[i];

                if (f->is_done)
                        continue;
                r = set_path(c, f->directory, c->file_names.bytes + f->name);
                if (r >= 0)
                        clean_report(c, CLEAN_KEPT, false,
                                     f->is_newest ? "is among the newest, for KeepMin=" : "is within the limits");
        }
        return r;
}

int choose(Clean *c) {
        int r;

        sort_files(c);
        keep_newest(c);
        r = apply_rules(c);
        if (r >= 0)
                r = make_rooms(c);
        if (r >= 0 && c->def->empty_directories)
                r = remove_empty_directories(c);
        if (r >= 0 && c->is_plan)
                r = report_kept(c);
        return r < 0 ? r : 0;
}

void choice_done(Clean *c) {
        for (size_t i = 0; i < OPEN_PLACES; i++)
                place_close(&c->places[i].place);
        links_done(c);
        free(c->files);
        free(c->directories);
        free(c->file_names.bytes);
        free(c->directory_names.bytes);
}
