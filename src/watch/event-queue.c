/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One inotify fd, read 64 KiB at a time into a set of (id of the watch, name) that keeps the order of arrival.
 * The events of a move are tied together by their cookie, so that where a file came from is always looked at before
 * where it went to, although the set has them under different names.
 *
 * A watch that the kernel gives up (IN_IGNORED) is handed on like any other event, so that what was heard of it before
 * comes first; descriptors are not used again by the kernel until 2^31 of them were, so an event of one that we do not
 * know any more is old news of a directory that we gave up. */

#include "watch/event-queue.h"

#include <fcntl.h>
#include <limits.h>

#include "fs/identity.h"
#include "util/hash-table.h"
#include "util/hash.h"
#include "util/steps.h"

#define BUFFER_SIZE (64 * 1024)
#define DROP_STEP   64U /* entries that ran over, freed in one step */

typedef struct KernelWatch {
        HashNode node; /* first */
        int64_t id;    /* the descriptor, or one from elsewhere */
        LIST_HEAD(, Subscriber) subscribers;
} KernelWatch;

typedef struct Pending Pending;
struct Pending {
        HashNode node; /* first */
        TAILQ_ENTRY(Pending) order;
        Pending *from, *to; /* the other half of a move that is still in the set */
        uint64_t hash;
        uint32_t mask, cookie;
        int64_t id;
        Writer writer;
        uint8_t length, handle_size;
        char name[]; /* a NUL and the handle follow */
};

TAILQ_HEAD(PendingList, Pending);

struct EventQueue {
        int fd, home_fd; /* home_fd: the current directory */
        const EventQueueOps *ops;
        void *userdata;

        HashTable watches;
        KernelWatch *spare; /* for the next one */
        uint32_t n_outer;   /* those that are no watches of the kernel */

        HashTable set;
        struct PendingList pending, dropped; /* the set in its order; and what was in one that ran over */
        Pending *last_from;                  /* of the move whose second half may come next */
        uint64_t seed;

        Subscriber *cursor; /* the next one of the watch that is being handed out */
        EventQueueCounters counters;
        char *buffer;
};

/* --- watches of the kernel --- */

static bool is_outer(int64_t id) {
        return id >= EVENT_QUEUE_OUTER_ID;
}

static uint32_t watch_hash(const HashNode *node, const void *userdata) {
        return (uint32_t)((const KernelWatch *)(const void *)node)->id;
}

static KernelWatch *watch_find(const EventQueue *q, int64_t id) {
        KernelWatch *w = (void *)hash_table_chain(&q->watches, (uint32_t)id);

        while (w && w->id != id)
                w = (void *)w->node.next;
        return w;
}

/* So that the next watch_insert() cannot fail. */
static int watches_reserve(EventQueue *q) {
        if (!q->spare)
                q->spare = calloc(1, sizeof(*q->spare));
        return q->spare ? hash_table_reserve(&q->watches) : -ENOMEM;
}

static KernelWatch *watch_insert(EventQueue *q, int64_t id) {
        KernelWatch *w = TAKE_PTR(q->spare);

        assert(w && !watch_find(q, id)); /* watches_reserve() came before */
        w->id = id;
        hash_table_put(&q->watches, &w->node, watch_hash(&w->node, NULL), watch_hash, NULL);
        q->n_outer += is_outer(id);
        return w;
}

static void watch_remove(EventQueue *q, KernelWatch *w) {
        assert(LIST_EMPTY(&w->subscribers));
        assert(!is_outer(w->id) || q->n_outer > 0);
        q->n_outer -= is_outer(w->id);
        hash_table_take(&q->watches, &w->node, watch_hash(&w->node, NULL));
        hash_table_shrink(&q->watches);
        free(w);
}

/* --- subscribers --- */

int event_queue_subscribe_id(EventQueue *q, Subscriber *s, int64_t id, uint32_t mask) {
        KernelWatch *w;
        int r;

        assert(id >= 0); /* less is no watch */
        r = watches_reserve(q);
        if (r < 0)
                return r;
        s->mask = mask;
        if (s->id == id)
                return 1;
        event_queue_unsubscribe(q, s);
        w = watch_find(q, id);
        if (!w)
                w = watch_insert(q, id);
        LIST_INSERT_HEAD(&w->subscribers, s, of_watch);
        s->id = id;
        return 0;
}

