/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a name in a directory is now, what it was, and what that makes of it. Everything that is reported comes through
 * here, whether an event led to it or the reading of a directory. What is reported is what the difference says, which
 * is the same however it was noticed, and what was heard beside. So to be moved or renamed is to be gone from one name
 * and to have appeared under another, since no comparison can tell more.
 *
 * A file may have been written before its directory was watched (then no event will ever tell that it is complete) or
 * still be open (then one will). Whether somebody writes is asked of the kernel by a lease. The kernel tells of the
 * closing before it gives the lease; so where the lease is given and no closing waits to be looked at, there is none
 * to come, and each file is reported as complete once. Where it is not given, the closing may have been told to nobody
 * just before the directory was watched; so that one is looked at again.
 *
 * Moves are recognised by the inode: what has left is kept for a short time, with all that is below it and its
 * watches, and put in again where it turns up. */

#include <fcntl.h>
#include <limits.h>
#include <sys/sysmacros.h>

#include "util/hash.h"
#include "util/steps.h"
#include "watch/tree.h"
#include "watch/watch-internal.h"

#define DROP_STEP     256U /* files given up in one step */
#define DRAIN_MAX     (2 * 1024 * 1024)
#define CLOSING_LOOKS 8U                   /* at files that somebody seems to write to, until one knows that he does */
#define BIRTH_KEY     UINT64_C(0x62697274) /* what is kept on disk is hashed with it: never to be changed */

static const struct {
        uint32_t mask;
        unsigned event;
} heard[] = {
        { IN_CREATE, WATCH_CREATE }, { IN_MODIFY, WATCH_WRITE },  { IN_CLOSE_WRITE, WATCH_CLOSE },
        { IN_MOVED_TO, WATCH_MOVE }, { IN_ATTRIB, WATCH_ATTRIB },
};

/* --- looking --- */

static void convert(const struct statx *s, struct stat *ret, uint32_t *ret_birth) {
        const uint64_t birth[] = { (uint64_t)s->stx_btime.tv_sec, s->stx_btime.tv_nsec };

        stat_from_statx(s, ret);
        *ret_birth = s->stx_mask & STATX_BTIME ? (uint32_t)hash_bytes(BIRTH_KEY, birth, sizeof(birth)) | 1 : 0;
}

int stat_with_birth(int dir_fd, const char *name, bool is_remote, struct stat *ret, uint32_t *ret_birth) {
        struct statx s;
        int r;

        r = stat_entry(dir_fd, name, is_remote, &s);
        if (r >= 0)
                convert(&s, ret, ret_birth);
        return r;
}

int stat_and_ask(int dir_fd, const char *name, bool is_ours, struct stat *ret, uint32_t *ret_birth,
                 int *ret_finished) {
        int has_writer, r;
        struct statx s;

        r = file_examine(dir_fd, name, is_ours, &s, &has_writer);
        if (r < 0)
                return r;
        convert(&s, ret, ret_birth);
        *ret_finished = has_writer < 0 ? has_writer : !has_writer;
        return 0;
}

/* --- reporting --- */

static void tree_tell(Tree *t, const char *path, size_t n, const char *from, unsigned events, bool synthetic,
                      bool is_directory) {
        const WatchDef *def = &t->watch->def;
        Change c = { .path = path,
                     .length = n,
                     .from = from,
                     .events = events & def->events,
                     .synthetic = synthetic,
                     .is_directory = is_directory,
                     .pid = t->writer.pid };

        bool gone = events == WATCH_DELETE && c.events == 0 && def->events != 0 && t->watch->ops->gone &&
                    !t->too_many; /* then not everything that is there is in the model */

        if ((c.events == 0 && !gone) || (is_directory && !def->directories))
                return;
        if (t->root.is_file) { /* its entry has a name, but no path below the root */
                c.path = "";
                c.length = n = 0;
        }
        if (n > 0 && !path_filter_matches(def->filter, path, n, is_directory))
                return;
        if (t->fan && t->writer.group > 0)
                c.cgroup = fan_queue_group_path(t->fan, t->writer.group);
        if (gone) {
                watch_report_gone(t->watch, &c);
                return;
        }
        t->counters.reported++;
        t->counters.synthetic += synthetic;
        watch_report(t->watch, &c);
}

void tree_report(Tree *t, const char *path, size_t n, const char *from, unsigned events, bool synthetic,
                 bool is_directory) {
        if (!synthetic || !tree_is_silent(t))
                tree_tell(t, path, n, from, events, synthetic, is_directory);
}

/* It was there before the watch began: what is reported are changes. */
static bool is_base_line(const Tree *t, const struct stat *st) {
        return tree_is_silent(t) && !(t->stage == TREE_DOUBTFUL && timespec_load(&st->st_ctim) >= t->base_time);
}

