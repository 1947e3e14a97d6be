/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a name in a folder is now, what it was, and what that makes of it. Everything that is reported comes through
 * here, whether an event led to it or the reading of a folder.
 *
 * A file that a reading finds may have been written before the folder was watched (then no event will ever tell that
 * it is complete) or still be open (then one will). Whether somebody writes is asked of the kernel by a lease; so each
 * new file is reported as complete once, at the right time. An event about what a reading has reported already is a
 * duplicate as long as the file is the same.
 *
 * Moves are recognised by the inode: what has left is kept for a short time, with all that is below it and its
 * watches, and put in again where it turns up. */

#include <fcntl.h>
#include <limits.h>

#include "watch/watcher-internal.h"

#define RACY_USEC (20 * USEC_PER_MSEC) /* two ticks of the coarsest clock of the kernel (CONFIG_HZ=100) */
#define DROP_STEP 256U                 /* files reported as gone in one step */

static const struct {
        uint32_t mask;
        unsigned event;
} heard[] = {
        { IN_CREATE, WATCH_CREATE }, { IN_MODIFY, WATCH_WRITE },  { IN_CLOSE_WRITE, WATCH_CLOSE },
        { IN_MOVED_TO, WATCH_MOVE }, { IN_ATTRIB, WATCH_ATTRIB },
};

/* --- reporting --- */

static void tree_tell(Tree *t, const char *path, size_t n, const char *from, unsigned events, bool synthetic,
                      bool is_folder) {
        const WatchDef *def = &t->watch->def;
        Change c = { .path = path,
                     .length = n,
                     .from = from,
                     .events = events & def->events,
                     .synthetic = synthetic,
                     .is_folder = is_folder,
                     .pid = t->writer.pid };

        if (c.events == 0 || (is_folder && !def->folders))
                return;
        if (n > 0 && !path_filter_matches(def->filter, path, n, is_folder))
                return;
        if (t->fan && t->writer.group > 0)
                c.cgroup = fan_queue_group_path(t->fan, t->writer.group);
        t->counters.reported++;
        t->counters.synthetic += synthetic;
        watch_report(t->watch, &c);
}

void tree_report(Tree *t, const char *path, size_t n, const char *from, unsigned events, bool synthetic,
                 bool is_folder) {
        if (!synthetic || !t->silent)
                tree_tell(t, path, n, from, events, synthetic, is_folder);
}

/* It was there before the watch began: what is reported are changes. */
static bool is_base_line(const Tree *t, const struct stat *st) {
        return t->silent && !(t->doubtful && timespec_load(&st->st_ctim) >= t->base_time);
}

static void tree_report_sighting(Tree *t, const Sighting *s, const char *from, unsigned events) {
        Writer before = t->writer;

        if (s->mask == 0 && is_base_line(t, s->st))
                return;
        /* Of what is found as it was but elsewhere, it is known who moved it. */
        if (s->mask == 0 && events == WATCH_MOVE)
                t->writer = t->mover;
        tree_tell(t, s->path, s->path_length, from, events, s->mask == 0, S_ISDIR(s->st->st_mode));
        t->writer = before;
}

/* --- what left --- */

static Departed *departed_free(Departed *d) {
        if (!d)
                return NULL;
        (void)entry_free(d->entry);
        free(d->path);
        return mfree(d);
}
DEFINE_CLEANUP(Departed, departed_free)

static int departed_new(Departed **ret, const PathText *path, const Entry *e, bool synthetic, Writer writer) {
        _cleanup_(departed_freep) Departed *d = calloc(1, sizeof(*d));

        if (!d)
                return -ENOMEM;
        d->path = malloc(path->length + 1);
        if (!d->path)
                return -ENOMEM;
        memcpy(d->path, path_text_string(path), path->length + 1);
        d->length = path->length;
        d->inode = e->inode;
        d->synthetic = synthetic;
        d->writer = writer;
        *ret = TAKE_PTR(d);
        return 0;
}

static void tree_give_up(Tree *t, Departed *d) {
        TAILQ_REMOVE(&t->departed, d, order);
        t->n_departed--;
        TAILQ_INSERT_TAIL(&t->drops, d, order);
}

