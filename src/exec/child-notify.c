/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One datagram socket for all runs. The kernel says which process sent a message; whose run that is, the executor
 * knows. Everybody may send, as a run may be somebody else's process: so a message has a largest size, so many are
 * taken in a time, and the descriptors that come along are closed, which is just what BARRIER=1 asks for. */

#include "exec/child-notify.h"

#include <stdalign.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "util/clock.h"
#include "util/file.h"
#include "util/log.h"
#include "util/strv.h"

#define MESSAGES_PER_TURN  32
#define MESSAGES_DRAINED   1024
#define TURNS_PER_INTERVAL 100 /* turns of the loop in INTERVAL_USEC; then senders wait */
#define INTERVAL_USEC      (100 * USEC_PER_MSEC)
#define FDS_MAX            16 /* descriptors in one message; the kernel closes what does not fit */

struct ChildNotify {
        sd_event_source *source;
        int fd;
        char *address;
        dev_t device; /* of the socket's file, which may be replaced by others */
        ino_t inode;
        child_notify_status_t status;
        void *userdata;
};

/* Cuts at the beginning of a character. */
void notify_status_trim(char *text) {
        size_t n = strlen(text);

        if (n > NOTIFY_STATUS_MAX) {
                n = NOTIFY_STATUS_MAX;
                while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
                        n--;
                text[n] = '\0';
        }
        for (; *text; text++)
                if ((unsigned char)*text < 0x20 || *text == 0x7f)
                        *text = ' ';
}

static void take_message(const ChildNotify *n, pid_t sender, char *text) {
        char *status = NULL, *rest = NULL;

        for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
                if (startswith(line, "STATUS="))
                        status = line + strlen("STATUS=");
        if (!status)
                return;
        notify_status_trim(status);
        n->status(n->userdata, sender, status);
}

/* Closes the descriptors of a message. The sender, 0 when it is not known. */
static pid_t take_ancillary(struct msghdr *message) {
        pid_t sender = 0;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
                if (c->cmsg_level != SOL_SOCKET)
                        continue;
                if (c->cmsg_type == SCM_CREDENTIALS) {
                        struct ucred credentials;

                        memcpy(&credentials, CMSG_DATA(c), sizeof(credentials));
                        sender = credentials.pid;
                }
                for (size_t i = 0; c->cmsg_type == SCM_RIGHTS && CMSG_LEN((i + 1) * sizeof(int)) <= c->cmsg_len; i++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
                        safe_close(fd);
                }
        }
        return sender;
}

/* False when there is none. */
static bool receive(const ChildNotify *n) {
        char text[NOTIFY_MESSAGE_MAX + 1];
        alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(FDS_MAX * sizeof(int))];
        struct iovec part = { .iov_base = text, .iov_len = sizeof(text) - 1 };
        struct msghdr message = {
                .msg_iov = &part,
                .msg_iovlen = 1,
                .msg_control = control,
                .msg_controllen = sizeof(control),
        };
        ssize_t size = recvmsg(n->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        pid_t sender;

        if (size < 0)
                return errno == EINTR;
        sender = take_ancillary(&message);
        text[size] = '\0';
        if (sender > 0 && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
                take_message(n, sender, text);
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

/* The kernel chooses the name. */
static int bind_abstract(ChildNotify *n) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        socklen_t size = sizeof(address);

        if (bind(n->fd, (struct sockaddr *)&address, sizeof(sa_family_t)) < 0 ||
            getsockname(n->fd, (struct sockaddr *)&address, &size) < 0)
                return -errno;
        return string_format(&n->address, "@%.*s", (int)(size - offsetof(struct sockaddr_un, sun_path) - 1),
                             address.sun_path + 1);
}

static int open_socket(ChildNotify *n, const char *directory) {
        int r = -ENAMETOOLONG;

        n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (n->fd < 0 || setsockopt(n->fd, SOL_SOCKET, SO_PASSCRED, &(int){ 1 }, sizeof(int)) < 0)
                return -errno;
        if (directory)
                r = bind_path(n, directory);
        return r == -ENAMETOOLONG || r == -EADDRINUSE ? bind_abstract(n) : r;
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