/* is_as_it_was: but elsewhere, so it is known who moved it. */
static void tree_report_observation(Tree *t, const Observation *s, const char *from, unsigned events,
                                    bool is_as_it_was) {
        Writer before = t->writer;

        if (s->mask == 0 && is_base_line(t, s->st))
                return;
        if (s->mask == 0 && is_as_it_was)
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
        assert(t->n_departed > 0);
        TAILQ_REMOVE(&t->departed, d, order);
        t->n_departed--;
        TAILQ_INSERT_TAIL(&t->drops, d, order);
}

void tree_expire_departed(Tree *t, usec_t now_monotonic) {
        Departed *d;

        while ((d = TAILQ_FIRST(&t->departed)) && d->deadline <= now_monotonic)
                tree_give_up(t, d);
}

/* Who wants to know of a new file when it is complete, and does not ask for each write, is told once, then. */
static bool holds_back(const Tree *t) {
        return (t->watch->def.events & (WATCH_COMPLETE | WATCH_WRITE)) == WATCH_COMPLETE;
}

/* Then one that was never complete leaves no trace. */
static bool was_told(const Tree *t, const Entry *e) {
        return !(e->flags & ENTRY_NEW) || !holds_back(t);
}

/* Perhaps something else than before, which was not looked at yet. */
static bool tree_has_on_disk(Tree *t, const char *path, size_t n) {
        const char *slash = memrchr(path, '/', n), *name = slash ? slash + 1 : path;
        _cleanup_close_ int fd = -EBADF;
        struct statx s;

        if (tree_open_root(t) < 0)
                return false;
        if (slash)
                fd = open_directory_beneath(t->root_fd, path, (size_t)(slash - path), t->watch->def.cross_mounts);
        return (!slash || fd >= 0) && stat_entry(slash ? fd : t->root_fd, name, /* is_remote= */ false, &s) >= 0;
}

static bool tree_has(Tree *t, const char *path, size_t n) {
        return model_find(t->model, path) || tree_has_on_disk(t, path, n);
}

static void tree_report_gone(Tree *t, const char *path, size_t n, bool synthetic, bool is_directory) {
        if (!tree_has(t, path, n))
                tree_report(t, path, n, NULL, WATCH_DELETE, synthetic, is_directory);
}

void tree_lose(Tree *t, Directory *f, Entry *e, uint32_t mask) {
        _cleanup_(departed_freep) Departed *d = NULL;

        /* Without memory it stays in the model, and the next reading of the directory finds it gone again. */
        if ((e->flags & ENTRY_DIRECTORY) && e->directory->moved_from
                    ? directory_reported_path_of(e->directory, "", 0, &t->from) < 0
                    : directory_reported_path_of(f, e->name, e->length, &t->from) < 0)
                return;
        if (!(e->flags & ENTRY_DIRECTORY) && !(mask & IN_MOVED_FROM)) {
                bool told = was_told(t, e);

                (void)entry_free(directory_take(f, e));
                if (told && directory_is_moving(f)) /* it was seen under another path than it is missing under */
                        tree_report_gone(t, path_text_string(&t->from), t->from.length, mask == 0,
                                         /* is_directory= */ false);
                else if (told)
                        tree_report(t, path_text_string(&t->from), t->from.length, NULL, WATCH_DELETE, mask == 0,
                                    /* is_directory= */ false);
                return;
        }
        if (departed_new(&d, &t->from, e, mask == 0, t->writer) < 0)
                return;
        /* Its own path, since it may get another name. */
        if ((e->flags & ENTRY_DIRECTORY) && directory_set_moved_from(e->directory, d->path, d->length) < 0)
                return;
        d->entry = directory_take(f, e);
        if (mask & IN_MOVED_FROM) {
                if (t->n_departed >= DEPARTED_MAX)
                        tree_give_up(t, TAILQ_FIRST(&t->departed));
                d->deadline = usec_add(t->watch->watcher->now_monotonic, WATCH_MOVE_WINDOW);
                TAILQ_INSERT_TAIL(&t->departed, d, order);
                t->n_departed++;
                tree_arm_timer(t);
        } else
                TAILQ_INSERT_TAIL(&t->drops, d, order);
        TAKE_PTR(d);
}

/* As a whole and in no time; what is in it is reported bit by bit, as of any directory that is gone. */
void tree_lose_all(Tree *t) {
        _cleanup_(departed_freep) Departed *d = calloc(1, sizeof(*d));

        if (!d || !(d->path = strdup("")) || model_take_root(t->model, &d->entry) < 0)
                return; /* it stays in the model, and the next reading finds it gone */
        tree_scan_abort(t);
        d->synthetic = true;
        t->n_lost_roots++;
        TAILQ_INSERT_TAIL(&t->drops, d, order);
        TAKE_PTR(d);
}

/* --- what does not come back --- */

