#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Netlink, as far as probes need it: to listen to the kernel, and to read one of its lists in pieces (netlink(7)). */

#include <linux/netlink.h>

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
 * Returns that number plus NETLINK_DONE, or one of the above, or negative errno (-ENOBUFS: messages were lost). */
typedef int (*NetlinkVisit)(const struct nlmsghdr *m, void *userdata);
int netlink_read(int fd, NetlinkVisit visit, void *userdata);