void tree_expire_departed(Tree *t, usec_t now_monotonic) {
        Departed *d;

        while ((d = TAILQ_FIRST(&t->departed)) && d->deadline <= now_monotonic)
                tree_give_up(t, d);
}

static void tree_depart(Tree *t, Departed *d) {
        if (t->n_departed >= DEPARTED_MAX)
                tree_give_up(t, TAILQ_FIRST(&t->departed));
        d->deadline = usec_add(t->now_monotonic, WATCH_MOVE_WINDOW);
        TAILQ_INSERT_TAIL(&t->departed, d, order);
        t->n_departed++;
        tree_arm_timer(t);
}

void tree_lose(Tree *t, Folder *f, Entry *e, uint32_t mask) {
        _cleanup_(departed_freep) Departed *d = NULL;

        /* Without memory it stays in the model, and the next reading of the folder finds it gone again. */
        if (folder_path_of(f, e->name, e->length, &t->from) < 0)
                return;
        if (!(e->flags & ENTRY_FOLDER) && !(mask & IN_MOVED_FROM)) {
                (void)entry_free(folder_take(f, e));
                tree_report(t, path_text_string(&t->from), t->from.length, NULL, WATCH_DELETE, mask == 0,
                            /* is_folder= */ false);
                return;
        }
        if (departed_new(&d, &t->from, e, mask == 0, t->writer) < 0)
                return;
        d->entry = folder_take(f, e);
        if (mask & IN_MOVED_FROM)
                tree_depart(t, d);
        else
                TAILQ_INSERT_TAIL(&t->drops, d, order);
        TAKE_PTR(d);
}

void tree_lose_all(Tree *t) {
        Folder *root = model_root(t->model);

        for (uint32_t n = root->n_entries; n > 0; n--) {
                Entry *first = NULL;

                FOLDER_FOREACH(e, root) {
                        first = e;
                        break;
                }
                if (first)
                        tree_lose(t, root, first, /* mask= */ 0);
        }
}

/* --- what does not come back --- */

static bool model_has(const Model *m, const char *path) {
        const Folder *f = model_root(m);

        while (f) {
                size_t n = strcspn(path, "/");
                const Entry *e = folder_find(f, path, n);

                if (!e)
                        return false;
                if (path[n] == '\0')
                        return true;
                f = e->flags & ENTRY_FOLDER ? e->folder : NULL;
                path += n + 1;
        }
        return false;
}

static void drop_report(Tree *t, const Departed *d, const Folder *f, const Entry *e, bool synthetic) {
        PathText *p = &t->from;

        if (folder_path(f, p) < 0 || path_text_prepend(p, d->path, d->length) < 0)
                return;
        if (e && path_text_append(p, e->name, e->length) < 0)
                return;
        /* Something else may have taken its place. */
        if (model_has(t->model, path_text_string(p)))
                return;
        tree_report(t, path_text_string(p), p->length, NULL, WATCH_DELETE, synthetic, /* is_folder= */ !e);
}

static void drop_finish(Tree *t, Departed *d) {
        TAILQ_REMOVE(&t->drops, d, order);
        (void)departed_free(d);
}

/* Some files of a folder without folders; true when that was the last of them. */
static bool drop_files(Tree *t, const Departed *d, Folder *f) {
        if (!(t->watch->def.events & WATCH_DELETE))
                return true;
        for (uint32_t n = 0; f->cursor < f->n_slots; f->cursor++) {
                if (!f->slots[f->cursor])
                        continue;
                if (n++ == DROP_STEP)
                        return false;
                drop_report(t, d, f, f->slots[f->cursor], /* synthetic= */ true);
        }
        return true;
}

/* One folder at a time: each watch that is given up puts an event into the kernel's queue, which must not run over
 * from that. */
static void drop_folder(Tree *t, Departed *d) {
        Folder *top = d->entry->folder, *f = folder_deepest(top);

        if (!(f->flags & FOLDER_DEPARTED)) {
                f->flags |= FOLDER_DEPARTED;
                f->cursor = 0;
        }
        if (!drop_files(t, d, f))
                return;
        drop_report(t, d, f, NULL, f != top || d->synthetic);
        tree_unsubscribe(t, f);
        tree_dequeue(t, f);
        if (f == top)
                drop_finish(t, d);
        else
                folder_free_leaf(f);
}

