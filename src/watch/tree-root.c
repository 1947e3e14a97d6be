/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The root of a tree: where it is, what file system it is on, and what becomes of the model when it goes, comes back,
 * is replaced, or when something is mounted over it.
 *
 * What was deleted is reported as deleted. But a file system that was unmounted has lost nothing: its model is parked,
 * and compared when the same file system is there again. One model is parked at most; what is below the mount has a
 * model of its own. */

#include "watch/tree.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/statfs.h>

#include "fs/guarded.h"
#include "util/steps.h"
#include "util/turn.h"
#include "watch/watch-internal.h"

#define REST_STEP   256U   /* watches given up in one step */
#define POLL_SHARE  20U    /* polling takes at most one part in so many of the time */
#define FILE_NAME   "file" /* of a root that is one */
#define FILE_EVENTS (IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)

/* --- who is there --- */

static int root_identify(int fd, RootIdentity *ret) {
        struct statfs s;
        struct stat st;
        uint64_t id;

        if (fstat(fd, &st) < 0 || fstatfs(fd, &s) < 0)
                return -errno;
        memcpy(&id, &s.f_fsid, sizeof(id));
        *ret = (RootIdentity){
                .file_system = id != 0 ? id ^ (uint64_t)s.f_type << 32 : st.st_dev,
                .device = st.st_dev,
                .inode = st.st_ino,
                .is_file = !S_ISDIR(st.st_mode),
        };
        return 0;
}

static void tree_set_real_path(Tree *t, int fd) {
        char link[sizeof("/proc/self/fd/") + 11], path[PATH_MAX];
        ssize_t n;

        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, path, sizeof(path) - 1);
        free(t->real_path);
        t->real_path = n > 0 ? strndup(path, (size_t)n) : NULL;
}

/* --- a root that is a file --- */

/* The file again, after an event (mask) or because it is time to look. It is an entry like others, in a directory of
 * its own; only that it is not found there by name. */
static void tree_look_at_file(Tree *t, uint32_t mask) {
        const char *name = t->real_path ? strrchr(t->real_path, '/') + 1 : NULL;
        _cleanup_free_ char *path = name ? strndup(t->real_path, (size_t)(name - t->real_path)) : NULL;
        _cleanup_close_ int fd = path ? guarded_find(path, GUARDED_FIND_LINK) : -ENOMEM;
        uint32_t birth;
        struct stat st;

        if (fd < 0 || stat_with_birth(fd, name, t->traits.is_remote, &st, &birth) < 0 || st.st_ino != t->root.inode ||
            st.st_dev != t->root.device) {
                /* Another file has its path already: that one is looked at next. */
                if (mask != 0)
                        tree_resolve_later(t);
                return;
        }
        tree_see(t, &(Observation){ .directory = model_root(t->model),
                                    .name = FILE_NAME,
                                    .length = strlen(FILE_NAME),
                                    .path = "",
                                    .dir_fd = fd,
                                    .file = name,
                                    .st = &st,
                                    .birth = birth,
                                    .mask = mask });
}

static void on_file_event(Subscriber *s, const Notice *n) {
        Tree *t = (Tree *)(void *)((char *)s - offsetof(Tree, file_subscriber));
        _cleanup_(identity_restore) IdentityScope scope = {};

        if (t->hold != TREE_FREE) {
                t->hold = TREE_MISSED;
                return;
        }
        watch_enter(t->watch, &scope);
        watch_wake(t->watch);
        if (n->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED | IN_ATTRIB))
                tree_resolve_later(t);
        if (n->mask & (IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB))
                tree_look_at_file(t, n->mask);
}

/* Subscribing comes first, so that nothing is missed in between. A watch of the kernel ends with its inode, whose
 * number the next file has more often than not. */
static void tree_adopt_file(Tree *t, int fd) {
        int r = -EOPNOTSUPP;

        tree_set_real_path(t, fd);
        if (t->watch->def.backend != WATCH_BACKEND_POLL) {
                t->file_subscriber.notify = on_file_event;
                r = event_queue_subscribe(t->queue, &t->file_subscriber, fd, FILE_EVENTS);
        }
        tree_set_directory_flag(t, model_root(t->model), DIRECTORY_LOOK_ONCE, false);
        tree_set_directory_flag(t, model_root(t->model), DIRECTORY_REMOTE, t->traits.is_remote);
        tree_set_directory_flag(t, model_root(t->model), DIRECTORY_POLLED, r < 0 || t->traits.is_remote);
        tree_look_at_file(t, /* mask= */ 0);
}

/* --- coming and going --- */