static void drop_report(Tree *t, const Directory *f, const Entry *e, bool synthetic) {
        if (directory_reported_path_of(f, e ? e->name : "", e ? e->length : 0, &t->from) >= 0)
                tree_report_gone(t, path_text_string(&t->from), t->from.length, synthetic, /* is_directory= */ !e);
}

static void drop_finish(Tree *t, Departed *d) {
        TAILQ_REMOVE(&t->drops, d, order);
        assert(d->length > 0 || t->n_lost_roots > 0);
        t->n_lost_roots -= d->length == 0;
        (void)departed_free(d);
}

/* Some files of a directory without directories; true when that was the last of them. */
static bool drop_files(Tree *t, const Departed *d, Directory *f) {
        unsigned steps = DROP_STEP;
        Entry *e;

        while ((e = directory_pop(f, &steps))) {
                if (d && t->watch && was_told(t, e))
                        drop_report(t, f, e, /* synthetic= */ true);
                (void)entry_free(e);
        }
        return f->entries.n_nodes == 0;
}

/* Some files of one directory, or a directory that has none left. Each watch that is given up puts an event into the
 * kernel's queue, which must not run over from that. */
bool tree_bury(Tree *t, Directory *top, Directory **at, const Departed *d) {
        Directory *f = directory_deepest(*at ?: top);

        if (!(f->flags & DIRECTORY_DEPARTED)) {
                f->flags |= DIRECTORY_DEPARTED;
                f->cursor = 0;
        }
        *at = f;
        if (!drop_files(t, d, f))
                return false;
        assert(LIST_EMPTY(&f->directories)); /* nothing comes into what was given up */
        if (d && t->watch && (f != top || d->length > 0))
                drop_report(t, f, NULL, f != top || d->synthetic);
        tree_unsubscribe(t, f);
        tree_dequeue(t, f);
        steps_taken++;
        if (f == top)
                return true;
        *at = f->parent;
        directory_free_leaf(f);
        return false;
}

/* A model that nothing is left to be reported of. */
static bool tree_work_dead(Tree *t) {
        DeadModel *dead = TAILQ_FIRST(&t->dead);

        if (!dead)
                return false;
        if (!tree_bury(t, model_root(dead->model), &dead->at, NULL))
                return true;
        TAILQ_REMOVE(&t->dead, dead, order);
        (void)model_free(dead->model);
        free(dead);
        return true;
}

bool tree_work_drop(Tree *t) {
        Departed *d = TAILQ_FIRST(&t->drops);

        if (!d)
                return tree_work_dead(t);
        t->writer = d->writer;
        if (!(d->entry->flags & ENTRY_DIRECTORY) && t->watch && was_told(t, d->entry))
                tree_report_gone(t, d->path, d->length, d->synthetic, /* is_directory= */ false);
        if (!(d->entry->flags & ENTRY_DIRECTORY) || tree_bury(t, d->entry->directory, &d->at, d))
                drop_finish(t, d);
        t->writer = (Writer){};
        return true;
}

/* --- what is seen --- */

static void entry_set_flag(Entry *e, uint8_t flag, bool on) {
        e->flags = (uint8_t)(on ? e->flags | flag : e->flags & ~flag);
}

/* ENTRY_UNSETTLED, ENTRY_NEW. They stand in the directory's row, too: a start would report a file that was complete
 * and has not changed since. */
static void entry_set_unsettled(Directory *f, Entry *e, uint8_t flags) {
        f->flags |= flags != 0 ? DIRECTORY_UNSETTLED : 0;
        if ((e->flags & (ENTRY_UNSETTLED | ENTRY_NEW)) == flags)
                return;
        entry_set_flag(e, ENTRY_UNSETTLED | ENTRY_NEW, false);
        entry_set_flag(e, flags, true);
        directory_set_dirty(f);
}

static void entry_set_seen(const Directory *f, Entry *e) {
        entry_set_flag(e, ENTRY_SEEN, f->flags & DIRECTORY_GENERATION);
}

/* 1, 0, negative errno: it cannot be told. The file was looked at before its writer is asked for; one who has finished
 * in between has changed it since, but then his closing will be heard of. */
static int has_finished(const Observation *s) {
        FileState then = file_state_from_stat(s->st, 0), now;
        uint32_t birth;
        struct stat st;
        int r;

        if (s->is_asked)
                return s->finished;
        r = file_has_writer(s->dir_fd, s->file);
        if (r != 0)
                return r < 0 ? r : 0;
        if (stat_with_birth(s->dir_fd, s->file, s->directory->flags & DIRECTORY_REMOTE, &st, &birth) < 0)
                return 0;
        now = file_state_from_stat(&st, 0);
        return then.inode == now.inode && then.content == now.content;
}

void tree_hear(Tree *t) {
        (void)event_queue_drain(t->queue, DRAIN_MAX);
        (void)watcher_hear(t->watch->watcher);
}

