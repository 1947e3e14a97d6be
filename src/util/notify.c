/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A datagram socket holds some ten unread messages; after that, sd_notify(3) blocks, and the daemon with it.
 * sd_event_set_watchdog(3) calls it as well. So the socket is connected, which lets the loop tell when there is room
 * again. */

#include "util/notify.h"

#include <stdarg.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "util/clock.h"
#include "util/log.h"
#include "util/strv.h"

#define KEPT_MAX 32 /* changes of state; above this, the oldest one is dropped */

struct Notifier {
        struct sockaddr_un address;
        socklen_t address_size;
        int fd;
        sd_event *event;
        sd_event_source *writable; /* enabled while something waits */
        sd_event_source *watchdog;
        usec_t watchdog_interval, watchdog_early;
        char **kept; /* changes of state */
        char *status;
        bool alive; /* WATCHDOG=1 */
};

static int on_writable(sd_event_source *s, int fd, uint32_t revents, void *userdata);

static void disconnect(Notifier *n) {
        n->writable = sd_event_source_disable_unref(n->writable);
        n->fd = safe_close(n->fd);
}

static int open_socket(Notifier *n) {
        int r;

        if (n->fd >= 0)
                return 0;
        n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (n->fd < 0 || connect(n->fd, (const struct sockaddr *)&n->address, n->address_size) < 0) {
                r = -errno;
                disconnect(n);
                return r;
        }
        r = sd_event_add_io(n->event, &n->writable, n->fd, EPOLLOUT, on_writable, n);
        if (r < 0) {
                disconnect(n);
                return r;
        }
        (void)sd_event_source_set_description(n->writable, "notify");
        return 0;
}

static void forget_oldest(Notifier *n) {
        assert(n->kept && n->kept[0]);
        free(n->kept[0]);
        memmove(n->kept, n->kept + 1, strv_length(n->kept + 1) * sizeof(char *) + sizeof(char *));
}

/* False: there is no room. A message to a peer that is gone is dropped. */
static bool send_text(Notifier *n, const char *text) {
        if (open_socket(n) < 0 || send(n->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
                return true;
        if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS)
                return false;
        log_debug_errno(errno, "Cannot notify the service manager of '%s', ignoring: %m", text);
        disconnect(n);
        return true;
}

static bool send_all(Notifier *n) {
        while (n->kept && n->kept[0]) {
                if (!send_text(n, n->kept[0]))
                        return false;
                forget_oldest(n);
        }
        if (n->alive && !send_text(n, "WATCHDOG=1"))
                return false;
        n->alive = false;
        if (n->status && !send_text(n, n->status))
                return false;
        n->status = mfree(n->status);
        return true;
}

static void flush(Notifier *n) {
        bool sent = send_all(n);

        if (n->writable)
                (void)sd_event_source_set_enabled(n->writable, sent ? SD_EVENT_OFF : SD_EVENT_ON);
}

static int on_writable(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        if (revents & EPOLLERR) /* the peer is gone; the next send sees it */
                (void)sd_event_source_set_enabled(s, SD_EVENT_OFF);
        flush(userdata);
        return 0;
}

void notifier_send(Notifier *n, const char *format, ...) {
        char *text;
        va_list ap;
        int r;

        if (!n)
                return;
        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r < 0)
                return;
        n->status = mfree(n->status);
        if (strv_length(n->kept) >= KEPT_MAX)
                forget_oldest(n);
        (void)strv_consume(&n->kept, text);
        flush(n);
}

void notifier_send_status(Notifier *n, const char *status) {
        if (!n)
                return;
        free(n->status);
        (void)string_format(&n->status, "STATUS=%s", status);
        flush(n);
}

/* --- the watchdog --- */

static int on_watchdog(sd_event_source *s, uint64_t usec, void *userdata) {
        Notifier *n = userdata;

        n->alive = true;
        (void)sd_event_now(n->event, CLOCK_MONOTONIC, &usec);
        n->watchdog_early = usec + n->watchdog_interval * 3 / 4;
        flush(n);
        (void)sd_event_source_set_time(s, usec + n->watchdog_interval);
        return sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
}

/* Whatever the loop has woken up for: it is nearly time, and need not wake up for this, too. */
static int before_sleep(sd_event_source *s, void *userdata) {
        const Notifier *n = userdata;
        usec_t now = 0;

        (void)sd_event_now(n->event, CLOCK_MONOTONIC, &now);
        return now >= n->watchdog_early ? on_watchdog(s, now, userdata) : 0;
}

/* Twice per interval, before everything else that is due. */
static int add_watchdog(Notifier *n) {
        uint64_t bound;
        int r;

        r = sd_watchdog_enabled(/* unset_environment= */ false, &bound);
        if (r <= 0)
                return r;
        n->watchdog_interval = bound / 2;
        r = sd_event_add_time_relative(n->event, &n->watchdog, CLOCK_MONOTONIC, 0, MAX(bound / 8, (usec_t)1),
                                       on_watchdog, n);
        if (r >= 0)
                r = sd_event_source_set_prepare(n->watchdog, before_sleep);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(n->watchdog, "watchdog");
        return sd_event_source_set_priority(n->watchdog, INT64_MIN);
}

/* --- making --- */

static int read_address(Notifier *n, const char *path) {
        size_t size = strlen(path);

        if ((path[0] != '/' && path[0] != '@') || size < 2 || size >= sizeof(n->address.sun_path))
                return -EAFNOSUPPORT;
        n->address.sun_family = AF_UNIX;
        memcpy(n->address.sun_path, path, size);
        if (path[0] == '@')
                n->address.sun_path[0] = '\0';
        n->address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
        return 0;
}

int notifier_new(Notifier **ret, sd_event *event) {
        _cleanup_(notifier_freep) Notifier *n = NULL;
        const char *path = getenv("NOTIFY_SOCKET");
        int r;

        if (isempty(path)) {
                *ret = NULL;
                return 0;
        }
        n = malloc(sizeof(*n));
        if (!n)
                return -ENOMEM;
        *n = (Notifier){ .fd = -EBADF, .event = sd_event_ref(event) };
        r = read_address(n, path);
        if (r >= 0)
                r = add_watchdog(n);
        if (r == -EAFNOSUPPORT) {
                log_warning("$NOTIFY_SOCKET is not a socket address, ignoring: %s", path);
                *ret = NULL;
                return 0;
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(n);
        return 0;
}

Notifier *notifier_free(Notifier *n) {
        if (!n)
                return NULL;
        disconnect(n);
        sd_event_source_disable_unref(n->watchdog);
        sd_event_unref(n->event);
        strv_free(n->kept);
        free(n->status);
        return mfree(n);
}