bool tree_work_drop(Tree *t) {
        Departed *d = TAILQ_FIRST(&t->drops);

        if (!d)
                return false;
        t->writer = d->writer;
        if (d->entry->flags & ENTRY_FOLDER)
                drop_folder(t, d);
        else {
                if (!model_has(t->model, d->path))
                        tree_report(t, d->path, d->length, NULL, WATCH_DELETE, d->synthetic, /* is_folder= */ false);
                drop_finish(t, d);
        }
        t->writer = (Writer){};
        return true;
}

/* --- what is seen --- */

static bool is_racy(const Tree *t, const struct stat *st) {
        return !t->traits.has_fine_times && usec_add(timespec_load(&st->st_mtim), RACY_USEC) > t->now_realtime;
}

static void entry_set_flag(Entry *e, uint8_t flag, bool on) {
        e->flags = (uint8_t)(on ? e->flags | flag : e->flags & ~flag);
}

/* It stands in the folder's row, too: a start would report a file that was complete and has not changed since. */
static void entry_set_unsettled(Folder *f, Entry *e, bool on) {
        if (!!(e->flags & ENTRY_UNSETTLED) == on)
                return;
        entry_set_flag(e, ENTRY_UNSETTLED, on);
        folder_set_dirty(f);
}

static void entry_set_seen(const Folder *f, Entry *e) {
        entry_set_flag(e, ENTRY_SEEN, f->flags & FOLDER_GENERATION);
}

/* 1, 0, negative errno: it cannot be told. The file was looked at before its writer is asked for; one who has finished
 * in between has changed it since, but then his closing will be heard of. */