/* inotify_add_watch(2) takes no descriptor. By way of the current directory it takes a third of what it takes by way
 * of /proc; but only as ourselves we can be sure to come back. */
static int add_watch(const EventQueue *q, int fd, uint32_t mask) {
        char path[sizeof("/proc/self/fd/") + 11];
        int wd, r;

        if ((mask & IN_ONLYDIR) && !identity_is_entered() && fchdir(fd) >= 0) {
                wd = inotify_add_watch(q->fd, ".", mask);
                r = -errno;
                if (fchdir(q->home_fd) < 0 && chdir("/") < 0)
                        abort();
                return wd < 0 ? r : wd;
        }
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        wd = inotify_add_watch(q->fd, path, mask);
        return wd < 0 ? -errno : wd;
}

int event_queue_subscribe(EventQueue *q, Subscriber *s, int fd, uint32_t mask) {
        int wd, r;

        r = watches_reserve(q); /* first, so that there is no watch without its place */
        if (r < 0)
                return r;
        wd = add_watch(q, fd, mask | IN_MASK_ADD);
        return wd < 0 ? wd : event_queue_subscribe_id(q, s, wd, mask);
}

bool event_queue_has_id(const EventQueue *q, int64_t id) {
        return watch_find(q, id);
}

static void subscriber_remove(EventQueue *q, Subscriber *s) {
        assert(subscriber_is_subscribed(s));
        if (q->cursor == s)
                q->cursor = LIST_NEXT(s, of_watch);
        LIST_REMOVE(s, of_watch);
        s->id = -1;
}

void event_queue_unsubscribe(EventQueue *q, Subscriber *s) {
        KernelWatch *w = s->id >= 0 ? watch_find(q, s->id) : NULL;

        if (!w)
                return;
        subscriber_remove(q, s);
        if (w->subscribers.lh_first)
                return;
        if (!is_outer(w->id))
                (void)inotify_rm_watch(q->fd, (int)w->id); /* EINVAL: the kernel gave it up already */
        watch_remove(q, w);
}

/* --- the set --- */

static uint64_t pending_hash(const EventQueue *q, int64_t id, const char *name, size_t n) {
        return hash_bytes(q->seed ^ (uint64_t)id, name, n);
}

static uint32_t pending_rehash(const HashNode *node, const void *userdata) {
        return (uint32_t)((const Pending *)(const void *)node)->hash;
}

static Pending *pending_find(const EventQueue *q, uint64_t hash, int64_t id, const char *name, size_t n) {
        Pending *p = (void *)hash_table_chain(&q->set, (uint32_t)hash);

        while (p && !(p->hash == hash && p->id == id && p->length == n && memcmp(p->name, name, n) == 0))
                p = (void *)p->node.next;
        return p;
}

bool event_queue_holds(const EventQueue *q, int64_t id, const char *name, size_t n, uint32_t mask) {
        const Pending *p = pending_find(q, pending_hash(q, id, name, n), id, name, n);

        return p && (p->mask & mask);
}

static void pending_untie(Pending *p) {
        if (p->from)
                p->from->to = NULL;
        if (p->to)
                p->to->from = NULL;
        p->from = p->to = NULL;
}

/* All at once; they are freed bit by bit. */
static void pending_clear(EventQueue *q) {
        TAILQ_CONCAT(&q->dropped, &q->pending, order);
        hash_table_done(&q->set);
        q->last_from = NULL;
}

/* False when nothing was left. */
static bool pending_free_dropped(EventQueue *q, unsigned max) {
        Pending *p = TAILQ_FIRST(&q->dropped);

        if (!p)
                return false;
        for (unsigned n = 0; n < max && (p = TAILQ_FIRST(&q->dropped)); n++) {
                steps_taken++;
                TAILQ_REMOVE(&q->dropped, p, order);
                free(p);
        }
        return true;
}

static Pending *pending_new(const Heard *h, uint64_t hash) {
        size_t n = h->length + 1, handle_size = h->handle ? h->handle_size : 0;
        Pending *p = malloc(sizeof(*p) + n + handle_size);

        if (!p)
                return NULL;
        assert(handle_size <= EVENT_QUEUE_HANDLE_MAX && h->length <= UINT8_MAX);
        *p = (Pending){ .hash = hash, .id = h->id, .writer = h->writer, .length = (uint8_t)h->length };
        memcpy(p->name, h->name, h->length);
        p->name[h->length] = '\0';
        p->handle_size = (uint8_t)handle_size;
        if (handle_size > 0)
                memcpy(p->name + n, h->handle, handle_size);
        return p;
}