/* It has been closed, and that is looked at soon. */
static bool is_closing(Tree *t, const Observation *s) {
        bool is_root = t->root.is_file;
        int64_t id = is_root ? t->file_subscriber.id : s->directory->subscriber.id;

        if (id < 0)
                return false;
        if (!s->is_asked)
                tree_hear(t);
        return event_queue_holds(t->queue, id, is_root ? "" : s->name, is_root ? 0 : s->length, IN_CLOSE_WRITE);
}

void tree_forget_open(Tree *t, const Directory *f) {
        OpenFile *o, *next;

        for (o = LIST_FIRST(&t->open_files); o; o = next) {
                next = LIST_NEXT(o, files);
                if (f && o->directory != f)
                        continue;
                event_queue_unsubscribe(t->queue, &o->subscriber);
                LIST_REMOVE(o, files);
                t->n_open_files--;
                free(o);
        }
}

/* Who has closed it counts as a writer for a moment, so its directory is looked at by the clock. */
static void on_open_file_event(Subscriber *s, const Notice *n) {
        const OpenFile *o = (const OpenFile *)s;
        Tree *t = o->tree;

        watch_wake(t->watch);
        tree_set_directory_flag(t, o->directory, DIRECTORY_LOOK_ONCE, true);
        tree_forget_open(t, o->directory); /* those that are still open are found again */
}

/* True: its closing will be heard of, under whatever name it is open. When that begins the file has to be looked at
 * once more: it may have been closed just before. */
static bool tree_follow_open(Tree *t, const Observation *s) {
        _cleanup_close_ int fd = -EBADF;
        struct statx now;
        OpenFile *o;

        LIST_FOREACH(o, &t->open_files, files)
                if (o->directory == s->directory && o->inode == s->st->st_ino)
                        return true;
        if (t->n_open_files >= OPEN_FILES_MAX || t->watch->def.backend == WATCH_BACKEND_POLL)
                return false;
        fd = openat(s->dir_fd, s->file, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &now) < 0 ||
            now.stx_ino != s->st->st_ino || makedev(now.stx_dev_major, now.stx_dev_minor) != s->st->st_dev)
                return false; /* another file has its name by now */
        o = malloc(sizeof(*o));
        if (!o)
                return false;
        *o = (OpenFile){ .tree = t, .directory = s->directory, .inode = s->st->st_ino };
        subscriber_init(&o->subscriber);
        o->subscriber.notify = on_open_file_event;
        if (event_queue_subscribe(t->queue, &o->subscriber, fd, IN_CLOSE_WRITE) < 0) {
                free(o);
                return false;
        }
        LIST_INSERT_HEAD(&t->open_files, o, files);
        t->n_open_files++;
        return false;
}

/* Who closes a file counts as a writer for a moment after that was told; and that was not told here if the directory
 * was not watched yet, or if the file was opened under another name. Who still writes to it later on closes it later
 * on.
 */
static bool may_have_been_closed(Tree *t, const Observation *s, const Entry *e, bool is_kept) {
        const FileState state = file_state_from_stat(s->st, 0);

        if (!is_kept) /* each look would find all the others that are not */
                return false;
        if (s->st->st_nlink > 1 && !t->root.is_file)
                return !tree_follow_open(t, s);
        if (s->mask != 0 && !(s->mask & IN_MOVED_TO))
                return false;
        if (e && (e->flags & ENTRY_UNSETTLED))
                return entry_has_content(e, &state) && t->closing_looks > 0;
        t->closing_looks = CLOSING_LOOKS;
        return true;
}

/* Who makes a file by opening it counts as a writer some time after that was told. An empty one that was made in
 * another way can wait for the next look. */
static bool may_be_opened(const Observation *s) {
        return (s->mask & IN_CREATE) && s->st->st_size == 0 && s->st->st_nlink == 1;
}

/* Has who wrote it finished? 1, 0: its closing is to come, or the next look. Negative errno: it is unknown. e: as it
 * was found last, or NULL. is_kept: there is room for it in the model. */
static int ask_whether_complete(Tree *t, const Observation *s, const Entry *e, bool is_kept) {
        int r;

        if (!S_ISREG(s->st->st_mode) || (s->mask & IN_CLOSE_WRITE))
                return 1;
        r = has_finished(s);
        if (r != 0 && is_closing(t, s))
                return 0;
        if (r > 0 ? may_be_opened(s) : r == 0 && may_have_been_closed(t, s, e, is_kept)) {
                tree_set_directory_flag(t, s->directory, DIRECTORY_LOOK_ONCE, true);
                return 0;
        }
        return r;
}

/* If there are no events. again: it looks the same as at the last look. */
static bool is_complete_by_rule(const Observation *s, bool again) {
        if (s->mask != 0)
                return (s->mask & IN_MOVED_TO) || s->st->st_nlink > 1;
        /* Where there are no events either, a file that stays as it is for a while has to do. */
        return again || !(s->directory->flags & DIRECTORY_POLLED);
}

