/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The kernel writes the next piece of a list when the one before was read, so reading it never waits. How long it is
 * depends on others, so a turn reads a few pieces only. */

#include "probe/netlink.h"

#include <sys/socket.h>

#define PIECE_SIZE 32768
#define PIECES_MAX 4 /* a turn */

int netlink_open(int protocol, uint32_t groups) {
        struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = groups };
        _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);

        if (fd < 0)
                return -errno;
        if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int netlink_open_list(int protocol, struct nlmsghdr *m) {
        _cleanup_close_ int fd = netlink_open(protocol, 0);

        if (fd < 0)
                return fd;
        m->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        if (send(fd, m, m->nlmsg_len, 0) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int read_messages(const struct nlmsghdr *m, size_t n, NetlinkVisit visit, void *userdata) {
        for (; NLMSG_OK(m, n); m = netlink_next(m, &n)) {
                int r;

                if (m->nlmsg_type == NLMSG_DONE)
                        return m->nlmsg_flags & NLM_F_DUMP_INTR ? -EINTR : NETLINK_DONE;
                if (m->nlmsg_type == NLMSG_ERROR) {
                        const struct nlmsgerr *e = NLMSG_DATA(m);

                        if (m->nlmsg_len < NLMSG_LENGTH(sizeof(*e)))
                                return -EBADMSG;
                        if (e->error < 0)
                                return e->error;
                        continue;
                }
                r = visit(m, userdata);
                if (r > 0)
                        return NETLINK_DONE + r;
        }
        return NETLINK_MORE;
}

int netlink_read(int fd, NetlinkVisit visit, void *userdata) {
        union {
                struct nlmsghdr header;
                char bytes[PIECE_SIZE];
        } buf;
        struct sockaddr_nl from;

        for (unsigned i = 0; i < PIECES_MAX; i++) {
                socklen_t from_size = sizeof(from);
                ssize_t n = recvfrom(fd, &buf, sizeof(buf), 0, (struct sockaddr *)&from, &from_size);
                int r;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EAGAIN ? NETLINK_EMPTY : -errno;
                if (from_size != sizeof(from) || from.nl_pid != 0) /* not the kernel */
                        continue;
                r = read_messages(&buf.header, (size_t)n, visit, userdata);
                if (r != NETLINK_MORE)
                        return r;
        }
        return NETLINK_MORE;
}