static int has_finished(const Sighting *s) {
        FileState then = file_state_from_stat(s->st), now;
        struct stat st;
        int r;

        r = file_has_writer(s->dir_fd, s->name);
        if (r != 0)
                return r < 0 ? r : 0;
        if (fstatat(s->dir_fd, s->name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
                return 0;
        now = file_state_from_stat(&st);
        return then.inode == now.inode && then.content == now.content;
}

/* Has who wrote it finished? again: it looks the same as at the last look. */
static bool is_complete(const Sighting *s, bool again) {
        int r;

        if (!S_ISREG(s->st->st_mode))
                return true;
        r = has_finished(s);
        if (r >= 0)
                return r;
        /* Nobody tells. Where there are no events either, a file that stays as it is for a while has to do. */
        return again || !(s->folder->flags & FOLDER_POLLED);
}

static unsigned events_heard(const Sighting *s) {
        unsigned events = 0;

        for (size_t i = 0; i < ELEMENTSOF(heard); i++)
                if (s->mask & heard[i].mask)
                        events |= heard[i].event;
        /* What is not written after it appeared is never closed: links of both kinds, devices, sockets. */
        if ((events & WATCH_CREATE) && !S_ISDIR(s->st->st_mode) && (!S_ISREG(s->st->st_mode) || s->st->st_nlink > 1))
                events |= WATCH_CLOSE;
        return events;
}

static unsigned events_of_new(const Tree *t, const Sighting *s) {
        unsigned events;

        if (s->mask) {
                events = events_heard(s);
                /* In a folder that is still to be read for the first time, it may have been there all along. */
                if ((events & (WATCH_CREATE | WATCH_MOVE)) || (t->silent && !(s->folder->flags & FOLDER_READ)))
                        return events;
                return events | WATCH_CREATE;
        }
        events = WATCH_CREATE | (s->moved ? WATCH_MOVE : 0);
        if (!is_base_line(t, s->st) && (t->watch->def.events & WATCH_CLOSE) && is_complete(s, /* again= */ false))
                events |= WATCH_CLOSE;
        return events;
}

static Departed *departed_find(const Tree *t, const FileState *state) {
        Departed *d;

        TAILQ_FOREACH_REVERSE(d, &t->departed, DepartedList, order)
        if (d->inode == state->inode && !!(d->entry->flags & ENTRY_FOLDER) == state->is_folder)
                return d;
        return NULL;
}

/* What left has turned up again, under this name. */
static int tree_welcome(Tree *t, Departed *found, const Sighting *s, const FileState *state) {
        _cleanup_(departed_freep) Departed *d = NULL;
        Entry *e;
        int r;

        r = folder_put(s->folder, found->entry, s->name, s->length, &e);
        if (r < 0)
                return r;
        d = found;
        d->entry = NULL;
        TAILQ_REMOVE(&t->departed, d, order);
        t->n_departed--;
        (void)entry_set_state(s->folder, e, state);
        entry_set_flag(e, ENTRY_UNSETTLED | ENTRY_FOUND | ENTRY_FOUND_CLOSED, false);
        entry_set_seen(s->folder, e);
        tree_report_sighting(t, s, d->path, events_heard(s));
        if (state->is_folder && t->watch->def.recursive)
                tree_queue(t, e->folder, FOLDER_DEEP | FOLDER_MOVED);
        return 0;
}

static bool tree_has_room(Tree *t, const Sighting *s, const FileState *state) {
        if (state->is_folder && folder_depth(s->folder) >= WATCH_DEPTH_MAX)
                t->too_deep = true;
        else if (!state->is_folder && model_n_entries(t->model) >= WATCH_ENTRIES_MAX)
                t->too_many = true;
        else
                return true;
        return false;
}

/* Heard of as created, and nobody writes it: made by link(2) out of nothing (O_TMPFILE) or by mknod(2), or its closing
 * is heard of next, as a duplicate. */
static bool is_born_complete(const Tree *t, const Sighting *s, unsigned events) {
        return s->mask && S_ISREG(s->st->st_mode) && !(events & WATCH_COMPLETE) &&
               (t->watch->def.events & WATCH_CLOSE) && has_finished(s) > 0;
}

static void tree_see_new(Tree *t, const Sighting *s, const FileState *state) {
        Departed *d = s->mask & IN_MOVED_TO ? departed_find(t, state) : NULL;
        bool found = s->mask == 0 && !is_base_line(t, s->st);
        unsigned events;
        Entry *e;

        if (d && tree_welcome(t, d, s, state) >= 0)
                return;
        events = events_of_new(t, s);
        if (is_born_complete(t, s, events)) {
                events |= WATCH_CLOSE;
                found = true;
        }
        if (tree_has_room(t, s, state) && folder_add(s->folder, s->name, s->length, state, &e) >= 0) {
                entry_set_seen(s->folder, e);
                entry_set_flag(e, ENTRY_FOUND, found);
                entry_set_flag(e, ENTRY_FOUND_CLOSED, found && (events & WATCH_CLOSE));
                entry_set_flag(e, ENTRY_RACY, found && is_racy(t, s->st));
                entry_set_flag(e, ENTRY_UNSETTLED,
                               state->is_regular && !(events & WATCH_COMPLETE) && !is_base_line(t, s->st));
                if (state->is_folder && !tree_subscribe_seen(t, s, e) && t->watch->def.recursive)
                        tree_queue(t, e->folder, s->moved || (s->mask & IN_MOVED_TO) ? FOLDER_MOVED : 0);
        }
        tree_report_sighting(t, s, NULL, events);
}

static unsigned events_of_known_heard(Tree *t, const Sighting *s, Entry *e, bool same, bool same_status) {
        unsigned events = events_heard(s), all = events;

        if (same && (e->flags & ENTRY_FOUND))
                events &= ~(unsigned)WATCH_CREATE;
        if (same && (e->flags & ENTRY_FOUND_CLOSED) && !(e->flags & ENTRY_RACY))
                events &= ~(unsigned)(WATCH_CREATE | WATCH_WRITE | WATCH_CLOSE | WATCH_MOVE);
        if (same && same_status)
                events &= ~(unsigned)WATCH_ATTRIB;
        if (!same || (s->mask & IN_CLOSE_WRITE))
                entry_set_flag(e, ENTRY_FOUND | ENTRY_FOUND_CLOSED, false);
        t->counters.duplicates += all != 0 && events == 0;
        return events;
}

static unsigned events_of_known_found(const Sighting *s, const Entry *e, bool same, bool same_status) {
        unsigned events = s->moved ? WATCH_MOVE : 0;

        if (!same)
                events |= WATCH_WRITE;
        else if (!same_status)
                events |= WATCH_ATTRIB;
        if ((!same || (e->flags & ENTRY_UNSETTLED)) && is_complete(s, /* again= */ same))
                events |= WATCH_CLOSE;
        return events;
}

static void tree_see_known_file(Tree *t, const Sighting *s, Entry *e, const FileState *state) {
        bool same = entry_has_content(e, state), same_status = entry_has_status(e, state);
        unsigned events;

        entry_set_seen(s->folder, e);
        /* While the base line is read, what stands in the model already has been put there by an event. */
        if (s->mask == 0 && is_base_line(t, s->st))
                return;
        if (s->mask)
                events = events_of_known_heard(t, s, e, same, same_status);
        else
                events = events_of_known_found(s, e, same, same_status);
        (void)entry_set_state(s->folder, e, state);
        if (s->mask == 0 && (events & WATCH_CLOSE)) {
                entry_set_flag(e, ENTRY_FOUND | ENTRY_FOUND_CLOSED, true);
                entry_set_flag(e, ENTRY_RACY, is_racy(t, s->st));
        }
        if (events & WATCH_COMPLETE)
                entry_set_unsettled(s->folder, e, false);
        else if (!same && state->is_regular)
                entry_set_unsettled(s->folder, e, true);
        tree_report_sighting(t, s, NULL, events);
}

/* A folder's own state is of no interest but who it is: if another one stands in its place, or something was laid over
 * it, the reading finds out. */
static void tree_see_known_folder(Tree *t, const Sighting *s, Entry *e, const FileState *state) {
        bool other = e->inode != state->inode || !tree_is_subscribed_to(t, s, e);
        uint32_t flags = (other || (s->mask & IN_MOVED_TO) ? FOLDER_DEEP : 0) | (s->moved ? FOLDER_MOVED : 0);

        entry_set_seen(s->folder, e);
        e->inode = state->inode;
        if (t->watch->def.recursive && (flags != 0 || (e->folder->flags & FOLDER_COVERED)))
                tree_queue(t, e->folder, flags);
        tree_report_sighting(t, s, NULL, s->mask ? events_heard(s) : s->moved ? WATCH_MOVE : 0);
}

void tree_see(Tree *t, const Sighting *s) {
        FileState state = file_state_from_stat(s->st);
        Entry *e = folder_find(s->folder, s->name, s->length);

        /* Something was moved over it: only the one that came is of interest. */
        if (e && !(e->flags & ENTRY_FOLDER) && (s->mask & IN_MOVED_TO) && e->inode != state.inode &&
            departed_find(t, &state)) {
                (void)entry_free(folder_take(s->folder, e));
                e = NULL;
        }
        if (e && (!!(e->flags & ENTRY_FOLDER) != state.is_folder ||
                  ((s->mask & IN_MOVED_FROM) && e->inode != state.inode))) {
                tree_lose(t, s->folder, e, s->mask & IN_MOVED_FROM);
                e = folder_find(s->folder, s->name, s->length);
                if (e)
                        return; /* no memory */
        }
        if (!e)
                tree_see_new(t, s, &state);
        else if (state.is_folder)
                tree_see_known_folder(t, s, e, &state);
        else
                tree_see_known_file(t, s, e, &state);
}

/* --- looking at what an event names --- */

static bool tree_wants(const Tree *t, const char *path, size_t n, bool is_folder) {
        const PathFilter *filter = t->watch->def.filter;

        return is_folder ? path_filter_descends(filter, path, n) : path_filter_matches(filter, path, n, false);
}

/* A folder, open for this turn of the loop. Negative errno. */
static int tree_open_folder(Tree *t, const Folder *f) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        int r;

        if (t->open_folder == f && t->open_fd >= 0)
                return t->open_fd;
        t->open_folder = NULL;
        t->open_fd = safe_close(t->open_fd);
        r = tree_open_root(t);
        if (r >= 0)
                r = folder_path(f, &t->from);
        if (r < 0)
                return r;
        fd = open_folder_beneath(t->root_fd, path_text_string(&t->from), t->from.length, t->watch->def.cross_mounts);
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        /* Another folder has taken this one's place: the parent's event about that is under way. */
        if (f->inode != 0 && (f->inode != st.st_ino || f->device != st.st_dev))
                return -ESTALE;
        t->open_folder = f;
        return t->open_fd = TAKE_FD(fd);
}

/* A file that had no name when it was opened (O_TMPFILE) is closed under the name "#INODE", although it has got a name
 * since. */
static void tree_look_at_nameless(Tree *t, Folder *f, const char *name) {
        char *end, found[NAME_MAX + 1];
        uint64_t inode = strtoull(name + 1, &end, 10);
        size_t n = 0;

        FOLDER_FOREACH(e, f)
        if (*end == '\0' && e->inode == inode && (e->flags & ENTRY_UNSETTLED)) {
                n = e->length;
                memcpy(found, e->name, n + 1);
        }
        if (n > 0)
                tree_look(t, f, found, n, IN_CLOSE_WRITE);
}

void tree_look(Tree *t, Folder *f, const char *name, size_t n, uint32_t mask) {
        struct stat st;
        Entry *e;
        int fd;

        if (name_is_private(name))
                return;
        fd = tree_open_folder(t, f);
        if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM)
                tree_queue(t, f, 0);
        if (fd < 0 || folder_path_of(f, name, n, &t->path) < 0)
                return;
        e = folder_find(f, name, n);
        if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0) {
                if (errno == ENOENT && e)
                        tree_lose(t, f, e, mask & (IN_MOVED_FROM | IN_DELETE));
                else if (errno == ENOENT && t->silent && !(f->flags & FOLDER_READ) &&
                         (mask & (IN_DELETE | IN_CREATE | IN_MOVED_TO)) == IN_DELETE)
                        tree_report(t, path_text_string(&t->path), t->path.length, NULL, WATCH_DELETE,
                                    /* synthetic= */ false, mask & IN_ISDIR);
                else if (errno == ENOENT && name[0] == '#' && (mask & IN_CLOSE_WRITE))
                        tree_look_at_nameless(t, f, name);
                return;
        }
        if (e || tree_wants(t, path_text_string(&t->path), t->path.length, S_ISDIR(st.st_mode)))
                tree_see(t, &(Sighting){
                                    .folder = f,
                                    .name = name,
                                    .length = n,
                                    .path = path_text_string(&t->path),
                                    .path_length = t->path.length,
                                    .dir_fd = fd,
                                    .st = &st,
                                    .mask = mask,
                            });
}

