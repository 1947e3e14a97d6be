/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The output of a run on its way to the client that requested it. A job writes as fast as it can and must not be
 * delayed by a client, so what the connection does not accept at once waits here, up to a limit; above it the oldest
 * lines are dropped, because the end says what happened to the run, and one line in their place says how many. The
 * journal has all of them. */

#include "bus/follow.h"

#include "bus/object-path.h"
#include "util/log.h"

#define FOLLOW_UNSENT_MAX 64   /* messages handed to sd-bus beyond what the socket takes */
#define FOLLOW_LINE_COST  256U /* what a line costs beside its bytes */

enum {
        STREAM_OUTPUT = 1,
        STREAM_ERROR = 2,
};

/* A line in the backlog; its bytes follow. */
typedef struct BacklogLine {
        uint32_t size;
        uint32_t stream;
} BacklogLine;

typedef struct Follower {
        Followers *followers;
        Connection *connection;
        char *destination; /* the caller's name on the bus; NULL on a peer */
        sd_bus_slot *gone; /* reports when that name disappears */
        uint64_t run;
        uint8_t *backlog;
        size_t allocated, begin, end;
        size_t cost;
        uint64_t n_lost; /* lines dropped before the backlog */
        struct Follower *next;
} Follower;

struct Followers {
        Follower *list;
        unsigned n;
        sd_event_source *post; /* enabled while any follower has a backlog */
};

static Follower *follower_free(Follower *fo) {
        if (!fo)
                return NULL;
        sd_bus_slot_unref(fo->gone);
        free(fo->destination);
        free(fo->backlog);
        return mfree(fo);
}
DEFINE_CLEANUP(Follower, follower_free)

/* Removes the follower at *p from the list. */
static void follower_remove(Follower **p) {
        Follower *fo = *p;

        assert(fo->followers->n > 0);
        *p = fo->next;
        fo->followers->n--;
        follower_free(fo);
}

static int follower_send(Follower *fo, uint32_t stream, const void *line, size_t n) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        Connection *c = fo->connection;
        int r;

        r = sd_bus_message_new_signal(c->bus, &m, MANAGER_PATH, "org.vaktd1.Manager", "RunOutput");
        if (r >= 0)
                r = sd_bus_message_append(m, "tu", fo->run, stream);
        if (r >= 0)
                r = sd_bus_message_append_array(m, 'y', line, n);
        if (r < 0)
                return r;
        if (fo->destination) {
                r = sd_bus_message_set_destination(m, fo->destination);
                if (r < 0)
                        return r;
        }
        r = sd_bus_send(c->bus, m, NULL);
        if (r < 0)
                return r;
        if (c->sent)
                c->sent(c);
        return 0;
}

/* The oldest line, which stays valid until the next one is kept. */
static const uint8_t *follower_take(Follower *fo, BacklogLine *ret) {
        const uint8_t *text = fo->backlog + fo->begin + sizeof(*ret);

        assert(fo->end - fo->begin >= sizeof(*ret));
        memcpy(ret, fo->backlog + fo->begin, sizeof(*ret));
        fo->begin += sizeof(*ret) + ret->size;
        assert(fo->begin <= fo->end && fo->cost >= ret->size + FOLLOW_LINE_COST);
        fo->cost -= ret->size + FOLLOW_LINE_COST;
        return text;
}

/* Passes on waiting lines, while no more than unsent_max messages wait in the connection. */
static int follower_flush(Follower *fo, uint64_t unsent_max) {
        while (fo->begin < fo->end || fo->n_lost > 0) {
                const uint8_t *text;
                BacklogLine line;
                char lost[128];
                int r;

                if (connection_n_unsent(fo->connection) > unsent_max)
                        return 0;
                if (fo->n_lost > 0) {
                        int n = snprintf(lost, sizeof(lost),
                                         "[vaktd dropped %" PRIu64 " lines that were not read fast enough]",
                                         fo->n_lost);

                        fo->n_lost = 0;
                        r = follower_send(fo, STREAM_ERROR, lost, (size_t)n);
                } else {
                        text = follower_take(fo, &line);
                        r = follower_send(fo, line.stream, text, line.size);
                }
                if (r < 0)
                        return r;
        }
        fo->backlog = mfree(fo->backlog);
        fo->allocated = fo->begin = fo->end = 0;
        return 0;
}

static int follower_reserve(Follower *fo, size_t n) {
        size_t size = MAX(fo->allocated, (size_t)4096);
        uint8_t *p;

        if (fo->begin > 0) {
                memmove(fo->backlog, fo->backlog + fo->begin, fo->end - fo->begin);
                fo->end -= fo->begin;
                fo->begin = 0;
        }
        while (size - fo->end < n)
                size *= 2;
        p = realloc(fo->backlog, size);
        if (!p)
                return -ENOMEM;
        fo->backlog = p;
        fo->allocated = size;
        return 0;
}

/* Keeps a line for later. If there are too many, a quarter of the waiting lines is dropped at once, because the rest
 * is moved. */