/* What is under way is not any more. */
static void tree_stop(Tree *t) {
        tree_expire_departed(t, USEC_INFINITY);
        tree_scan_abort(t);
        event_queue_unsubscribe(t->queue, &t->file_subscriber);
        tree_close(t);
}

/* The file system under the model is not here any more: the other model takes its place. Without memory for another
 * model, this one goes on. Directories that wait to be read do so in vain. */
static void tree_park(Tree *t) {
        RootIdentity root = t->root;
        Model *other = t->parked;

        assert(t->model != other);
        tree_stop(t);
        if (!other && model_new(&other, t, t->watch->def.directories) < 0)
                return;
        t->parked = t->model;
        t->model = other;
        t->root = t->parked_root;
        t->parked_root = root;
        t->has_root = false;
        t->resting = model_root(t->parked);
        assert(!t->scan.directory); /* nothing of it is under way */
}

/* Some watches of what is parked. */
static bool tree_work_rest(Tree *t) {
        if (!t->resting)
                return false;
        for (unsigned n = 0; n < REST_STEP && t->resting; n++) {
                tree_unsubscribe(t, t->resting);
                t->resting = directory_walk(model_root(t->parked), t->resting);
        }
        steps_taken += REST_STEP;
        return true;
}

static bool is_parked(const Tree *t, const RootIdentity *r) {
        return t->parked && t->parked_root.file_system == r->file_system && t->parked_root.inode == r->inode;
}

/* A third file system is here: what was parked before makes room for it. */
static void tree_forget_other(Tree *t) {
        DeadModel *dead = calloc(1, sizeof(*dead));
        Model *fresh;

        if (!dead || model_new(&fresh, t, t->watch->def.directories) < 0) {
                free(dead);
                return; /* then it is compared with the wrong one, and all is reported */
        }
        assert(t->durable == t->model || t->durable == t->parked);
        if (t->durable == t->model) {
                model_succeed(fresh, t->model);
                t->durable = fresh;
        }
        dead->model = t->model;
        TAILQ_INSERT_TAIL(&t->dead, dead, order);
        t->model = fresh;
}

/* Something else is at the path than before. */
static void tree_replace(Tree *t, const RootIdentity *now) {
        bool parked_fits = is_parked(t, now);

        if (now->file_system == t->root.file_system && now->is_file == t->root.is_file) {
                /* On the same file system: what differs from the old one has changed. */
                event_queue_unsubscribe(t->queue, &t->file_subscriber);
                tree_close(t);
                return;
        }
        if (now->file_system == t->root.file_system) {
                tree_lose_all(t);
                tree_stop(t);
                return;
        }
        tree_park(t);
        if (!parked_fits && t->parked)
                tree_forget_other(t);
}

static void tree_adopt(Tree *t, int fd, const RootIdentity *now) {
        bool is_new = !t->has_root || t->root.inode != now->inode;

        t->root = *now;
        t->has_root = true;
        (void)file_system_traits(fd, &t->traits);
        if (now->is_file)
                tree_adopt_file(t, fd);
        else {
                tree_set_real_path(t, fd);
                tree_choose_backend(t, fd);
                if (t->fan_error < 0)
                        return;
                if (is_new)
                        tree_report(t, "", 0, NULL, WATCH_CREATE, /* synthetic= */ true, /* is_directory= */ true);
                tree_queue(t, model_root(t->model), DIRECTORY_DEEP);
        }
        directory_set_dirty(model_root(t->model));
}

/* device: of the last directory on the way that is still there. Another one than before: it was unmounted. */
static void tree_missing(Tree *t, dev_t device) {
        t->fan_error = 0;
        if (!t->has_root)
                return;
        if ((t->directory_device != 0 ? t->directory_device : t->root.device) != device) {
                tree_park(t);
                return;
        }
        if (t->root.is_file) {
                Entry *e = directory_find(model_root(t->model), FILE_NAME, strlen(FILE_NAME));

                if (e)
                        tree_lose(t, model_root(t->model), e, /* mask= */ 0);
        } else {
                tree_report(t, "", 0, NULL, WATCH_DELETE, /* synthetic= */ true, /* is_directory= */ true);
                tree_lose_all(t);
        }
        tree_unsubscribe(t, model_root(t->model));
        event_queue_unsubscribe(t->queue, &t->file_subscriber);
        model_root(t->model)->inode = 0;
        tree_close(t);
        t->has_root = false;
        t->root = (RootIdentity){};
}

