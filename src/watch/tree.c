/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What all files of a tree need: the root is opened once a turn, and what is to be done later is noted. */

#include "watch/tree.h"

#include "fs/guarded.h"
#include "watch/watch-internal.h"

int tree_open_root(Tree *t) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        int r;

        if (t->root_fd >= 0)
                return t->root_fd;
        if (!t->has_root || t->root.is_file)
                return -ESTALE;
        r = fd = guarded_find(t->watch->def.path, GUARDED_FIND_ALL);
        if (r >= 0 && fstat(fd, &st) < 0)
                r = -errno;
        if (r < 0) {
                tree_resolve_later(t);
                return r;
        }
        if (st.st_dev != t->root.device || st.st_ino != t->root.inode) {
                tree_resolve_later(t);
                return -ESTALE;
        }
        return t->root_fd = TAKE_FD(fd);
}

void tree_close(Tree *t) {
        t->root_fd = safe_close(t->root_fd);
        t->open_fd = safe_close(t->open_fd);
        t->open_directory = NULL;
}

void tree_resolve_later(Tree *t) {
        t->resolve_due = true;
        watch_wake(t->watch);
}

void tree_arm_timer(Tree *t) {
        const Departed *d = TAILQ_FIRST(&t->departed);
        usec_t at = MIN(t->poll_at, d ? d->deadline : USEC_INFINITY);

        if (at == USEC_INFINITY) {
                (void)sd_event_source_set_enabled(t->timer, SD_EVENT_OFF);
                return;
        }
        (void)sd_event_source_set_time(t->timer, at);
        (void)sd_event_source_set_enabled(t->timer, SD_EVENT_ONESHOT);
}

/* On to the next ones; doubts are over when it turns out that nothing can be heard of it for now. */
void tree_set_stage(Tree *t, TreeStage stage) {
        assert(stage > t->stage || (stage == TREE_BASE_LINE && t->stage == TREE_DOUBTFUL && t->fan_error < 0));
        t->stage = stage;
}
