/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reading directories: first the watch is added, then the directory is read through the same file descriptor, so
 * nothing can come in between unseen and nothing that is swapped meanwhile leads elsewhere. A directory is read in
 * steps of a bounded number of entries; events that arrive in between are worked on in between. What a reading has not
 * come by is looked at once more by name before it is called gone.
 *
 * Directories wait in one queue, last in first out, so that the queue stays about as long as the tree is deep and wide
 * and a directory is read while its parent is still in the caches. */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>

#include "util/steps.h"
#include "watch/tree.h"
#include "watch/watch-internal.h"

#define SCAN_STEP     256U
#define SCAN_BUFFER   (32 * 1024)
#define GONE_STEP     128U
#define POLL_STEP     256U
#define SLOTS_STEP    1024U
#define POSTPONED_MAX 256U /* times that a reading gives way to events */
#define TREE_EVENTS                                                                                          \
        (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | \
         IN_MOVE_SELF | IN_ONLYDIR) /* IN_ATTRIB: times that are set count as a change */

/* --- the queue --- */

void tree_queue(Tree *t, Directory *f, uint32_t flags) {
        if (flags & DIRECTORY_MOVED)
                f->mover = f->flags & DIRECTORY_MOVED ? (Writer){} : t->mover; /* twice: not known who */
        f->flags |= flags;
        if ((f->flags & DIRECTORY_QUEUED) || !tree_is_attached(t, f))
                return;
        f->flags |= DIRECTORY_QUEUED;
        TAILQ_INSERT_HEAD(&t->scans, f, queue);
        watch_wake(t->watch);
}

void tree_dequeue(Tree *t, Directory *f) {
        if (t->scan.directory == f)
                tree_scan_abort(t);
        if (t->open_directory == f)
                t->open_directory = NULL;
        if (!(f->flags & DIRECTORY_QUEUED))
                return;
        f->flags &= ~(uint32_t)DIRECTORY_QUEUED;
        TAILQ_REMOVE(&t->scans, f, queue);
}

void tree_set_directory_flag(Tree *t, Directory *f, uint32_t flag, bool on) {
        size_t *count = flag == DIRECTORY_POLLED       ? &t->n_polled
                        : flag == DIRECTORY_UNREADABLE ? &t->n_unreadable
                        : flag == DIRECTORY_LOOK_ONCE  ? &t->n_look_once
                        : flag == DIRECTORY_REMOTE     ? &t->n_remote
                                                       : NULL;

        bool was_polled = f->flags & DIRECTORY_LOOK_AGAIN;

        if (!!(f->flags & flag) == on)
                return;
        assert(on || !count || *count > 0);
        f->flags = on ? f->flags | flag : f->flags & ~flag;
        if (!was_polled && (f->flags & DIRECTORY_LOOK_AGAIN))
                TAILQ_INSERT_TAIL(&t->polled, f, polled);
        else if (was_polled && !(f->flags & DIRECTORY_LOOK_AGAIN))
                TAILQ_REMOVE(&t->polled, f, polled);
        if (count)
                *count += on ? 1 : (size_t)-1;
        if (on && flag != DIRECTORY_COVERED && t->poll_at == USEC_INFINITY)
                t->poll_at = usec_add(t->watch->watcher->now_monotonic, t->poll_interval);
}

/* --- beginning --- */

uint32_t tree_mask(const Tree *t) {
        unsigned events = t->watch->def.events;

        return TREE_EVENTS | (events & WATCH_WRITE ? IN_MODIFY : 0);
}

/* Where the kernel refuses or does not tell all, the directory is read again from time to time. */
static void scan_subscribe(Tree *t, Directory *f, int fd) {
        bool polled = (f->flags & DIRECTORY_REMOTE) || t->watch->def.backend == WATCH_BACKEND_POLL;
        int r = 0;

        if (t->watch->def.backend != WATCH_BACKEND_POLL)
                r = tree_subscribe(t, f, fd);
        tree_set_directory_flag(t, f, DIRECTORY_POLLED, polled || r < 0);
}

/* Another inode than last time means that all below may be another one, too. On the device of its parent, which has
 * been asked before, it is on the same file system. */
static int scan_identify(Tree *t, Directory *f, int fd) {
        const Directory *parent = f->parent;
        FileSystemTraits traits = {};
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (parent && (parent->flags & DIRECTORY_READ) && parent->device == st.st_dev)
                traits.is_remote = parent->flags & DIRECTORY_REMOTE;
        else
                (void)file_system_traits(fd, &traits);
        tree_set_directory_flag(t, f, DIRECTORY_REMOTE, traits.is_remote);
        if (f->inode != st.st_ino || f->device != st.st_dev) {
                if (f->inode != 0)
                        f->flags |= DIRECTORY_DEEP;
                f->inode = st.st_ino;
                f->device = st.st_dev;
        }
        return 0;
}

