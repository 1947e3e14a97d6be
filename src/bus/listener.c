/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The control socket: it listens, accepts, counts and drops its peers. Everybody may connect, because everybody may
 * read; so each user has a share of the connections, of the signals, of the memory for unread replies and of the time
 * of the loop, and other users cannot use root's share. The times at which peers were active are only checked when
 * connections become scarce, so that idle peers need no timers. */

#include "bus/listener.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "util/file.h"
#include "util/log-messages.h"
#include "util/log.h"
#include "util/turn.h"

#define BACKLOG      512
#define ACCEPT_PAUSE USEC_PER_SEC /* when descriptors or memory ran out */
#define DRAIN_TICK   (10 * USEC_PER_MSEC)
#define LOG_INTERVAL USEC_PER_MINUTE
#define LOG_BURST    10U

struct Listener {
        const ApiContext *api;
        PeerHost host;
        int fd;
        char *path; /* of the socket that we created, or NULL */
        dev_t device;
        ino_t inode; /* of that one: another program's socket is not removed */
        sd_id128_t id;
        uint64_t last_number, n_turns;

        sd_event_source *listen, *resume, *post, *reap, *drain;
        Peer *peers[LISTENER_PEERS_MAX];
        size_t n_peers;

        usec_t log_since;
        unsigned log_n, log_n_hidden;

        usec_t drain_end;
        void (*drained)(void *userdata);
        void *drained_userdata;
};

static usec_t listener_now(const Listener *d) {
        usec_t now = 0;

        (void)sd_event_now(d->api->event, CLOCK_MONOTONIC, &now);
        return now;
}

/* A client that misbehaves a thousand times a minute does not fill the journal. */
static void listener_log_refusal(Listener *d, const struct ucred *ucred, const char *what, const char *why) {
        static const LogContext context = { .message_id = MESSAGE_PEER_DROPPED };
        usec_t now = listener_now(d);

        if (now >= usec_add(d->log_since, LOG_INTERVAL) || d->log_since == 0) {
                if (d->log_n_hidden > 0)
                        log_message(LOG_NOTICE, &context, "%u more clients of the control socket were dropped.",
                                    d->log_n_hidden);
                d->log_since = now;
                d->log_n = d->log_n_hidden = 0;
        }
        if (d->log_n++ >= LOG_BURST) {
                d->log_n_hidden++;
                return;
        }
        log_message(LOG_NOTICE, &context, "%s a client of the control socket (pid %d, user %u): %s.", what, ucred->pid,
                    ucred->uid, why);
}

/* --- what a peer asks of its listener --- */

static void listener_peer_busy(void *userdata, Peer *p) {
        Listener *d = userdata;

        (void)sd_event_source_set_enabled(d->post, SD_EVENT_ON);
}

static void listener_peer_dropped(void *userdata, Peer *p, const char *why) {
        Listener *d = userdata;

        assert(!peer_is_subscribed(p) || *d->api->n_listening > 0);
        if (peer_is_subscribed(p))
                --*d->api->n_listening;
        if (why)
                listener_log_refusal(d, peer_ucred(p), "Dropped", why);
        (void)sd_event_source_set_enabled(d->reap, SD_EVENT_ONESHOT);
}

/* Counts the peers of p's user, except p, for which test() is true. */
static size_t listener_count_siblings(const Listener *d, const Peer *p, bool (*test)(const Peer *p)) {
        size_t n = 0;

        for (size_t i = 0; i < d->n_peers; i++) {
                const Peer *q = d->peers[i];

                n += q != p && !peer_is_dropped(q) && peer_ucred(q)->uid == peer_ucred(p)->uid && test(q);
        }
        return n;
}

/* One message of a user is processed at a time, however many connections that user has, so that the calls of other
 * users wait for one message of each user. Turns go round; but when there are few places for unread replies, a user
 * that has one continues, because it may read one connection to its end before the next. */
static uint64_t listener_may_serve(void *userdata, const Peer *p) {
        Listener *d = userdata;
        bool is_next = true;
        size_t n_unread = 0;

        if (peer_is_privileged(p))
                return ++d->n_turns;
        for (size_t i = 0; i < d->n_peers; i++) {
                const Peer *q = d->peers[i];

                if (q == p || peer_is_dropped(q) || peer_ucred(q)->uid != peer_ucred(p)->uid)
                        continue;
                if (peer_is_at_work(q))
                        return 0;
                is_next = is_next && !(peer_waits(q) && peer_turn(q) < peer_turn(p));
                n_unread += peer_is_busy(q) && peer_n_unsent(q) > 0;
        }
        if (n_unread >= LISTENER_UNREAD_PER_UID_MAX || (!is_next && n_unread < LISTENER_UNREAD_PER_UID_MAX - 1))
                return 0;
        return ++d->n_turns;
}