static bool is_complete(Tree *t, const Observation *s, const Entry *e, bool again) {
        int r = ask_whether_complete(t, s, e, /* is_kept= */ true);

        return r < 0 ? is_complete_by_rule(s, again) : r > 0;
}

/* What a file that is new under its name is, beside being complete or not: it was made, linked or moved there. */
static unsigned events_of_appearing(const struct stat *st) {
        return WATCH_CREATE | (S_ISREG(st->st_mode) && st->st_size > 0 ? WATCH_WRITE : 0);
}

static unsigned events_when(unsigned events, bool complete) {
        if (!complete)
                return events & ~(unsigned)WATCH_COMPLETE;
        return events & WATCH_COMPLETE ? events : events | WATCH_CLOSE;
}

static unsigned events_heard(const Observation *s) {
        unsigned events = 0;

        for (size_t i = 0; i < ELEMENTSOF(heard); i++)
                if (s->mask & heard[i].mask)
                        events |= heard[i].event;
        return events;
}

static Departed *departed_find(const Tree *t, const FileState *state) {
        Departed *d;

        TAILQ_FOREACH_REVERSE(d, &t->departed, DepartedList, order)
                if (d->inode == state->inode && !!(d->entry->flags & ENTRY_DIRECTORY) == state->is_directory)
                        return d;
        return NULL;
}

/* Under its new name, and gone from the old one. */
static void tree_report_arrival(Tree *t, const Observation *s, const Departed *d, Entry *e) {
        unsigned events = events_heard(s) | events_of_appearing(s->st);
        bool is_replaced = tree_has(t, d->path, d->length), told = was_told(t, e);
        Writer writer = t->writer;

        if ((t->watch->def.events & WATCH_COMPLETE) && !is_complete(t, s, NULL, /* again= */ false)) {
                entry_set_unsettled(s->directory, e, ENTRY_UNSETTLED | ENTRY_NEW);
                events = holds_back(t) ? 0 : events & ~(unsigned)WATCH_COMPLETE;
        } else
                entry_set_unsettled(s->directory, e, 0);
        /* Then what waited under the old name is told from what is there now by being reported here. */
        if (is_replaced)
                t->writer = (Writer){};
        tree_report_observation(t, s, is_replaced ? NULL : d->path, events, /* is_as_it_was= */ false);
        t->writer = d->writer;
        if (!is_replaced && told)
                tree_report(t, d->path, d->length, NULL, WATCH_DELETE, /* synthetic= */ false,
                            S_ISDIR(s->st->st_mode));
        t->writer = writer;
}

/* What left has turned up again, under this name. */
static int tree_welcome(Tree *t, Departed *found, const Observation *s, const FileState *state) {
        _cleanup_(departed_freep) Departed *d = NULL;
        Entry *e;
        int r;

        if (state->is_directory &&
            directory_depth(s->directory) + 1 + found->entry->directory->height > WATCH_DEPTH_MAX)
                return -ENAMETOOLONG; /* as much of it as is not too deep is new */
        r = directory_put(s->directory, found->entry, s->name, s->length, &e);
        if (r < 0)
                return r;
        assert(t->n_departed > 0);
        d = found;
        d->entry = NULL;
        TAILQ_REMOVE(&t->departed, d, order);
        t->n_departed--;
        (void)entry_set_state(s->directory, e, state);
        entry_set_flag(e, ENTRY_FOUND, false);
        entry_set_seen(s->directory, e);
        tree_report_arrival(t, s, d, e);
        if (!state->is_directory)
                return 0;
        if (t->watch->def.recursive)
                tree_queue(t, e->directory, DIRECTORY_DEEP | DIRECTORY_MOVED);
        else
                directory_end_move(e->directory);
        return 0;
}

/* Some room is kept for directories: what is in one that is not known is not even heard of. */
static bool tree_has_room(Tree *t, const Observation *s, const FileState *state) {
        size_t max = t->watch->def.model_max;

        if (state->is_directory &&
            (s->path_length > WATCH_PATH_MAX || directory_depth(s->directory) >= WATCH_DEPTH_MAX))
                t->too_deep = true;
        else if (model_size(t->model) >= (state->is_directory ? max : max - max / 8))
                t->too_many = true;
        else
                return true;
        return false;
}

static void tree_remember_newborn(Tree *t, const Observation *s, const FileState *state) {
        Newborn *b;

        if (!t->newborns)
                t->newborns = calloc(NEWBORNS, sizeof(Newborn));
        if (!t->newborns)
                return;
        b = &t->newborns[state->inode % NEWBORNS];
        assert(s->length <= NAME_MAX);
        b->directory = s->directory;
        b->inode = state->inode;
        b->length = s->length;
        memcpy(b->name, s->name, s->length);
        b->name[s->length] = '\0';
}