static int scan_open(Tree *t, Directory *f, int *ret_fd) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = tree_open_root(t);
        if (r >= 0)
                r = directory_path(f, &t->scan.path);
        if (r >= 0 && t->scan.path.length > WATCH_PATH_MAX)
                r = -ENAMETOOLONG;
        if (r < 0)
                return r;
        fd = open_directory_beneath(t->root_fd, path_text_string(&t->scan.path), t->scan.path.length,
                                    t->watch->def.cross_mounts);
        if (fd < 0)
                return fd;
        r = scan_identify(t, f, fd);
        if (r < 0)
                return r;
        tree_outgrow(t);
        scan_subscribe(t, f, fd);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* What cannot be opened is not there, is covered, or is tried again later. */
static void scan_refused(Tree *t, Directory *f, int error) {
        switch (error) {
        case -ESTALE:
        case -ENOENT:
        case -ENOTDIR:
        case -ELOOP:
                if (f->parent && error != -ESTALE)
                        tree_look(t, f->parent, f->entry->name, f->entry->length, /* mask= */ 0);
                else
                        tree_resolve_later(t);
                return;
        case -EXDEV:
                tree_unsubscribe(t, f);
                tree_set_directory_flag(t, f, DIRECTORY_COVERED, true);
                return;
        default:
                tree_set_directory_flag(t, f, DIRECTORY_UNREADABLE, true);
        }
}

static void scan_begin(Tree *t, Directory *f) {
        Scan *s = &t->scan;
        int r, fd;

        assert(!s->directory && s->fd < 0); /* one at a time */
        if (!s->buffer)
                s->buffer = malloc(SCAN_BUFFER + CANDIDATES_MAX * sizeof(Candidate));
        s->candidates = s->buffer ? (void *)(s->buffer + SCAN_BUFFER) : NULL;
        r = s->buffer ? scan_open(t, f, &fd) : -ENOMEM;
        if (r < 0) {
                scan_refused(t, f, r);
                return;
        }
        /* What is asked for while it is read is for the next reading. */
        s->flags = f->flags & (DIRECTORY_DEEP | DIRECTORY_MOVED);
        s->flags |= f->flags & DIRECTORY_COVERED ? DIRECTORY_DEEP : 0;
        s->mover = f->mover;
        f->flags &= ~(uint32_t)(DIRECTORY_DEEP | DIRECTORY_MOVED);
        f->flags &= ~(uint32_t)DIRECTORY_UNSETTLED;
        tree_set_directory_flag(t, f, DIRECTORY_UNREADABLE, false);
        tree_set_directory_flag(t, f, DIRECTORY_COVERED, false);
        tree_set_directory_flag(t, f, DIRECTORY_LOOK_ONCE, false);
        s->is_new = f->entries.n_nodes == 0;
        f->cursor = 0;
        f->flags ^= DIRECTORY_GENERATION;
        f->flags |= DIRECTORY_BUSY;
        s->directory = f;
        s->fd = fd;
        s->used = s->at = 0;
        s->is_read = false;
}

void tree_scan_abort(Tree *t) {
        if (t->scan.directory) {
                t->scan.directory->flags &= ~(uint32_t)DIRECTORY_BUSY;
                t->scan.directory->flags |= t->scan.is_read ? 0 : t->scan.flags;
        }
        t->scan.directory = NULL;
        t->scan.n_candidates = 0;
        t->scan.fd = safe_close(t->scan.fd);
}

/* --- reading --- */

static void scan_seen_directory(Tree *t, Directory *f, Entry *e) {
        uint32_t flags = t->scan.flags;

        e->flags = (uint8_t)((e->flags & ~ENTRY_SEEN) | (f->flags & DIRECTORY_GENERATION ? ENTRY_SEEN : 0));
        if (t->watch->def.recursive && (flags != 0 || (e->directory->flags & (DIRECTORY_COVERED | DIRECTORY_LOADED)) ||
                                        !(e->directory->flags & DIRECTORY_READ)))
                tree_queue(t, e->directory, flags);
}

/* A name that is of interest; its path stands in the scan until scan_forget_path(). */
static bool scan_set_path(Tree *t, const char *name, bool is_directory) {
        const PathFilter *filter = t->watch->def.filter;
        Scan *s = &t->scan;

        if (path_text_append(&s->path, name, strlen(name)) < 0)
                return false;
        return is_directory ? path_filter_descends(filter, path_text_string(&s->path), s->path.length)
                            : path_filter_matches(filter, path_text_string(&s->path), s->path.length, false);
}

static void scan_forget_path(Scan *s, size_t before) {
        s->path.length = before;
        s->path.bytes[before] = '\0';
}