static void follower_keep(Follower *fo, uint32_t stream, const char *text, size_t n) {
        BacklogLine line = { .size = (uint32_t)n, .stream = stream }, oldest;
        size_t need = sizeof(line) + n;

        if (fo->cost + n + FOLLOW_LINE_COST > FOLLOW_BACKLOG_MAX)
                while (fo->cost > FOLLOW_BACKLOG_MAX / 4 * 3) {
                        (void)follower_take(fo, &oldest);
                        fo->n_lost++;
                }
        if (fo->allocated - fo->end < need && follower_reserve(fo, need) < 0) {
                fo->n_lost++;
                return;
        }
        assert(need <= fo->allocated - fo->end);
        memcpy(fo->backlog + fo->end, &line, sizeof(line));
        memcpy(fo->backlog + fo->end + sizeof(line), text, n);
        fo->end += need;
        fo->cost += n + FOLLOW_LINE_COST;
}

static bool follower_has_backlog(const Follower *fo) {
        return fo->end > fo->begin || fo->n_lost > 0;
}

static int follower_output(Follower *fo, uint32_t stream, const char *line, size_t n) {
        if (!follower_has_backlog(fo) && connection_n_unsent(fo->connection) <= FOLLOW_UNSENT_MAX)
                return follower_send(fo, stream, line, n);
        follower_keep(fo, stream, line, n);
        return sd_event_source_set_enabled(fo->followers->post, SD_EVENT_ON);
}

void followers_output(Followers *f, uint64_t run, const char *line, size_t n, bool is_stderr) {
        for (Follower **p = &f->list; *p;) {
                if ((*p)->run == run &&
                    follower_output(*p, is_stderr ? STREAM_ERROR : STREAM_OUTPUT, line, MIN(n, FOLLOW_LINE_MAX)) < 0)
                        follower_remove(p);
                else
                        p = &(*p)->next;
        }
}

void followers_finish(Followers *f, uint64_t run) {
        for (Follower **p = &f->list; *p;) {
                if ((*p)->run != run) {
                        p = &(*p)->next;
                        continue;
                }
                (void)follower_flush(*p, UINT64_MAX - 1);
                follower_remove(p);
        }
}

void followers_drop(Followers *f, const Connection *c) {
        for (Follower **p = &f->list; *p;) {
                if ((*p)->connection == c)
                        follower_remove(p);
                else
                        p = &(*p)->next;
        }
}

/* Something happened on the loop: perhaps a connection wrote a part of its queue. */
static int on_post(sd_event_source *s, void *userdata) {
        Followers *f = userdata;
        bool more = false;

        for (Follower **p = &f->list; *p;) {
                if (follower_has_backlog(*p) && follower_flush(*p, FOLLOW_UNSENT_MAX) < 0) {
                        follower_remove(p);
                        continue;
                }
                more = more || follower_has_backlog(*p);
                p = &(*p)->next;
        }
        if (!more)
                (void)sd_event_source_set_enabled(s, SD_EVENT_OFF);
        return 0;
}

static int on_caller_gone(sd_bus_message *m, void *userdata, sd_bus_error *ret_error) {
        Follower *fo = userdata;
        const char *new_owner;

        if (sd_bus_message_read(m, "sss", NULL, NULL, &new_owner) < 0 || !isempty(new_owner))
                return 0;
        for (Follower **p = &fo->followers->list; *p; p = &(*p)->next)
                if (*p == fo) {
                        follower_remove(p);
                        break;
                }
        return 0;
}

static int follower_watch_caller(Follower *fo, sd_bus_message *m) {
        char match[512];
        const char *sender = sd_bus_message_get_sender(m);

        if (!sender)
                return -EINVAL;
        fo->destination = strdup(sender);
        if (!fo->destination)
                return -ENOMEM;
        (void)snprintf(match, sizeof(match),
                       "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                       "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='%s'",
                       sender);
        return sd_bus_add_match_async(fo->connection->bus, &fo->gone, match, on_caller_gone, NULL, fo);
}

bool followers_are_full(const Followers *f) {
        return f->n >= FOLLOWERS_MAX;
}

int followers_add(Followers *f, Connection *c, sd_bus_message *m, uint64_t run) {
        _cleanup_(follower_freep) Follower *fo = NULL;
        int r;

        if (followers_are_full(f))
                return -ENOBUFS;
        fo = calloc(1, sizeof(*fo));
        if (!fo)
                return -ENOMEM;
        *fo = (Follower){ .followers = f, .connection = c, .run = run };
        if (!c->is_peer) {
                r = follower_watch_caller(fo, m);
                if (r < 0)
                        return r;
        }
        fo->next = f->list;
        f->list = TAKE_PTR(fo);
        f->n++;
        return 0;
}

int followers_new(Followers **ret, sd_event *event) {
        _cleanup_(followers_freep) Followers *f = NULL;
        int r;

        assert(ret);

        f = calloc(1, sizeof(*f));
        if (!f)
                return -ENOMEM;
        r = sd_event_add_post(event, &f->post, on_post, f);
        if (r >= 0)
                r = sd_event_source_set_enabled(f->post, SD_EVENT_OFF);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(f->post, "bus-followers");
        *ret = TAKE_PTR(f);
        return 0;
}

Followers *followers_free(Followers *f) {
        if (!f)
                return NULL;
        while (f->list)
                follower_remove(&f->list);
        sd_event_source_disable_unref(f->post);
        return mfree(f);
}