static void tree_see_new(Tree *t, const Observation *s, const FileState *state) {
        Departed *d = s->mask & IN_MOVED_TO ? departed_find(t, state) : NULL;
        bool is_base = s->mask == 0 && is_base_line(t, s->st), complete = true, waits = false, has_room;
        unsigned events = events_heard(s) | (s->moved ? WATCH_MOVE : 0);
        Entry *e;

        if (d && tree_welcome(t, d, s, state) >= 0)
                return;
        has_room = tree_has_room(t, s, state);
        /* In a directory that is still to be read for the first time, it may have been there all along. */
        if (s->mask == 0 || (events & (WATCH_CREATE | WATCH_MOVE)) || !tree_is_silent(t) ||
            (s->directory->flags & DIRECTORY_READ))
                events |= events_of_appearing(s->st);
        if (!is_base && (t->watch->def.events & WATCH_COMPLETE)) {
                int r = ask_whether_complete(t, s, NULL, has_room);

                complete = r < 0 ? is_complete_by_rule(s, /* again= */ false) : r > 0;
                events = events_when(events, complete);
                waits = !complete && holds_back(t);
                if (r < 0 && !complete) /* perhaps it is not open, and no closing is ever reported */
                        tree_set_directory_flag(t, s->directory, DIRECTORY_LOOK_ONCE, true);
        }
        if (has_room && directory_add(s->directory, s->name, s->length, state, &e) >= 0) {
                entry_set_seen(s->directory, e);
                entry_set_flag(e, ENTRY_FOUND, s->mask == 0 && !is_base);
                entry_set_unsettled(s->directory, e, complete ? 0 : ENTRY_UNSETTLED | ENTRY_NEW);
                if (state->is_regular && (s->mask & IN_CREATE))
                        tree_remember_newborn(t, s, state);
                if (state->is_directory && !tree_subscribe_seen(t, s, e) && t->watch->def.recursive)
                        tree_queue(t, e->directory, s->moved || (s->mask & IN_MOVED_TO) ? DIRECTORY_MOVED : 0);
                if (waits)
                        return;
        }
        tree_report_observation(t, s, NULL, events, /* is_as_it_was= */ false);
}

/* What was heard, without what a look has reported already. */
static unsigned events_of_known_heard(Tree *t, const Observation *s, Entry *e, bool same, bool same_status) {
        unsigned events = events_heard(s), all = events;

        if (same && (e->flags & ENTRY_FOUND))
                events &= ~(unsigned)(WATCH_CREATE | WATCH_MOVE);
        if (same && same_status)
                events &= ~(unsigned)WATCH_ATTRIB;
        if (!same || (s->mask & IN_CLOSE_WRITE))
                entry_set_flag(e, ENTRY_FOUND, false);
        t->counters.duplicates += all != 0 && events == 0;
        return events;
}

/* Its closing will be heard of, where what led here is that it was written to. */
static bool may_be_complete(const Observation *s) {
        return s->mask == 0 || (s->mask & (IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ATTRIB));
}

/* Takes COMPLETE out of the events, or puts it in, and says what is to be kept in mind: ENTRY_UNSETTLED, ENTRY_NEW. */
static uint8_t settle(Tree *t, const Observation *s, const Entry *e, const FileState *state, unsigned *events) {
        uint8_t flags = e->flags & (ENTRY_UNSETTLED | ENTRY_NEW);
        bool same = entry_has_content(e, state);

        if (!(t->watch->def.events & WATCH_COMPLETE))
                return 0;
        if (same && flags == 0 && !(*events & WATCH_COMPLETE))
                return 0;
        /* In a directory that was moved, it is as complete as it was. */
        if (same && flags == 0 && s->mask == 0)
                return 0;
        if (may_be_complete(s) && is_complete(t, s, e, /* again= */ same)) {
                *events = events_when(*events, /* complete= */ true);
                return 0;
        }
        *events = events_when(*events, /* complete= */ false);
        return (uint8_t)(flags | ENTRY_UNSETTLED | (entry_is_same_file(e, state) ? 0 : ENTRY_NEW));
}

/* In a directory that was moved: gone from where it was. */
static void tree_report_moved(Tree *t, const Observation *s) {
        Writer before = t->writer;

        if (!directory_is_moving(s->directory) ||
            directory_reported_path_of(s->directory, s->name, s->length, &t->from) < 0)
                return;
        t->writer = t->mover;
        tree_report_gone(t, path_text_string(&t->from), t->from.length, /* synthetic= */ true,
                         S_ISDIR(s->st->st_mode));
        t->writer = before;
}

