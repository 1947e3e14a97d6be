#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Netlink, as far as probes need it: to listen to the kernel, and to read one of its lists in pieces (netlink(7)). */

#include <linux/rtnetlink.h>

#include "util/macro.h"

enum {
        NETLINK_EMPTY, /* there is nothing more to read now */
        NETLINK_MORE,  /* there may be more: the turn has done its part */
        NETLINK_DONE,  /* the list is complete */
};

/* A socket that does not block. groups: a mask as in nl_groups. Returns its descriptor or negative errno. */
int netlink_open(int protocol, uint32_t groups);

/* Opens one and asks for a list; m is a whole request, to which the flags are added. */
int netlink_open_list(int protocol, struct nlmsghdr *m);

/* Reads some messages of the kernel and calls visit for each; it may return a positive number to be given no more.
 * Returns that number plus NETLINK_DONE, or one of the above, or negative errno (-ENOBUFS: messages were lost;
 * -EINTR: the list has changed while it was written, which NLM_F_DUMP_INTR of a message says, too). */
typedef int (*NetlinkVisit)(const struct nlmsghdr *m, void *userdata);
int netlink_read(int fd, NetlinkVisit visit, void *userdata);

/* NLMSG_NEXT() and RTA_NEXT() without their casts from char *, of which a compiler cannot tell that they are aligned:
 * the kernel aligns all of it to four bytes. *n is what is left, as in those; it is 0 after the last one. */
static inline const void *netlink_skip(const void *p, size_t length, size_t *n) {
        length = MIN((size_t)NLMSG_ALIGN(length), *n);
        *n -= length;
        return (const char *)p + length;
}

static inline const struct nlmsghdr *netlink_next(const struct nlmsghdr *m, size_t *n) {
        return netlink_skip(m, m->nlmsg_len, n);
}

static inline const struct rtattr *netlink_next_attribute(const struct rtattr *a, size_t *n) {
        return netlink_skip(a, a->rta_len, n);
}

/* The attributes of a message, behind a body of this size, for which the message is long enough. */
static inline const struct rtattr *netlink_attributes(const struct nlmsghdr *m, size_t body_size, size_t *ret_n) {
        *ret_n = m->nlmsg_len - NLMSG_LENGTH(0);
        return netlink_skip(NLMSG_DATA(m), body_size, ret_n);
}
