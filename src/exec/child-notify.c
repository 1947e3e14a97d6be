/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One datagram socket for all runs. The kernel says which process sent a message; whose run that is, the executor
 * knows. Everybody may send, as a run may be somebody else's process: so a message has a largest size, so many are
 * taken in a time, and the descriptors that come along are closed, which is just what BARRIER=1 asks for. */

#include "exec/child-notify.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "exec/notify-message.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"
#include "util/strv.h"

#define MESSAGES_PER_TURN  32
#define MESSAGES_DRAINED   1024
#define TURNS_PER_INTERVAL 100 /* turns of the loop in INTERVAL_USEC; then senders wait */
#define INTERVAL_USEC      (100 * USEC_PER_MSEC)

struct ChildNotify {
        sd_event_source *source;
        int fd;
        char *address;
        dev_t device; /* of the socket's file, which may be replaced by others */
        ino_t inode;
        child_notify_status_t status;
        void *userdata;
};

/* False when there is none. */
static bool receive(const ChildNotify *n) {
        NotifyMessage m;

        if (!notify_message_receive(n->fd, &m))
                return false;
        if (m.status)
                n->status(n->userdata, m.sender, m.status);
        return true;
}

/* More than the kernel queues for a socket; those that somebody goes on to send are for the next turn. */
void child_notify_drain(ChildNotify *n) {
        for (unsigned i = 0; i < MESSAGES_DRAINED && receive(n); i++)
                ;
}

static int on_message(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        for (unsigned i = 0; i < MESSAGES_PER_TURN; i++)
                if (!receive(userdata))
                        break;
        return 0;
}

/* What an earlier daemon has left: a socket of ours without a listener. */
static bool is_left_over(const struct sockaddr_un *address) {
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        struct stat st;

        return fd >= 0 && lstat(address->sun_path, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_uid == geteuid() &&
               connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 && errno == ECONNREFUSED;
}

/* A socket in a directory, that everybody may send to. */
static int bind_path(ChildNotify *n, const char *directory) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int length = snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", directory), r;
        struct stat st;

        if (length < 0 || (size_t)length >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        r = socket_bind_for_all(n->fd, &address);
        if (r == -EADDRINUSE && is_left_over(&address) && unlink(address.sun_path) == 0)
                r = socket_bind_for_all(n->fd, &address);
        if (r < 0)
                return r;
        if (lstat(address.sun_path, &st) == 0) {
                n->device = st.st_dev;
                n->inode = st.st_ino;
        }
        n->address = strdup(address.sun_path);
        return n->address ? 0 : -ENOMEM;
}

static int open_socket(ChildNotify *n, const char *directory) {
        int r = -ENAMETOOLONG;

        n->fd = notify_message_socket();
        if (n->fd < 0)
                return n->fd;
        if (directory)
                r = bind_path(n, directory);
        return r == -ENAMETOOLONG || r == -EADDRINUSE ? notify_message_bind(n->fd, &n->address) : r;
}

int child_notify_new(ChildNotify **ret, sd_event *event, const char *directory, child_notify_status_t status,
                     void *userdata) {
        _cleanup_(child_notify_freep) ChildNotify *n = NULL;
        int r;

        n = malloc(sizeof(*n));
        if (!n)
                return -ENOMEM;
        *n = (ChildNotify){ .fd = -EBADF, .status = status, .userdata = userdata };
        r = open_socket(n, directory);
        if (r >= 0)
                r = sd_event_add_io(event, &n->source, n->fd, EPOLLIN, on_message, n);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(n->source, "run-notify");
        /* What a run says last comes before its end. */
        (void)sd_event_source_set_priority(n->source, SD_EVENT_PRIORITY_IMPORTANT - 1);
        (void)sd_event_source_set_ratelimit(n->source, INTERVAL_USEC, TURNS_PER_INTERVAL);
        *ret = TAKE_PTR(n);
        return 0;
}

ChildNotify *child_notify_free(ChildNotify *n) {
        struct stat st;

        if (!n)
                return NULL;
        sd_event_source_disable_unref(n->source);
        safe_close(n->fd);
        if (n->address && n->address[0] == '/' && lstat(n->address, &st) == 0 && st.st_dev == n->device &&
            st.st_ino == n->inode)
                (void)unlink(n->address);
        free(n->address);
        return mfree(n);
}

const char *child_notify_address(const ChildNotify *n) {
        return n->address;
}