/* What is heard of the folder itself. */
static void tree_on_self_event(Tree *t, Folder *f, uint32_t mask) {
        if (f == model_root(t->model)) {
                if (mask & IN_ATTRIB)
                        tree_report(t, "", 0, NULL, WATCH_ATTRIB, /* synthetic= */ false, /* is_folder= */ true);
                if (mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED))
                        tree_resolve_later(t);
        } else if (mask & (IN_UNMOUNT | IN_IGNORED))
                tree_look(t, f->parent, f->entry->name, f->entry->length, /* mask= */ 0);
        else if ((mask & IN_ATTRIB) && subscriber_is_outer(&f->subscriber)) /* inotify tells the parent, too */
                tree_look(t, f->parent, f->entry->name, f->entry->length, IN_ATTRIB | IN_ISDIR);
        /* Whoever still stands there without a watch gets one by being read. */
        if (mask & IN_IGNORED)
                tree_queue(t, f, 0);
}

void tree_on_folder_event(Subscriber *s, const Notice *n) {
        Folder *f = (Folder *)s;
        Tree *t = model_owner(f->model);
        _cleanup_(identity_restore) IdentityScope scope = {};

        /* Of what has left the tree nothing is of interest; if it comes back, it is read again. */
        if (!tree_is_attached(t, f))
                return;
        watch_enter(t->watch, &scope);
        watch_wake(t->watch); /* first: it sets the time of this turn */
        t->writer = t->mover = n->writer;
        if (n->length == 0)
                tree_on_self_event(t, f, n->mask);
        else if (t->watch->def.recursive || !f->parent)
                tree_look(t, f, n->name, n->length, n->mask);
        t->writer = t->mover = (Writer){};
}