static int listener_subscribe(void *userdata, const Peer *p, bool on) {
        Listener *d = userdata;

        assert(on || *d->api->n_listening > 0);
        if (!on)
                --*d->api->n_listening;
        else {
                if (!peer_is_privileged(p) &&
                    listener_count_siblings(d, p, peer_is_subscribed) >= LISTENER_SUBSCRIBED_PER_UID_MAX)
                        return -ENOBUFS;
                ++*d->api->n_listening;
        }
        return 0;
}

/* --- signals --- */

void listener_each(Listener *d, void (*visit)(Connection *c, void *arg), void *arg) {
        for (size_t i = 0; i < d->n_peers; i++)
                if (!peer_is_dropped(d->peers[i]) && peer_is_subscribed(d->peers[i]))
                        visit(peer_connection(d->peers[i]), arg);
}

/* The unprivileged peer with the most unsent data, and the sum of all of them. */
static Peer *listener_laggard(const Listener *d, uint64_t *ret_sum) {
        Peer *worst = NULL;

        *ret_sum = 0;
        for (size_t i = 0; i < d->n_peers; i++) {
                Peer *p = d->peers[i];

                if (peer_is_dropped(p) || peer_is_privileged(p))
                        continue;
                *ret_sum += peer_n_unsent(p);
                if (!worst || peer_n_unsent(p) > peer_n_unsent(worst))
                        worst = p;
        }
        return worst;
}

void listener_shed(Listener *d) {
        uint64_t sum;

        for (;;) {
                Peer *p = listener_laggard(d, &sum);

                if (!p || sum <= LISTENER_UNSENT_MAX)
                        return;
                peer_drop(p, "its unread signals take too much memory");
        }
}

/* --- the peers --- */

static void listener_reap(Listener *d) {
        for (size_t i = 0; i < d->n_peers;) {
                if (!peer_is_dropped(d->peers[i])) {
                        i++;
                        continue;
                }
                peer_free(d->peers[i]);
                d->peers[i] = d->peers[--d->n_peers];
        }
}

static int on_reap(sd_event_source *s, void *userdata) {
        listener_reap(userdata);
        return 0;
}

/* After every event of the loop while a peer is busy. */
static int on_post(sd_event_source *s, void *userdata) {
        Listener *d = userdata;
        bool busy = false;

        for (size_t i = 0; i < d->n_peers; i++)
                peer_settle(d->peers[i]);
        for (size_t i = 0; i < d->n_peers; i++) {
                peer_check(d->peers[i]);
                busy = busy || (!peer_is_dropped(d->peers[i]) && peer_is_busy(d->peers[i]));
        }
        if (!busy)
                (void)sd_event_source_set_enabled(s, SD_EVENT_OFF);
        return 0;
}

/* When connections become scarce, peers that neither send nor listen are dropped. */
static void listener_drop_idle(Listener *d) {
        usec_t now = listener_now(d);

        for (size_t i = 0; i < d->n_peers; i++) {
                Peer *p = d->peers[i];

                if (!peer_is_dropped(p) && !peer_is_subscribed(p) && peer_is_quiet(p) &&
                    now >= usec_add(peer_last_active(p), LISTENER_IDLE_MAX))
                        peer_drop(p, NULL);
        }
        listener_reap(d);
}

/* A new connection may be noticed before earlier ends of old ones. */
static void listener_drop_left(Listener *d) {
        for (size_t i = 0; i < d->n_peers; i++)
                if (!peer_is_dropped(d->peers[i]) && peer_has_left(d->peers[i]))
                        peer_drop(d->peers[i], NULL);
        listener_reap(d);
}

/* The reason why a user may not have another connection, or NULL. */
static const char *listener_refusal(const Listener *d, uid_t uid) {
        bool privileged = uid_is_privileged(d->api, uid);
        size_t n = 0, n_others = 0;

        for (size_t i = 0; i < d->n_peers; i++) {
                n += peer_ucred(d->peers[i])->uid == uid;
                n_others += !peer_is_privileged(d->peers[i]);
        }
        if (n >= (privileged ? LISTENER_PEERS_PRIVILEGED_MAX : LISTENER_PEERS_PER_UID_MAX))
                return "the user has too many connections";
        if (d->n_peers >= LISTENER_PEERS_MAX || (!privileged && n_others >= LISTENER_PEERS_OTHERS_MAX))
                return "all connections are in use";
        return NULL;
}