/* One of several who is not the same as the others makes all of them nobody: better than to blame the wrong one. */
static void writer_merge(Writer *w, const Writer *other) {
        if (w->pid != other->pid)
                w->pid = 0;
        if (w->group != other->group)
                w->group = 0;
}

/* Finds or makes the entry of what an event is about; NULL without memory. */
static Pending *pending_get(EventQueue *q, const Heard *h) {
        uint64_t hash = pending_hash(q, h->id, h->name, h->length);
        Pending *p;

        if (hash_table_reserve(&q->set) < 0)
                return NULL;
        p = pending_find(q, hash, h->id, h->name, h->length);
        if (p) {
                q->counters.merged++;
                writer_merge(&p->writer, &h->writer);
                return p;
        }
        p = pending_new(h, hash);
        if (!p)
                return NULL;
        hash_table_put(&q->set, &p->node, (uint32_t)hash, pending_rehash, NULL);
        TAILQ_INSERT_TAIL(&q->pending, p, order);
        return p;
}

/* The second half of a move follows the first, not always at once (inotify(7)). */
static void pending_tie(EventQueue *q, Pending *to, uint32_t cookie) {
        Pending *from = q->last_from;

        if (!from || from->cookie != cookie || from == to)
                return;
        pending_untie(from);
        if (to->from)
                to->from->to = NULL;
        assert(!from->to && (!to->from || to->from != from));
        from->to = to;
        to->from = from;
}

/* --- reading --- */

static void queue_overflowed(EventQueue *q) {
        q->counters.overflows++;
        /* What is in the set will be found by the comparison, too. But the watches that are gone are not. */
        q->ops->overflowed(q->userdata);
}

void event_queue_put(EventQueue *q, const Heard *h) {
        Pending *p = q->set.n_nodes < EVENT_QUEUE_MAX ? pending_get(q, h) : NULL;

        steps_taken++;
        if (!p) {
                pending_clear(q);
                queue_overflowed(q);
                return;
        }
        p->mask |= h->mask;
        if (h->mask & IN_MOVED_TO)
                pending_tie(q, p, h->cookie);
        if (h->mask & IN_MOVED_FROM) {
                p->cookie = h->cookie;
                q->last_from = p;
        }
}

static void queue_add(EventQueue *q, const struct inotify_event *e) {
        size_t n = e->len > 0 ? strnlen(e->name, e->len) : 0;

        if (e->mask & IN_Q_OVERFLOW)
                queue_overflowed(q);
        else if (watch_find(q, e->wd))
                event_queue_put(q, &(Heard){ .id = e->wd,
                                             .name = n > 0 ? e->name : "",
                                             .length = n,
                                             .mask = e->mask,
                                             .cookie = e->cookie });
}

static int queue_add_all(EventQueue *q, const char *buffer, size_t n) {
        int n_events = 0;

        for (size_t i = 0; i + sizeof(struct inotify_event) <= n; n_events++) {
                const struct inotify_event *e = (const void *)(buffer + i);

                queue_add(q, e);
                i += sizeof(*e) + e->len;
        }
        return n_events;
}

int event_queue_drain(EventQueue *q, size_t max) {
        int n_events = 0;

        for (size_t done = 0; done < max;) {
                ssize_t n = read(q->fd, q->buffer, BUFFER_SIZE);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno != EAGAIN)
                        return -errno;
                if (n <= 0)
                        break;
                n_events += queue_add_all(q, q->buffer, (size_t)n);
                done += (size_t)n;
                if (n < BUFFER_SIZE / 2)
                        break; /* that was all, or nearly: asking again would cost as much as a few events */
        }
        q->counters.events += (uint64_t)n_events;
        return n_events;
}

/* --- working --- */

/* The oldest one; or where its file came from, as long as that has not been looked at. Each tie is followed once, so a
 * ring of moves ends. */
