/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is different for a tree when its directories are heard of by fanotify. The file system is marked with one call,
 * and from then on everything is heard; so the tree counts as watched at once, and its directories are read in turns
 * when there is nothing else to do. An event of a directory that was not read yet names it by its handle only: the
 * kernel is asked for its path, and the directories on the way to it come into the model before the others.
 *
 * Backend=auto takes inotify as long as that is cheap. It pins every directory in memory and takes a second for a
 * hundred thousand of them, where fanotify takes nothing, but hears of everything else on the file system, too. So a
 * tree is handed over when it has WATCH_LARGE directories, or when the limit of inotify's watches is reached. By
 * reading it once more, each directory changes over without a gap.
 *
 * A directory that is made while its parent is heard of need not be read: all that happens in it is heard of from its
 * first moment, and with it who did it. */

#include <fcntl.h>
#include <limits.h>

#include "watch/tree.h"
#include "watch/watch-internal.h"

#define BASE_LINE_MARGIN (20 * USEC_PER_MSEC) /* two ticks of the clock that file systems take their times from */

/* --- which way --- */

static int tree_start_fan(Tree *t, int fd) {
        int r = 0;

        if (t->traits.is_remote)
                return -EREMOTE;
        if (!t->fan)
                r = watcher_take_fan(t->watch->watcher, &t->fan);
        if (r >= 0)
                r = fan_queue_mark(t->fan, fd, tree_mask(t));
        if (r < 0) {
                tree_release_fan(t);
                return r;
        }
        fan_queue_ask_again(t->fan);
        t->base_time = usec_sub(t->watch->watcher->now_realtime, BASE_LINE_MARGIN);
        return 0;
}

static bool tree_is_large(const Tree *t) {
        const WatchDef *def = &t->watch->def;

        return model_n_directories(t->model) >= (def->large > 0 ? def->large : WATCH_LARGE);
}

void tree_choose_backend(Tree *t, int fd) {
        WatchBackend backend = t->watch->def.backend;
        int r = 0;

        t->fan_error = t->fan_error_below = 0;
        if (backend == WATCH_BACKEND_FANOTIFY ||
            (backend == WATCH_BACKEND_AUTO && (t->fan || (!t->fan_refused && tree_is_large(t)))))
                r = tree_start_fan(t, fd);
        if (backend == WATCH_BACKEND_FANOTIFY)
                t->fan_error = r;
        else if (r < 0)
                t->fan_refused = true;
}

static void tree_change_over(Tree *t) {
        if (t->fan || t->fan_refused || t->watch->def.backend != WATCH_BACKEND_AUTO)
                return;
        assert(t->root_fd >= 0); /* a directory below it is being read */
        if (tree_start_fan(t, t->root_fd) < 0)
                t->fan_refused = true;
        else
                tree_queue(t, model_root(t->model), DIRECTORY_DEEP);
}

void tree_outgrow(Tree *t) {
        if (tree_is_large(t))
                tree_change_over(t);
}

/* Has another tree a part on this device, as far as is known? */
static bool is_shared(const Tree *t, dev_t device) {
        const Watch *other;

        TAILQ_FOREACH(other, &t->watch->watcher->watches, watches)
                if (other != t->watch && other->tree && other->tree->fan &&
                    (other->tree->root.device == device || other->def.cross_mounts))
                        return true;
        return false;
}

void tree_release_fan(Tree *t) {
        if (!t->fan)
                return;
        if (!is_shared(t, t->root.device) && tree_open_root(t) >= 0)
                fan_queue_unmark(t->fan, t->root_fd);
        t->fan = NULL;
        watcher_drop_fan(t->watch->watcher);
}

/* --- subscribing --- */

static int tree_subscribe_handle(Tree *t, Directory *f, int dir_fd, const char *name, dev_t device) {
        if (!t->fan)
                return -ENOTCONN; /* it was refused since: the reading changes over */
        f->subscriber.notify = tree_on_directory_event;
        return fan_queue_subscribe(t->fan, &f->subscriber, dir_fd, name, device, tree_mask(t));
}

int tree_subscribe(Tree *t, Directory *f, int fd) {
        int r;

        f->subscriber.notify = tree_on_directory_event;
        if (!t->fan) {
                r = event_queue_subscribe(t->queue, &f->subscriber, fd, tree_mask(t));
                if (r == -ENOSPC)
                        tree_change_over(t);
                if (r < 0 && !t->fan && subscriber_is_outer(&f->subscriber)) /* it must not count as heard of */
                        event_queue_unsubscribe(t->queue, &f->subscriber);
                if (!t->fan)
                        return r;
        }
        r = tree_subscribe_handle(t, f, fd, "", f->device);
        if (r >= 0)
                return r;
        t->fan_error_below = r;
        if (t->watch->def.backend == WATCH_BACKEND_FANOTIFY) {
                event_queue_unsubscribe(t->queue, &f->subscriber);
                return r;
        }
        return event_queue_subscribe(t->queue, &f->subscriber, fd, tree_mask(t));
}

void tree_unsubscribe(Tree *t, Directory *f) {
        event_queue_unsubscribe(t->queue, &f->subscriber);
        tree_forget_open(t, f);
        tree_set_directory_flag(t, f, DIRECTORY_POLLED, false);
        tree_set_directory_flag(t, f, DIRECTORY_UNREADABLE, false);
        tree_set_directory_flag(t, f, DIRECTORY_LOOK_ONCE, false);
        tree_set_directory_flag(t, f, DIRECTORY_REMOTE, false);
}