static void tree_see_known_file(Tree *t, const Observation *s, Entry *e, const FileState *state) {
        bool same_file = entry_is_same_file(e, state), same = entry_has_content(e, state);
        bool same_status = entry_has_status(e, state);
        bool told = was_told(t, e);
        unsigned events = s->moved ? WATCH_MOVE : 0;
        uint8_t unsettled;

        entry_set_seen(s->directory, e);
        /* While the base line is read, what stands in the model already has been put there by an event. */
        if (s->mask == 0 && is_base_line(t, s->st))
                return;
        if (s->mask)
                events |= events_of_known_heard(t, s, e, same, same_status);
        if (!same_file || s->moved)
                events |= events_of_appearing(s->st);
        else if (!same)
                events |= WATCH_WRITE;
        /* Moved away and back: something was done to it. */
        if (same_file &&
            (!entry_has_rights(e, state) || ((s->mask == 0 || (s->mask & IN_MOVED_TO)) && same && !same_status)))
                events |= WATCH_ATTRIB;
        unsettled = settle(t, s, e, state, &events);
        (void)entry_set_state(s->directory, e, state);
        entry_set_unsettled(s->directory, e, unsettled);
        if (s->mask == 0 && !same)
                entry_set_flag(e, ENTRY_FOUND, true);
        if (!(unsettled & ENTRY_NEW) || !holds_back(t))
                tree_report_observation(t, s, NULL, events, /* is_as_it_was= */ s->moved && same);
        if (s->moved && told)
                tree_report_moved(t, s);
}

/* Where the directory itself counts, its rights do, too. If another one stands in its place, or something was laid
 * over it, the reading finds out. */
static void tree_see_known_directory(Tree *t, const Observation *s, Entry *e, const FileState *state) {
        bool same_file = entry_is_same_file(e, state), other = !same_file || !tree_is_subscribed_to(t, s, e);
        uint32_t flags = (other || (s->mask & IN_MOVED_TO) ? DIRECTORY_DEEP : 0) | (s->moved ? DIRECTORY_MOVED : 0);
        unsigned events = s->mask ? events_heard(s) : s->moved ? WATCH_MOVE : 0;

        entry_set_seen(s->directory, e);
        if (!same_file)
                events |= WATCH_CREATE;
        else if (t->watch->def.directories && !entry_has_rights(e, state))
                events |= WATCH_ATTRIB;
        if (t->watch->def.directories)
                (void)entry_set_state(s->directory, e, state);
        e->inode = state->inode;
        if (s->moved && !e->directory->moved_from && directory_is_moving(s->directory))
                (void)directory_inherit_moved_from(e->directory);
        if (t->watch->def.recursive && (flags != 0 || (e->directory->flags & DIRECTORY_COVERED)))
                tree_queue(t, e->directory, flags);
        tree_report_observation(t, s, NULL, events, /* is_as_it_was= */ s->moved && !other);
        if (s->moved)
                tree_report_moved(t, s);
}

void tree_see(Tree *t, const Observation *s) {
        FileState state = file_state_from_stat(s->st, s->birth);
        Entry *e = directory_find(s->directory, s->name, s->length);
        bool other = e && !entry_is_same_file(e, &state);

        if (other && ((s->mask & IN_MOVED_FROM) || !!(e->flags & ENTRY_DIRECTORY) != state.is_directory)) {
                tree_lose(t, s->directory, e, s->mask & IN_MOVED_FROM);
                e = directory_find(s->directory, s->name, s->length);
                if (e)
                        return; /* no memory */
        } else if (other && !state.is_directory && (s->mask & IN_MOVED_TO) && departed_find(t, &state)) {
                /* Moved over it: only the one that came is of interest. */
                (void)entry_free(directory_take(s->directory, e));
                e = NULL;
        }
        assert(!e || !!(e->flags & ENTRY_DIRECTORY) == state.is_directory);
        if (!e)
                tree_see_new(t, s, &state);
        else if (state.is_directory)
                tree_see_known_directory(t, s, e, &state);
        else
                tree_see_known_file(t, s, e, &state);
}

/* --- looking at what an event names --- */

static bool tree_wants(const Tree *t, const char *path, size_t n, bool is_directory) {
        const PathFilter *filter = t->watch->def.filter;

        return is_directory ? path_filter_descends(filter, path, n) : path_filter_matches(filter, path, n, false);
}

/* A directory, open for this turn of the loop. Negative errno. */
static int tree_open_directory(Tree *t, const Directory *f) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        int r;

        if (t->open_directory == f && t->open_fd >= 0)
                return t->open_fd;
        t->open_directory = NULL;
        t->open_fd = safe_close(t->open_fd);
        r = tree_open_root(t);
        if (r >= 0)
                r = directory_path(f, &t->from);
        if (r < 0)
                return r;
        if (t->from.length > WATCH_PATH_MAX)
                return -ENAMETOOLONG;
        fd = open_directory_beneath(t->root_fd, path_text_string(&t->from), t->from.length,
                                    t->watch->def.cross_mounts);
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        /* Another directory has taken this one's place: the parent's event about that is under way. */
        if (f->inode != 0 && (f->inode != st.st_ino || f->device != st.st_dev))
                return -ESTALE;
        t->open_directory = f;
        return t->open_fd = TAKE_FD(fd);
}

