/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The three kinds of systemd.path(5) that hold or do not hold. Each look answers the whole question again, so events
 * need not be understood, only noticed. What counts as an empty directory is what systemd's dir_is_empty() says. */

#include "watch/path-condition.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "fs/beneath.h"
#include "fs/path-text.h"
#include "util/file.h"
#include "util/turn.h"
#include "watch/path-chain.h"
#include "watch/watch-internal.h"

#define NAMES_MAX 262144U /* looked at in a directory for one answer */

#define DEAR_USEC  (20 * USEC_PER_MSEC) /* a look that takes so long is not repeated at once: */
#define LOOK_SHARE 10U                  /* such ones take at most one part in so many of the time */

struct PathCondition {
        Watch *watch;
        PathChain *chain;
        Subscriber directory; /* DirectoryNotEmpty= */
        sd_event_source *timer;
        PathText found;
        usec_t not_before;                        /* monotonic: the next look */
        bool look_due, recheck, held, blind, cut; /* cut: the directory has too many names to be looked at */
};

/* --- an empty directory --- */

static const char *const backup_suffixes[] = {
        ".rpmnew",    ".rpmsave",  ".rpmorig",     ".dpkg-old",    ".dpkg-new", ".dpkg-tmp",
        ".dpkg-dist", ".dpkg-bak", ".dpkg-backup", ".dpkg-remove", ".ucf-new",  ".ucf-old",
        ".ucf-dist",  ".swp",      ".bak",         ".old",         ".new",
};
static const char *const other_names[] = { "lost+found", "aquota.user", "aquota.group" };

static bool endswith(const char *s, const char *suffix) {
        size_t n = strlen(s), m = strlen(suffix);

        return n >= m && streq(s + n - m, suffix);
}

static bool is_hidden_or_backup(const char *name) {
        if (name[0] == '.' || endswith(name, "~"))
                return true;
        for (size_t i = 0; i < ELEMENTSOF(other_names); i++)
                if (streq(name, other_names[i]))
                        return true;
        for (size_t i = 0; i < ELEMENTSOF(backup_suffixes); i++)
                if (endswith(name, backup_suffixes[i]))
                        return true;
        return false;
}

/* 1, 0, negative errno; -E2BIG: none among as many as are looked at. */
static int has_entries(int path_fd) {
        _cleanup_(closedirp) DIR *dir = fd_list(path_fd);
        const struct dirent *d;
        unsigned n = 0;
        int r = 0;

        if (!dir)
                return -errno;
        while (r == 0 && (d = readdir(dir)))
                r = n++ < NAMES_MAX ? !is_hidden_or_backup(d->d_name) : -E2BIG;
        return r;
}

/* --- looking --- */

static void on_directory_event(Subscriber *s, const Notice *n) {
        path_condition_look_later((PathCondition *)(void *)((char *)s - offsetof(PathCondition, directory)));
}

static int path_condition_look_into(PathCondition *c, int fd) {
        FileSystemTraits traits = {};
        int r;

        c->directory.notify = on_directory_event;
        if (event_queue_subscribe(c->watch->watcher->queue, &c->directory, fd,
                                  IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_ONLYDIR) < 0)
                c->blind = true;
        (void)file_system_traits(fd, &traits);
        c->blind = c->blind || traits.is_remote;
        r = has_entries(fd);
        c->cut = r == -E2BIG;
        return r;
}

/* 1, 0; errors are "no": whatever is in the way is not there for us. */
static bool path_condition_holds(PathCondition *c) {
        _cleanup_close_ int fd = -EBADF;

        c->cut = false;
        c->blind = c->watch->def.backend == WATCH_BACKEND_POLL;
        if (path_chain_resolve(c->chain, &fd, &c->found, NULL) < 0)
                return false;
        return c->watch->def.kind != WATCH_DIRECTORY_NOT_EMPTY || path_condition_look_into(c, fd) > 0;
}

/* Who makes a look dear can make events, too. */
static bool path_condition_has_to_wait(const PathCondition *c, usec_t now) {
        if (now >= c->not_before)
                return false;
        (void)sd_event_source_set_time_relative(c->timer, c->not_before - now);
        (void)sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
        return true;
}

bool path_condition_work(PathCondition *c) {
        Change change = { .synthetic = true };
        bool held = c->held, recheck = c->recheck;
        usec_t now = now_clock(CLOCK_MONOTONIC), took;

        if (!c->look_due || path_condition_has_to_wait(c, now))
                return false;
        c->look_due = c->recheck = false;
        c->held = path_condition_holds(c);
        took = usec_sub(now_clock(CLOCK_MONOTONIC), now);
        c->not_before = took < DEAR_USEC ? 0 : usec_add(now, took * LOOK_SHARE);
        (void)sd_event_source_set_time_relative(c->timer, c->watch->def.poll_min);
        (void)sd_event_source_set_enabled(c->timer, path_condition_is_blind(c) ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
        watch_set_state(c->watch,
                        path_condition_is_refused(c) || path_condition_is_cut(c) || path_condition_is_remote(c)
                                ? WATCH_DEGRADED
                        : c->held || c->watch->def.kind != WATCH_DIRECTORY_NOT_EMPTY ? WATCH_ACTIVE
                                                                                     : WATCH_WAITING);
        if (c->held && (!held || recheck)) {
                change.path = path_text_string(&c->found);
                change.length = c->found.length;
                watch_report(c->watch, &change);
        }
        return true;
}

void path_condition_look_later(PathCondition *c) {
        c->look_due = true;
        watch_wake(c->watch);
}

void path_condition_recheck(PathCondition *c) {
        c->recheck = true;
        path_condition_look_later(c);
}

bool path_condition_is_refused(const PathCondition *c) {
        return path_chain_is_refused(c->chain);
}

bool path_condition_is_remote(const PathCondition *c) {
        return path_chain_is_remote(c->chain);
}

bool path_condition_is_cut(const PathCondition *c) {
        return c->cut || path_chain_is_cut(c->chain);
}

bool path_condition_is_blind(const PathCondition *c) {
        return c->blind || c->cut || path_chain_is_blind(c->chain);
}

/* --- life --- */

static void on_chain_changed(void *userdata) {
        path_condition_look_later(userdata);
}

static int on_condition_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        path_condition_look_later(userdata);
        return 0;
}

int path_condition_new(PathCondition **ret, Watch *watch) {
        PathCondition *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        c->watch = watch;
        c->look_due = true;
        subscriber_init(&c->directory);
        r = path_chain_new(&c->chain, watch->watcher->queue, watch->def.path,
                           watch->def.kind == WATCH_PATH_EXISTS_GLOB, watch_follows_all(watch), on_chain_changed, c);
        if (r >= 0)
                r = event_add_timer(watch->watcher->event, &c->timer, "watch-condition", CLOCK_MONOTONIC,
                                    USEC_PER_MSEC, on_condition_timer, c);
        if (r < 0) {
                (void)path_condition_free(c);
                return r;
        }
        *ret = c;
        return 0;
}

PathCondition *path_condition_free(PathCondition *c) {
        if (!c)
                return NULL;
        event_queue_unsubscribe(c->watch->watcher->queue, &c->directory);
        (void)sd_event_source_disable_unref(c->timer);
        (void)path_chain_free(c->chain);
        path_text_done(&c->found);
        return mfree(c);
}