static void tree_resolve(Tree *t) {
        _cleanup_close_ int fd = -EBADF;
        RootIdentity now;
        dev_t device = 0;
        int r;

        t->resolve_due = false;
        tree_close(t);
        tree_finish_load(t);
        r = path_chain_resolve(t->chain, &fd, NULL, &device);
        if (r >= 0)
                r = root_identify(fd, &now);
        if (r < 0) {
                tree_missing(t, device);
                if (tree_is_silent(t))
                        tree_set_stage(t, TREE_BEGINNING); /* what comes later is new */
                return;
        }
        t->directory_device = now.is_file ? device : 0;
        if (t->has_root && t->root.device == now.device && t->root.inode == now.inode && t->real_path &&
            t->fan_error == 0) {
                if (now.is_file)
                        tree_adopt_file(t, fd);
                else if (!tree_check_root(t, fd))
                        tree_queue(t, model_root(t->model), DIRECTORY_DEEP);
                else if (!subscriber_is_subscribed(&model_root(t->model)->subscriber))
                        tree_queue(t, model_root(t->model), 0);
                return;
        }
        if (t->has_root)
                tree_replace(t, &now);
        else if (is_parked(t, &now))
                tree_park(t);
        tree_adopt(t, fd, &now);
}

static void on_chain_changed(void *userdata) {
        tree_resolve_later(userdata);
}

void tree_hold(Tree *t, bool on) {
        TreeHold before = t->hold;

        if ((before != TREE_FREE) == on)
                return;
        t->hold = on ? TREE_HELD : TREE_FREE;
        watch_wake(t->watch);
        if (before != TREE_MISSED)
                return;
        if (t->fan)
                fan_queue_ask_again(t->fan);
        tree_rescan(t);
}

void tree_rescan(Tree *t) {
        t->counters.rescans++;
        t->too_deep = false;
        tree_forget_open(t, NULL); /* perhaps their closing is what was lost */
        if (t->fan && t->stage == TREE_BASE_LINE)
                tree_set_stage(t, TREE_DOUBTFUL);
        tree_resolve_later(t);
        if (t->has_root && !t->root.is_file)
                tree_queue(t, model_root(t->model), DIRECTORY_DEEP);
}

/* The directory that a mount has come over or gone from, if it is in the model. */
void tree_mount_changed(Tree *t, const char *path) {
        const char *rest = t->real_path ? startswith(path, t->real_path) : NULL;
        Directory *f = model_root(t->model);

        if (!rest || rest[0] != '/')
                return;
        while (f && *(rest += strspn(rest, "/"))) {
                size_t n = strcspn(rest, "/");
                const Entry *e = directory_find(f, rest, n);

                f = e && (e->flags & ENTRY_DIRECTORY) ? e->directory : NULL;
                rest += n;
        }
        if (f && t->watch->def.recursive)
                tree_queue(t, f, 0);
}

/* --- time --- */

static int on_tree_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Tree *t = userdata;
        usec_t now = now_clock(CLOCK_MONOTONIC);

        t->watch->watcher->now_monotonic = now;
        tree_expire_departed(t, now);
        if (t->poll_at <= now) {
                t->poll_at = USEC_INFINITY;
                t->poll_began = now;
                t->resolve_due = true;
                tree_poll(t);
        }
        tree_arm_timer(t);
        watch_wake(t->watch);
        return 0;
}

/* The longer it takes the rarer it is done. */
static void tree_plan_poll(Tree *t) {
        const WatchDef *def = &t->watch->def;
        usec_t now = t->watch->watcher->now_monotonic;
        usec_t took = t->poll_began > 0 ? usec_sub(now, t->poll_began) : 0;

        if (t->poll_at != USEC_INFINITY)
                return;
        if (t->fan_error < 0) {
                t->poll_at = usec_add(now, def->poll_max);
                return;
        }
        if (t->n_polled == 0 && t->n_unreadable == 0 && t->n_look_once == 0 && !path_chain_is_blind(t->chain))
                return;
        t->poll_interval = MAX(def->poll_min, took * POLL_SHARE);
        t->poll_interval = MIN(t->poll_interval, def->poll_max);
        t->poll_at = usec_add(now, t->poll_interval);
}

/* --- work --- */

static bool tree_is_idle(const Tree *t) {
        return !t->resolve_due && !t->resting && t->n_to_poll == 0 && TAILQ_EMPTY(&t->drops) &&
               TAILQ_EMPTY(&t->dead) && TAILQ_EMPTY(&t->scans) && !t->scan.directory;
}