/* A file that had no name when it was opened (O_TMPFILE) is closed under the name "#INODE", although it has got a name
 * since. Those that were created last are remembered; another one is found by reading its directory, some time. */
static void tree_look_at_nameless(Tree *t, Directory *f, const char *name) {
        char *end;
        uint64_t inode = strtoull(name + 1, &end, 10);
        const Newborn *b = t->newborns ? &t->newborns[inode % NEWBORNS] : NULL;
        const Entry *e;

        if (*end != '\0' || !(f->flags & DIRECTORY_UNSETTLED))
                return;
        e = b && b->directory == f && b->inode == inode ? directory_find(f, b->name, b->length) : NULL;
        if (!e || e->inode != inode)
                tree_set_directory_flag(t, f, DIRECTORY_LOOK_ONCE, true);
        else if (e->flags & ENTRY_UNSETTLED)
                tree_look(t, f, b->name, b->length, IN_CLOSE_WRITE);
}

void tree_look(Tree *t, Directory *f, const char *name, size_t n, uint32_t mask) {
        uint32_t birth;
        struct stat st;
        Entry *e;
        int fd, r;

        if (name_is_private(name))
                return;
        fd = tree_open_directory(t, f);
        if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM)
                tree_queue(t, f, 0);
        if (fd < 0 || directory_path_of(f, name, n, &t->path) < 0)
                return;
        e = directory_find(f, name, n);
        r = stat_with_birth(fd, name, f->flags & DIRECTORY_REMOTE, &st, &birth);
        if (r < 0) {
                if (r == -ENOENT && e)
                        tree_lose(t, f, e, mask & (IN_MOVED_FROM | IN_DELETE));
                else if (r == -ENOENT && tree_is_silent(t) && !(f->flags & DIRECTORY_READ) &&
                         (mask & (IN_DELETE | IN_CREATE | IN_MOVED_TO)) == IN_DELETE)
                        tree_report(t, path_text_string(&t->path), t->path.length, NULL, WATCH_DELETE,
                                    /* synthetic= */ false, mask & IN_ISDIR);
                else if (r == -ENOENT && name[0] == '#' && (mask & IN_CLOSE_WRITE))
                        tree_look_at_nameless(t, f, name);
                return;
        }
        if (e || tree_wants(t, path_text_string(&t->path), t->path.length, S_ISDIR(st.st_mode)))
                tree_see(t, &(Observation){
                                    .directory = f,
                                    .name = name,
                                    .length = n,
                                    .path = path_text_string(&t->path),
                                    .path_length = t->path.length,
                                    .dir_fd = fd,
                                    .file = name,
                                    .st = &st,
                                    .birth = birth,
                                    .mask = mask,
                            });
}

/* What is heard of the directory itself. */
static void tree_on_self_event(Tree *t, Directory *f, uint32_t mask) {
        if (f == model_root(t->model)) {
                if (mask & IN_ATTRIB)
                        tree_report(t, "", 0, NULL, WATCH_ATTRIB, /* synthetic= */ false, /* is_directory= */ true);
                if (mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED))
                        tree_resolve_later(t);
        } else if (mask & (IN_UNMOUNT | IN_IGNORED))
                tree_look(t, f->parent, f->entry->name, f->entry->length, /* mask= */ 0);
        else if ((mask & IN_ATTRIB) && subscriber_is_outer(&f->subscriber)) /* inotify tells the parent, too */
                tree_look(t, f->parent, f->entry->name, f->entry->length, IN_ATTRIB | IN_ISDIR);
        /* What still stands there without a watch gets one by being read. */
        if (mask & IN_IGNORED)
                tree_queue(t, f, 0);
}

void tree_on_directory_event(Subscriber *s, const Notice *n) {
        Directory *f = (Directory *)s;
        Tree *t = model_owner(f->model);
        _cleanup_(identity_restore) IdentityScope scope = {};

        /* Of what has left the tree nothing is of interest; if it comes back, it is read again. */
        if (!t->watch || !tree_is_attached(t, f))
                return;
        if (t->hold != TREE_FREE) {
                t->hold = TREE_MISSED;
                return;
        }
        watch_enter(t->watch, &scope);
        watch_wake(t->watch); /* first: it sets the time of this turn */
        t->writer = t->mover = n->writer;
        if (n->length == 0)
                tree_on_self_event(t, f, n->mask);
        else if (t->watch->def.recursive || !f->parent)
                tree_look(t, f, n->name, n->length, n->mask);
        t->writer = t->mover = (Writer){};
}