/* Turns a connection into a peer, or closes it. */
static void listener_admit(Listener *d, int accepted) {
        _cleanup_close_ int fd = accepted;
        PeerParameters parameters = { .api = d->api, .host = &d->host, .server_id = d->id };
        socklen_t size = sizeof(parameters.ucred);
        const char *refusal;
        int r;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &parameters.ucred, &size) < 0) {
                log_debug_errno(errno, "Cannot determine who connected to the control socket, ignoring: %m");
                return;
        }
        if (d->n_peers >= LISTENER_PEERS_MAX / 2)
                listener_drop_idle(d);
        if (listener_refusal(d, parameters.ucred.uid))
                listener_drop_left(d);
        refusal = listener_refusal(d, parameters.ucred.uid);
        if (refusal) {
                listener_log_refusal(d, &parameters.ucred, "Refused", refusal);
                return;
        }
        assert(d->n_peers < LISTENER_PEERS_MAX); /* or it was refused */
        parameters.number = ++d->last_number;
        r = peer_new(&d->peers[d->n_peers], fd, &parameters);
        if (r < 0) {
                log_warning_errno(r, "Cannot serve a client of the control socket: %m");
                return;
        }
        (void)TAKE_FD(fd);
        d->n_peers++;
}

/* --- listening --- */

static int on_resume(sd_event_source *s, uint64_t usec, void *userdata) {
        const Listener *d = userdata;

        (void)sd_event_source_set_enabled(d->listen, SD_EVENT_ON);
        return 0;
}

/* The connection stays in the backlog and would wake us again at once. */
static void listener_pause(Listener *d, int error) {
        log_warning_errno(error, "Cannot accept clients of the control socket, trying again: %m");
        (void)sd_event_source_set_enabled(d->listen, SD_EVENT_OFF);
        (void)sd_event_source_set_time_relative(d->resume, ACCEPT_PAUSE);
        (void)sd_event_source_set_enabled(d->resume, SD_EVENT_ONESHOT);
}

static int on_connection(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        Listener *d = userdata;
        int accepted;

        accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (accepted >= 0)
                listener_admit(d, accepted);
        else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
                listener_pause(d, errno);
        return 0;
}