static WatchState tree_state(const Tree *t) {
        bool polls_anyway = t->n_polled == t->n_remote || t->watch->def.backend == WATCH_BACKEND_POLL;

        if (t->has_root && t->fan_error < 0)
                return WATCH_FAILED;
        if (t->stage != TREE_STARTED && !(t->has_root && t->fan))
                return WATCH_STARTING;
        if (!t->has_root)
                return path_chain_is_remote(t->chain) ? WATCH_DEGRADED : WATCH_WAITING;
        if ((t->n_polled > 0 && !polls_anyway) || t->n_unreadable > 0 || t->too_deep || t->too_many ||
            t->hold != TREE_FREE)
                return WATCH_DEGRADED;
        return WATCH_ACTIVE;
}

bool tree_work(Tree *t) {
        if (t->hold != TREE_FREE)
                return false;
        if (t->resolve_due) {
                tree_resolve(t);
                if (t->fan) /* further changes are reported: nothing has to wait for the scan */
                        watch_set_state(t->watch, tree_state(t));
                return true;
        }
        return tree_work_rest(t) || tree_work_poll(t) || tree_work_drop(t) || tree_work_scan(t);
}

/* No file of the tree stays open, so that it can be unmounted. */
void tree_rest(Tree *t) {
        assert(t->fan_error <= 0);
        tree_close(t);
        if (tree_is_idle(t)) {
                /* While nothing can be known of it, what there is is neither a base line nor to be saved. */
                if (t->stage != TREE_STARTED && t->fan_error == 0)
                        tree_set_stage(t, TREE_STARTED);
                else if (t->stage == TREE_DOUBTFUL)
                        tree_set_stage(t, TREE_BASE_LINE);
                tree_plan_poll(t);
                if (t->too_many && model_size(t->model) < t->watch->def.model_max / 4 * 3) {
                        t->too_many = false; /* there is room again for what was left out */
                        tree_rescan(t);
                }
        }
        tree_arm_timer(t);
        watch_set_state(t->watch, tree_state(t));
}

/* --- life --- */

int tree_new(Tree **ret, Watch *watch, EventQueue *queue, sd_event *event) {
        Tree *t = calloc(1, sizeof(*t));
        int r;

        if (!t)
                return -ENOMEM;
        t->watch = watch;
        t->queue = queue;
        t->root_fd = t->open_fd = t->scan.fd = -EBADF;
        t->poll_at = USEC_INFINITY;
        t->poll_interval = watch->def.poll_min;
        t->stage = watch->def.report_existing ? TREE_BEGINNING : TREE_BASE_LINE;
        t->resolve_due = true;
        TAILQ_INIT(&t->scans);
        TAILQ_INIT(&t->polled);
        TAILQ_INIT(&t->departed);
        TAILQ_INIT(&t->drops);
        TAILQ_INIT(&t->dead);
        subscriber_init(&t->file_subscriber);
        r = model_new(&t->model, t, watch->def.directories);
        t->durable = t->model;
        if (r >= 0)
                r = path_chain_new(&t->chain, queue, watch->def.path, /* glob= */ false, watch_follows_all(watch),
                                   on_chain_changed, t);
        if (r >= 0)
                r = event_add_timer(event, &t->timer, "watch-tree", CLOCK_MONOTONIC, USEC_PER_MSEC, on_tree_timer, t);
        if (r < 0) {
                (void)tree_free(t);
                return r;
        }
        *ret = t;
        return 0;
}

void tree_retire(Tree *t) {
        tree_finish_load(t);
        tree_stop(t);
        tree_forget_open(t, NULL);
        if (t->model)
                tree_release_fan(t);
        tree_close(t);
        t->timer = sd_event_source_disable_unref(t->timer);
        t->chain = path_chain_free(t->chain);
        t->watch = NULL;
}

bool tree_work_retired(Tree *t) {
        Model **m = t->model ? &t->model : &t->parked;

        assert(!t->watch);
        if (tree_work_drop(t))
                return true;
        if (!*m)
                return false;
        if (tree_bury(t, model_root(*m), &t->at, NULL)) {
                *m = model_free(*m);
                t->at = NULL;
        }
        return true;
}

Tree *tree_free(Tree *t) {
        if (!t)
                return NULL;
        if (t->watch)
                tree_retire(t);
        while (tree_work_retired(t))
                ;
        assert(t->n_departed == 0 && t->n_lost_roots == 0 && TAILQ_EMPTY(&t->polled) && t->n_open_files == 0);
        assert(t->n_polled + t->n_unreadable + t->n_look_once + t->n_remote == 0);
        free(t->newborns);
        free(t->scan.buffer);
        path_text_done(&t->scan.path);
        path_text_done(&t->path);
        path_text_done(&t->from);
        free(t->real_path);
        return mfree(t);
}