/* o: of its state, and how that was asked for. */
static void scan_see(Tree *t, const char *name, Observation *o) {
        Scan *s = &t->scan;
        size_t before = s->path.length;

        if (scan_set_path(t, name, S_ISDIR(o->st->st_mode))) {
                o->directory = s->directory;
                o->name = o->file = name;
                o->length = strlen(name);
                o->path = path_text_string(&s->path);
                o->path_length = s->path.length;
                o->dir_fd = s->fd;
                o->moved = s->flags & DIRECTORY_MOVED;
                tree_see(t, o);
        }
        scan_forget_path(s, before);
}

/* A new file that has to be asked whether it is complete: true when it was, or is of no interest. What that takes is
 * done for several at once: what is heard is read after the last of them was asked. */
static bool scan_ask(Tree *t, const char *name) {
        Scan *s = &t->scan;
        size_t before = s->path.length;
        bool is_wanted = scan_set_path(t, name, /* is_directory= */ false);
        Candidate *c = s->candidates + s->n_candidates;

        scan_forget_path(s, before);
        if (!is_wanted)
                return true;
        assert(s->n_candidates < CANDIDATES_MAX);
        if (s->n_candidates == 0)
                s->is_ours = directory_is_ours_alone(s->fd);
        if (stat_and_ask(s->fd, name, s->is_ours, &c->st, &c->birth, &c->finished) < 0)
                return false;
        c->name = name;
        s->n_candidates++;
        return true;
}

static void scan_see_candidates(Tree *t) {
        Scan *s = &t->scan;

        if (s->n_candidates > 0)
                tree_hear(t);
        for (size_t i = 0; i < s->n_candidates && s->directory; i++) {
                const Candidate *c = &s->candidates[i];

                scan_see(t, c->name,
                         &(Observation){ .st = &c->st, .birth = c->birth, .is_asked = true, .finished = c->finished });
        }
        s->n_candidates = 0;
}

/* Most directories are known as such by what getdents64(2) says: no need to ask for more. */
static void scan_entry(Tree *t, const char *name, uint64_t inode, unsigned char type) {
        struct stat st = { .st_ino = inode, .st_mode = S_IFDIR };
        bool is_enough = type == DT_DIR && !t->watch->def.directories;
        uint32_t birth = 0;
        Scan *s = &t->scan;
        Directory *f = s->directory;
        bool is_remote = f->flags & DIRECTORY_REMOTE;
        Entry *e = s->is_new && type == DT_DIR ? NULL : directory_find(f, name, strlen(name));

        if (e && (e->flags & ENTRY_DIRECTORY) && is_enough && !(s->flags & DIRECTORY_MOVED)) {
                scan_seen_directory(t, f, e);
                return;
        }
        if (!e && type == DT_REG && !is_remote && !tree_is_silent(t) && (t->watch->def.events & WATCH_COMPLETE) &&
            scan_ask(t, name))
                return;
        if ((is_enough && (!e || (e->flags & ENTRY_DIRECTORY))) ||
            stat_with_birth(s->fd, name, is_remote, &st, &birth) >= 0)
                scan_see(t, name, &(Observation){ .st = &st, .birth = birth });
}

/* 1: the next one is in the buffer; 0: read to the end; negative errno. What is in the buffer is done with then. */
static int scan_fill(Scan *s) {
        ssize_t n;

        assert(s->at <= s->used);
        if (s->at < s->used)
                return 1;
        assert(s->n_candidates == 0);
        n = getdents64(s->fd, s->buffer, SCAN_BUFFER);
        if (n <= 0)
                return n < 0 ? -errno : 0;
        s->used = (size_t)n;
        s->at = 0;
        return 1;
}

/* 1: more may come; 0: read to the end; negative errno. The path is made anew in each step: the directory may have
 * moved meanwhile. */
static int scan_some(Tree *t) {
        Scan *s = &t->scan;
        int r;

        r = directory_path(s->directory, &s->path);
        for (unsigned n = 0; r >= 0 && n < SCAN_STEP; n++) {
                const struct dirent64 *d;

                if (s->at == s->used || s->n_candidates == CANDIDATES_MAX)
                        scan_see_candidates(t);
                r = s->directory ? scan_fill(s) : 1; /* it may have been lost while it was read */
                if (r <= 0 || !s->directory)
                        return r;
                d = (const void *)(s->buffer + s->at);
                s->at += d->d_reclen;
                if (!streq(d->d_name, ".") && !streq(d->d_name, "..") && !name_is_private(d->d_name))
                        scan_entry(t, d->d_name, d->d_ino, d->d_type);
                if (!s->directory)
                        return 1;
        }
        scan_see_candidates(t);
        return r;
}

/* --- ending --- */