/* Removes the socket of a daemon that is gone. -EADDRINUSE if a program listens there, or it is not a socket. */
static int remove_stale_socket(const struct sockaddr_un *address) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        if (lstat(address->sun_path, &st) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!S_ISSOCK(st.st_mode) ||
            (st.st_uid != geteuid() && st.st_uid != 0)) /* the socket of another user is not ours to remove */
                return -EADDRINUSE;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) >= 0 || errno == EAGAIN)
                return -EADDRINUSE;
        if (errno != ECONNREFUSED)
                return errno == ENOENT ? 0 : -errno;
        return unlink(address->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

static int listener_make_socket(Listener *d, const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct stat st;
        int r;

        if (isempty(path) || strlen(path) >= sizeof(address.sun_path))
                return isempty(path) ? -EINVAL : -ENAMETOOLONG;
        memcpy(address.sun_path, path, strlen(path) + 1);
        r = remove_stale_socket(&address);
        if (r < 0)
                return r;
        d->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (d->fd < 0)
                return -errno;
        d->path = strdup(path);
        if (!d->path)
                return -ENOMEM;
        r = socket_bind_for_all(d->fd, &address); /* everybody may read */
        if (r < 0)
                return r;
        if (lstat(path, &st) < 0)
                return -errno;
        d->device = st.st_dev;
        d->inode = st.st_ino;
        return listen(d->fd, BACKLOG) < 0 ? -errno : 0;
}

static int listener_take_socket(const Listener *d) {
        int r, flags;

        r = sd_is_socket(d->fd, AF_UNIX, SOCK_STREAM, /* listening= */ 1);
        if (r <= 0)
                return r < 0 ? r : -ENOTSOCK;
        flags = fcntl(d->fd, F_GETFL);
        if (flags < 0 || fcntl(d->fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(d->fd, F_SETFD, FD_CLOEXEC) < 0)
                return -errno;
        return 0;
}

static int listener_open(Listener *d, const char *path) {
        int r;

        if (d->fd >= 0) {
                r = listener_take_socket(d);
                if (r < 0)
                        return log_error_errno(r, "Cannot use the control socket from the service manager: %m");
                return 0;
        }
        r = listener_make_socket(d, path);
        if (r == -EADDRINUSE)
                return log_error_errno(r,
                                       "Cannot create the control socket %s: another vaktd listens there, or the path "
                                       "is something else.",
                                       path);
        if (r < 0)
                return log_error_errno(r, "Cannot create the control socket %s: %m", path);
        return 0;
}

/* --- the end --- */

/* Only the socket that we created, and only while it is still ours. */
static void listener_remove_socket(Listener *d) {
        struct stat st;

        if (d->path && lstat(d->path, &st) >= 0 && st.st_dev == d->device && st.st_ino == d->inode)
                (void)unlink(d->path);
        d->path = mfree(d->path);
}

static int on_drain(sd_event_source *s, uint64_t usec, void *userdata) {
        Listener *d = userdata;
        usec_t now = listener_now(d);
        void (*drained)(void *);

        for (size_t i = 0; i < d->n_peers; i++) {
                Peer *p = d->peers[i];

                if (now >= d->drain_end || (peer_has_asked(p) && peer_is_quiet(p) &&
                                            now >= usec_add(peer_last_active(p), LISTENER_DRAIN_QUIET)))
                        peer_drop(p, NULL);
        }
        listener_reap(d);
        if (d->n_peers > 0) {
                (void)sd_event_source_set_time_relative(s, DRAIN_TICK);
                (void)sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
                return 0;
        }
        drained = TAKE_PTR(d->drained);
        if (drained)
                drained(d->drained_userdata);
        return 0;
}

void listener_drain(Listener *d, void (*done)(void *userdata), void *userdata) {
        assert(done);

        /* No successor serves the backlog of our own socket, so it is served now. */
        if (d->path)
                listener_remove_socket(d);
        else
                (void)sd_event_source_set_enabled(d->listen, SD_EVENT_OFF);
        (void)sd_event_source_set_enabled(d->resume, SD_EVENT_OFF);
        d->drained = done;
        d->drained_userdata = userdata;
        d->drain_end = usec_add(listener_now(d), LISTENER_DRAIN_MAX);
        (void)sd_event_source_set_time_relative(d->drain, 0);
        (void)sd_event_source_set_enabled(d->drain, SD_EVENT_ONESHOT);
}

/* --- life --- */

static int listener_add_sources(Listener *d) {
        sd_event *event = d->api->event;
        int r;

        r = sd_event_add_io(event, &d->listen, d->fd, EPOLLIN, on_connection, d);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(d->listen, "control-socket");
        r = sd_event_add_post(event, &d->post, on_post, d);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(d->post, "control-socket-busy");
        r = sd_event_source_set_enabled(d->post, SD_EVENT_OFF);
        if (r >= 0)
                r = event_add_deferred(event, &d->reap, "control-socket-reap", on_reap, d);
        if (r >= 0)
                r = event_add_timer(event, &d->resume, "control-socket-resume", CLOCK_MONOTONIC, USEC_PER_MSEC,
                                    on_resume, d);
        return r < 0 ? r
                     : event_add_timer(event, &d->drain, "control-socket-drain", CLOCK_MONOTONIC, USEC_PER_MSEC,
                                       on_drain, d);
}

int listener_new(Listener **ret, const ApiContext *api, int fd, const char *path) {
        _cleanup_(listener_freep) Listener *d = NULL;
        int r;

        assert(ret);
        assert(fd >= 0 || path);

        d = calloc(1, sizeof(*d));
        if (!d) {
                safe_close(fd);
                return log_error_errno(ENOMEM, "Cannot open the control socket: %m");
        }
        d->api = api;
        d->fd = fd;
        d->host = (PeerHost){
                .busy = listener_peer_busy,
                .dropped = listener_peer_dropped,
                .may_serve = listener_may_serve,
                .subscribe = listener_subscribe,
                .userdata = d,
        };
        r = listener_open(d, path);
        if (r < 0)
                return r;
        r = sd_id128_randomize(&d->id);
        if (r >= 0)
                r = listener_add_sources(d);
        if (r < 0)
                return log_error_errno(r, "Cannot open the control socket: %m");
        *ret = TAKE_PTR(d);
        return 0;
}

Listener *listener_free(Listener *d) {
        if (!d)
                return NULL;
        for (size_t i = 0; i < d->n_peers; i++)
                peer_free(d->peers[i]);
        sd_event_source_disable_unref(d->listen);
        sd_event_source_disable_unref(d->resume);
        sd_event_source_disable_unref(d->post);
        sd_event_source_disable_unref(d->reap);
        sd_event_source_disable_unref(d->drain);
        listener_remove_socket(d);
        safe_close(d->fd);
        return mfree(d);
}