static Pending *pending_next(EventQueue *q) {
        Pending *p = TAILQ_FIRST(&q->pending);

        while (p && p->from) {
                Pending *from = p->from;

                assert(from->to == p);
                p->from = from->to = NULL;
                p = from;
        }
        return p;
}

/* Of a directory that nobody knows; perhaps somebody gets to know it now. Not when its turn comes early: what tells of
 * the directory itself may stand before it. */
static const KernelWatch *introduce(EventQueue *q, const Pending *p) {
        char handle[EVENT_QUEUE_HANDLE_MAX] __attribute__((__aligned__(16)));

        memcpy(handle, p->name + p->length + 1, p->handle_size);
        q->ops->unknown(q->userdata, p->id, p->handle_size > 0 ? handle : NULL);
        return watch_find(q, p->id);
}

static void hand_out(EventQueue *q, const Pending *p) {
        const uint32_t always = IN_IGNORED | IN_UNMOUNT | IN_ISDIR;
        const KernelWatch *w = watch_find(q, p->id);

        if (!w && is_outer(p->id))
                w = introduce(q, p);
        q->cursor = w ? w->subscribers.lh_first : NULL;
        while (q->cursor) {
                Subscriber *s = q->cursor;
                Notice n = {
                        .name = p->name, .length = p->length, .mask = p->mask & (s->mask | always), .writer = p->writer
                };

                q->cursor = LIST_NEXT(s, of_watch);
                if (n.mask & ~(uint32_t)IN_ISDIR)
                        s->notify(s, &n);
        }
}

/* The kernel has given a watch up: each subscriber is let go before it hears of it, so that it may subscribe anew. */
static void hand_out_end(EventQueue *q, const Pending *p) {
        KernelWatch *w;

        while ((w = watch_find(q, p->id)) && w->subscribers.lh_first) {
                Notice n = { .name = p->name, .length = p->length, .mask = p->mask };
                Subscriber *s = w->subscribers.lh_first;

                subscriber_remove(q, s);
                s->notify(s, &n);
        }
        if (w)
                watch_remove(q, w);
}

bool event_queue_work(EventQueue *q) {
        _cleanup_free_ Pending *p = pending_next(q);
        bool dropped = pending_free_dropped(q, DROP_STEP);

        assert(TAILQ_EMPTY(&q->pending) == (q->set.n_nodes == 0)); /* the same in its order */
        if (!p)
                return dropped;
        hash_table_take(&q->set, &p->node, (uint32_t)p->hash);
        hash_table_shrink(&q->set);
        TAILQ_REMOVE(&q->pending, p, order);
        pending_untie(p);
        if (q->last_from == p)
                q->last_from = NULL;
        if (p->mask & IN_IGNORED)
                hand_out_end(q, p);
        else
                hand_out(q, p);
        return true;
}

/* --- life --- */

int event_queue_new(EventQueue **ret, const EventQueueOps *ops, void *userdata) {
        _cleanup_(event_queue_freep) EventQueue *q = NULL;

        q = calloc(1, sizeof(*q));
        if (!q)
                return -ENOMEM;
        TAILQ_INIT(&q->pending);
        TAILQ_INIT(&q->dropped);
        q->fd = q->home_fd = -EBADF;
        q->ops = ops;
        q->userdata = userdata;
        q->seed = hash_seed();
        q->buffer = malloc(BUFFER_SIZE);
        if (!q->buffer)
                return -ENOMEM;
        q->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (q->fd < 0)
                return -errno;
        q->home_fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (q->home_fd < 0)
                return -errno;
        *ret = TAKE_PTR(q);
        return 0;
}

EventQueue *event_queue_free(EventQueue *q) {
        if (!q)
                return NULL;
        assert(q->watches.n_nodes == 0);
        pending_clear(q);
        (void)pending_free_dropped(q, UINT_MAX);
        hash_table_done(&q->watches);
        free(q->spare);
        safe_close(q->fd);
        safe_close(q->home_fd);
        free(q->buffer);
        return mfree(q);
}

int event_queue_fd(const EventQueue *q) {
        return q->fd;
}

EventQueueCounters event_queue_counters(const EventQueue *q) {
        EventQueueCounters c = q->counters;

        assert(q->n_outer <= q->watches.n_nodes);
        c.watches = q->watches.n_nodes - q->n_outer;
        c.waiting = q->set.n_nodes;
        return c;
}