/* The reading did not come by, perhaps because it was renamed just then. */
static void scan_verify(Tree *t, Directory *f, Entry *e) {
        char name[NAME_MAX + 1];
        uint32_t birth;
        struct stat st;
        size_t n = e->length;

        memcpy(name, e->name, n + 1); /* the entry may go while it is looked at */
        if (stat_with_birth(t->scan.fd, e->name, f->flags & DIRECTORY_REMOTE, &st, &birth) < 0) {
                tree_lose(t, f, e, /* mask= */ 0);
                return;
        }
        e->flags ^= ENTRY_SEEN;
        if (directory_path_of(f, name, n, &t->path) >= 0)
                tree_see(t, &(Observation){ .directory = f,
                                            .name = name,
                                            .length = n,
                                            .path = path_text_string(&t->path),
                                            .path_length = t->path.length,
                                            .dir_fd = t->scan.fd,
                                            .file = name,
                                            .st = &st,
                                            .birth = birth,
                                            .moved = t->scan.flags & DIRECTORY_MOVED });
}

/* Some of the entries that are gone; true when there are no more. What comes in meanwhile has been seen, and the slots
 * stay as they are but for more at their end. */
static bool scan_verify_some(Tree *t) {
        Directory *f = t->scan.directory;
        Entry *unseen[2 * GONE_STEP];
        size_t n = 0;

        assert(f->flags & DIRECTORY_BUSY); /* it keeps its slots */
        for (unsigned slots = 0; f->cursor < f->entries.n_slots && n < GONE_STEP && slots < SLOTS_STEP; slots++) {
                for (Entry *e = entry_in_slot(f, f->cursor); e && n < ELEMENTSOF(unseen); e = entry_next(e))
                        if (!!(e->flags & ENTRY_SEEN) != !!(f->flags & DIRECTORY_GENERATION))
                                unseen[n++] = e;
                if (n < ELEMENTSOF(unseen)) /* else there may be more */
                        f->cursor++;
                steps_taken++;
        }
        for (size_t i = 0; i < n; i++)
                scan_verify(t, f, unseen[i]);
        return f->cursor >= f->entries.n_slots;
}

static void scan_end(Tree *t) {
        Directory *f = t->scan.directory;

        if (!scan_verify_some(t))
                return;
        f->flags &= ~(uint32_t)DIRECTORY_LOADED;
        f->flags |= DIRECTORY_READ;
        if (!(f->flags & DIRECTORY_MOVED)) /* not again meanwhile */
                directory_end_move(f);
        tree_scan_abort(t);
}

/* What has been heard says more than what is found: who did it. So it comes first, as long as it comes to an end. */
static bool scan_has_to_wait(Tree *t) {
        if (t->fan && watcher_hear(t->watch->watcher) && t->n_postponed++ < POSTPONED_MAX)
                return true;
        t->n_postponed = 0;
        return false;
}

static bool tree_work_some_scan(Tree *t) {
        Directory *f = TAILQ_FIRST(&t->scans);
        int r;

        if (!t->scan.directory) {
                if (!f)
                        return false;
                if (scan_has_to_wait(t))
                        return true;
                tree_dequeue(t, f);
                if (tree_is_attached(t, f))
                        scan_begin(t, f);
                if (!t->scan.directory)
                        return true;
        }
        t->mover = t->scan.mover;
        if (!tree_is_attached(t, t->scan.directory)) { /* moved away meanwhile */
                tree_scan_abort(t);
                return true;
        }
        r = t->scan.is_read ? 0 : scan_some(t);
        if (r < 0) {
                tree_set_directory_flag(t, t->scan.directory, DIRECTORY_UNREADABLE, true);
                tree_scan_abort(t);
        } else if (r == 0) {
                t->scan.is_read = true;
                scan_end(t);
        }
        return true;
}

bool tree_work_scan(Tree *t) {
        bool worked = tree_work_some_scan(t);

        t->mover = (Writer){};
        return worked;
}

void tree_poll(Tree *t) {
        t->n_to_poll = t->n_polled + t->n_unreadable + t->n_look_once; /* those that are several come as often */
        t->closing_looks -= t->closing_looks > 0;
}

bool tree_work_poll(Tree *t) {
        if (t->n_to_poll == 0)
                return false;
        for (unsigned n = 0; n < POLL_STEP && t->n_to_poll > 0; n++) {
                Directory *f = TAILQ_FIRST(&t->polled);

                t->n_to_poll = f ? t->n_to_poll - 1 : 0;
                if (!f)
                        break;
                TAILQ_REMOVE(&t->polled, f, polled);
                TAILQ_INSERT_TAIL(&t->polled, f, polled);
                tree_queue(t, f, 0);
        }
        steps_taken += POLL_STEP;
        return true;
}
