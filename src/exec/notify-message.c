/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The kernel closes descriptors that do not fit; the others are closed here, which is just what BARRIER=1 asks for. */

#include "exec/notify-message.h"

#include <stdalign.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "util/strv.h"

#define FDS_MAX 16 /* descriptors in one message */

int notify_message_socket(void) {
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &(int){ 1 }, sizeof(int)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int notify_message_bind(int fd, char **ret_address) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        socklen_t size = sizeof(address);

        if (bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)) < 0 ||
            getsockname(fd, (struct sockaddr *)&address, &size) < 0)
                return -errno;
        return string_format(ret_address, "@%.*s", (int)(size - offsetof(struct sockaddr_un, sun_path) - 1),
                             address.sun_path + 1);
}

/* Cuts at the beginning of a character, and leaves nothing that could draw on a terminal. */
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

static char *find_status(char *text) {
        char *status = NULL, *rest = NULL;

        for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
                if (startswith(line, "STATUS="))
                        status = line + strlen("STATUS=");
        if (status)
                notify_status_trim(status);
        return status;
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

bool notify_message_receive(int fd, NotifyMessage *ret) {
        alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(FDS_MAX * sizeof(int))];
        struct iovec part = { .iov_base = ret->text, .iov_len = sizeof(ret->text) - 1 };
        struct msghdr message = {
                .msg_iov = &part,
                .msg_iovlen = 1,
                .msg_control = control,
                .msg_controllen = sizeof(control),
        };
        ssize_t size = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

        ret->status = NULL;
        if (size < 0)
                return errno == EINTR;
        ret->sender = take_ancillary(&message);
        ret->text[size] = '\0';
        if (ret->sender > 0 && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
                ret->status = find_status(ret->text);
        return true;
}