/* Of directories in a directory that is watched alone, only what happens to themselves is wanted; for inotify that is
 * an event of the parent, for fanotify it is not. */
static bool wants_directories_themselves(const Tree *t) {
        return !t->watch->def.recursive && t->watch->def.directories && (t->watch->def.events & WATCH_ATTRIB);
}

bool tree_subscribe_seen(Tree *t, const Observation *s, Entry *e) {
        bool is_born = t->watch->def.recursive && (s->mask & IN_CREATE) && !(s->mask & IN_MOVED_TO);
        dev_t device = s->st->st_dev != 0 ? s->st->st_dev : s->directory->device;
        Directory *f = e->directory;

        if (!t->fan || !(is_born || wants_directories_themselves(t)))
                return false;
        if (tree_subscribe_handle(t, f, s->dir_fd, s->name, device) != 0 || !is_born)
                return false;
        /* A snapshot of another subvolume appears with all that is in it. */
        if (device != s->directory->device)
                return false;
        f->device = device;
        f->inode = s->st->st_ino;
        f->flags |= DIRECTORY_READ;
        return true;
}

bool tree_is_subscribed_to(Tree *t, const Observation *s, Entry *e) {
        Directory *f = e->directory;

        if (!subscriber_is_outer(&f->subscriber) || !(s->mask & (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)))
                return true;
        return tree_subscribe_handle(t, f, s->dir_fd, s->name, s->st->st_dev) == 1;
}

bool tree_check_root(Tree *t, int fd) {
        Directory *root = model_root(t->model);

        if (!subscriber_is_outer(&root->subscriber))
                return true;
        return tree_subscribe_handle(t, root, fd, "", t->root.device) == 1;
}

/* --- directories that are heard of before they are read --- */

/* What is behind real_path in the path of the directory that a handle means, with the slash. -ESTALE, -EXDEV: not in
 * this tree. */
static int tree_path_of_handle(Tree *t, const void *handle, char path[static PATH_MAX], const char **ret) {
        _cleanup_close_ int mount = -EBADF, fd = -EBADF;
        char link[sizeof("/proc/self/fd/") + 11];
        const char *rest;
        ssize_t n;
        int r;

        r = tree_open_root(t);
        if (r < 0 || !t->real_path)
                return -ESTALE;
        mount = open_directory_beneath(t->root_fd, "", 0, /* cross_mounts= */ false);
        if (mount < 0)
                return mount;
        fd = fan_queue_open(t->fan, mount, handle);
        if (fd < 0)
                return fd;
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, path, PATH_MAX);
        if (n < 0 || n >= PATH_MAX)
                return n < 0 ? -errno : -ENAMETOOLONG;
        path[n] = '\0';
        rest = streq(t->real_path, "/") ? path : startswith(path, t->real_path);
        if (!rest || (rest[0] != '/' && rest[0] != '\0'))
                return -EXDEV;
        *ret = rest;
        return 0;
}

/* The directory on a path, put into the model where it was not there. path is written to and put back. NULL: it is not
 * wanted, or not there any more. */
static Directory *tree_find_or_see(Tree *t, char *path) {
        Directory *f = model_root(t->model);

        while (f && *(path += strspn(path, "/"))) {
                size_t n = strcspn(path, "/");
                char end = path[n];
                const Entry *e = directory_find(f, path, n);

                path[n] = '\0';
                if (!e) {
                        tree_look(t, f, path, n, /* mask= */ 0);
                        e = directory_find(f, path, n);
                }
                path[n] = end;
                path += n;
                f = e && (e->flags & ENTRY_DIRECTORY) ? e->directory : NULL;
        }
        return f;
}

/* The path may have led elsewhere meanwhile: then another directory is subscribed to than was asked for, and no harm
 * done. */
static void tree_subscribe_path(Tree *t, Directory *f, const char *path) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        if (subscriber_is_subscribed(&f->subscriber) || tree_open_root(t) < 0)
                return;
        path += strspn(path, "/");
        fd = open_directory_beneath(t->root_fd, path, strlen(path), t->watch->def.cross_mounts);
        if (fd >= 0 && fstat(fd, &st) >= 0)
                (void)tree_subscribe_handle(t, f, fd, "", st.st_dev);
}

void tree_introduce(Tree *t, const void *handle) {
        const char *rest = NULL;
        char path[PATH_MAX];
        Directory *f;
        int r;

        if (!t->fan || !t->has_root || t->root.is_file)
                return;
        if (t->hold != TREE_FREE) {
                t->hold = TREE_MISSED;
                return;
        }
        watch_wake(t->watch); /* so that the root is closed again */
        r = tree_path_of_handle(t, handle, path, &rest);
        if (r < 0) {
                /* Not in this tree, or perhaps in it: then the reading has to find out. */
                if (t->stage == TREE_BASE_LINE && r != -EXDEV && (r != -ESTALE || t->watch->def.cross_mounts))
                        tree_set_stage(t, TREE_DOUBTFUL);
                return;
        }
        if (!t->watch->def.recursive && rest[0] != '\0')
                return;
        f = tree_find_or_see(t, path + (rest - path));
        if (f)
                tree_subscribe_path(t, f, rest);
}
