/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Both read a list of the kernel, in pieces, over several turns if it is long: a router has a million routes, and any
 * user can have many sockets. No packet is sent and no connection is made.
 *
 * A route says itself whether its link has a carrier, but that this has changed is told by the link; so both are
 * listened to, and the list of routes is read again, at most once a second. */

#include "probe/network.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "probe/netlink.h"
#include "util/ascii.h"
#include "util/turn.h"

#define PAUSE      USEC_PER_SEC /* between two lists of routes */
#define DOUBTS_MAX 4            /* lists of routes at once, after which a "no" is believed */

/* --- online --- */

typedef struct Online {
        sd_event_source *changes; /* owns its socket; NULL: nobody tells, so that it is sampled */
        int list_fd;              /* open while the list is being read */
        bool has_changed;         /* since the list was asked for, or while it was written */
        unsigned n_doubts;        /* lists in a row without a route, of which that holds */
        usec_t listed_boottime;
} Online;

static bool is_route(const struct nlmsghdr *m) {
        return (m->nlmsg_type == RTM_NEWROUTE || m->nlmsg_type == RTM_DELROUTE) &&
               m->nlmsg_len >= NLMSG_LENGTH(sizeof(struct rtmsg));
}

static bool is_default_route(const struct nlmsghdr *m) {
        const struct rtmsg *route = NLMSG_DATA(m);

        return is_route(m) && route->rtm_dst_len == 0 &&
               (route->rtm_family == AF_INET || route->rtm_family == AF_INET6);
}

/* One of the next hops works. Each has flags of its own. */
static bool hops_work(const struct rtattr *a) {
        const struct rtnexthop *hop = RTA_DATA(a);
        size_t n = RTA_PAYLOAD(a);

        for (; n >= sizeof(*hop) && RTNH_OK(hop, (int)n); hop = netlink_skip(hop, hop->rtnh_len, &n))
                if (!(hop->rtnh_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)))
                        return true;
        return false;
}

static bool route_works(const struct nlmsghdr *m) {
        const struct rtmsg *route = NLMSG_DATA(m);
        const struct rtattr *a;
        bool has_link = false;
        size_t n;

        if (!is_default_route(m) || route->rtm_type != RTN_UNICAST)
                return false;
        for (a = netlink_attributes(m, sizeof(*route), &n); RTA_OK(a, n); a = netlink_next_attribute(a, &n)) {
                if (a->rta_type == RTA_MULTIPATH)
                        return hops_work(a);
                has_link = has_link || a->rta_type == RTA_OIF || a->rta_type == RTA_NH_ID;
        }
        return has_link && !(route->rtm_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN));
}

static int visit_route(const struct nlmsghdr *m, void *userdata) {
        Online *online = userdata;

        online->has_changed = online->has_changed || m->nlmsg_flags & NLM_F_DUMP_INTR;
        return route_works(m);
}

static int visit_change(const struct nlmsghdr *m, void *userdata) {
        Online *online = userdata;

        if (!is_route(m) || is_default_route(m))
                online->has_changed = true;
        return 0;
}

static void online_list_soon(Probe *p, const Online *online) {
        usec_t now = turn_now(p->probes->event).boottime, at = usec_add(online->listed_boottime, PAUSE);

        if (online->list_fd >= 0)
                return; /* it is asked for when this one is complete */
        if (at > now)
                probe_look_after(p, at - now);
        else
                probe_look(p);
}

static int on_network_change(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Probe *p = userdata;
        Online *online = p->state;
        int r = netlink_read(fd, visit_change, online);

        if (r < 0)
                online->has_changed = true;
        if (r < 0 && r != -ENOBUFS) {
                online->changes = sd_event_source_disable_unref(online->changes);
                p->is_event = false;
        }
        if (online->has_changed)
                online_list_soon(p, online);
        return 0;
}

static int online_add_changes(Probe *p, Online *online) {
        int fd, r;

        fd = netlink_open(NETLINK_ROUTE, RTMGRP_LINK | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE);
        if (fd < 0)
                return fd;
        r = sd_event_add_io(p->probes->event, &online->changes, fd, EPOLLIN, on_network_change, p);
        if (r < 0) {
                safe_close(fd);
                return r;
        }
        (void)sd_event_source_set_io_fd_own(online->changes, true);
        (void)sd_event_source_set_description(online->changes, "probe-online");
        return 0;
}

static int online_open_list(Probe *p, Online *online) {
        struct {
                struct nlmsghdr header;
                struct rtmsg route;
        } request = { .header = { .nlmsg_len = sizeof(request), .nlmsg_type = RTM_GETROUTE } };

        online->has_changed = false;
        online->listed_boottime = turn_now(p->probes->event).boottime;
        online->list_fd = netlink_open_list(NETLINK_ROUTE, &request.header);
        return online->list_fd;
}

static Online *online_get(Probe *p) {
        Online *online = p->state;

        if (!online) {
                online = malloc(sizeof(*online));
                if (!online)
                        return NULL;
                *online = (Online){ .list_fd = -EBADF };
                p->state = online;
        }
        if (!online->changes)
                p->is_event = online_add_changes(p, online) >= 0;
        return online;
}

static int look_at_routes(Probe *p, Reading *ret) {
        Online *online = online_get(p);
        int r = online ? 0 : -ENOMEM;

        if (r >= 0 && online->list_fd < 0)
                r = online_open_list(p, online);
        if (r >= 0)
                r = netlink_read(online->list_fd, visit_route, online);
        if (r == NETLINK_MORE)
                return PROBE_AGAIN;
        if (online)
                online->list_fd = safe_close(online->list_fd);
        if (r == NETLINK_EMPTY)
                r = -ENODATA; /* it does not end */
        /* A route that was replaced meanwhile may stand in neither place. */
        if ((r == -EINTR || (r == NETLINK_DONE && online->has_changed)) && ++online->n_doubts < DOUBTS_MAX)
                return PROBE_AGAIN;
        if (online)
                online->n_doubts = 0;
        if (r < 0) {
                if (p->is_event)
                        probe_look_after(p, PROBE_SAMPLE_DEFAULT_USEC);
                return probe_unknown_errno(p, ret, r, "The routes of the machine cannot be read: %m.");
        }
        if (online->has_changed)
                online_list_soon(p, online);
        return probe_known(ret, r > NETLINK_DONE);
}

static void stop_online(Probe *p) {
        Online *online = p->state;

        if (!online)
                return;
        sd_event_source_disable_unref(online->changes);
        safe_close(online->list_fd);
        p->state = mfree(online);
}

const ProbeKind online_kind = { .look = look_at_routes, .stop = stop_online };

/* --- listening --- */

typedef struct Listening {
        int list_fd;
        unsigned stage;          /* index of the list that is read */
        uint8_t family;          /* of the address; AF_UNSPEC: any address */
        struct in6_addr address; /* of AF_INET in the first four bytes */
        uint16_t port;           /* 0: of AF_UNIX, or not valid */
        const char *name;        /* of AF_UNIX */
} Listening;

/* The lists of a protocol, in which the kernel leaves out what does not wait for anybody. */
static const struct {
        const char *protocol;
        uint8_t families[2]; /* AF_UNSPEC ends them */
        uint8_t ip_protocol;
        uint32_t states;
} protocols[] = {
        { "tcp", { AF_INET, AF_INET6 }, IPPROTO_TCP, 1 << TCP_LISTEN },
        { "udp", { AF_INET, AF_INET6 }, IPPROTO_UDP, 1 << TCP_CLOSE },
        { "unix", { AF_UNIX }, 0, 1 << TCP_LISTEN | 1 << TCP_CLOSE },
};

static unsigned protocol_find(const char *name) {
        unsigned i = 0;

        while (i < ELEMENTSOF(protocols) && !streq(protocols[i].protocol, name))
                i++;
        return i;
}

/* 1 to 65535, or 0. */
static uint16_t parse_port(const char *s) {
        unsigned port = 0;

        for (; is_digit(*s) && port <= UINT16_MAX; s++)
                port = port * 10 + (unsigned)(*s - '0');
        return *s == '\0' && port <= UINT16_MAX ? (uint16_t)port : 0;
}

/* "8080", "127.0.0.1:53", "[::1]:22". */
static void parse_address(Listening *l, const char *s) {
        const char *colon = strrchr(s, ':');
        char text[INET6_ADDRSTRLEN] = "";
        size_t n;

        l->port = parse_port(colon ? colon + 1 : s);
        if (!colon)
                return;
        l->family = s[0] == '[' ? AF_INET6 : AF_INET;
        s += s[0] == '[';
        n = (size_t)(colon - s) - (l->family == AF_INET6 && colon > s);
        if (n < sizeof(text))
                memcpy(text, s, n);
        if (inet_pton(l->family, text, &l->address) <= 0)
                l->port = 0;
}

/* A program for the kernel's filter: the port is not below and not above this one. Each step says how far to go on if
 * it holds and if it does not, where beyond the end is a no; the port of a step is in an operation of its own. */
static int open_inet_list(unsigned protocol, uint8_t family, uint16_t port) {
        struct {
                struct nlmsghdr header;
                struct inet_diag_req_v2 body;
                struct rtattr attribute;
                struct inet_diag_bc_op filter[4];
        } request = {
                .header = { .nlmsg_len = sizeof(request), .nlmsg_type = SOCK_DIAG_BY_FAMILY },
                .body = { .sdiag_family = family,
                          .sdiag_protocol = protocols[protocol].ip_protocol,
                          .idiag_states = protocols[protocol].states },
                .attribute = { .rta_type = INET_DIAG_REQ_BYTECODE, .rta_len = RTA_LENGTH(sizeof(request.filter)) },
                .filter = { { .code = INET_DIAG_BC_S_GE, .yes = 8, .no = 20 },
                            { .no = port },
                            { .code = INET_DIAG_BC_S_LE, .yes = 8, .no = 12 },
                            { .no = port } },
        };

        return netlink_open_list(NETLINK_SOCK_DIAG, &request.header);
}

static int open_unix_list(unsigned protocol) {
        struct {
                struct nlmsghdr header;
                struct unix_diag_req body;
        } request = {
                .header = { .nlmsg_len = sizeof(request), .nlmsg_type = SOCK_DIAG_BY_FAMILY },
                .body = { .sdiag_family = AF_UNIX,
                          .udiag_states = protocols[protocol].states,
                          .udiag_show = UDIAG_SHOW_NAME },
        };

        return netlink_open_list(NETLINK_SOCK_DIAG, &request.header);
}

/* A socket of IPv6 that waits at any address, and not for IPv6 alone. */
static bool takes_ipv4(const struct nlmsghdr *m) {
        const struct rtattr *a;
        size_t n;

        for (a = netlink_attributes(m, sizeof(struct inet_diag_msg), &n); RTA_OK(a, n);
             a = netlink_next_attribute(a, &n))
                if (a->rta_type == INET_DIAG_SKV6ONLY && RTA_PAYLOAD(a) >= 1)
                        return *(const uint8_t *)RTA_DATA(a) == 0;
        return true;
}

static int visit_inet(const struct nlmsghdr *m, void *userdata) {
        static const struct in6_addr any = IN6ADDR_ANY_INIT;
        const struct inet_diag_msg *body = NLMSG_DATA(m);
        const Listening *l = userdata;
        size_t n;

        if (m->nlmsg_type != SOCK_DIAG_BY_FAMILY || m->nlmsg_len < NLMSG_LENGTH(sizeof(*body)))
                return 0;
        if (l->family == AF_UNSPEC)
                return 1;
        n = body->idiag_family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
        if (body->idiag_family == l->family && memcmp(body->id.idiag_src, &l->address, n) == 0)
                return 1;
        if (memcmp(body->id.idiag_src, &any, n) != 0)
                return 0;
        return body->idiag_family == l->family || (l->family == AF_INET && takes_ipv4(m));
}

/* The name of an abstract socket begins with a NUL, which people write as "@". */
static bool name_is(const char *name, size_t n, const char *wanted) {
        size_t n_wanted = strlen(wanted);

        if (n > 0 && name[0] == '\0')
                return wanted[0] == '@' && n == n_wanted && memcmp(name + 1, wanted + 1, n - 1) == 0;
        return strnlen(name, n) == n_wanted && memcmp(name, wanted, n_wanted) == 0;
}

static int visit_unix(const struct nlmsghdr *m, void *userdata) {
        const Listening *l = userdata;
        const struct unix_diag_msg *body = NLMSG_DATA(m);
        const struct rtattr *a;
        size_t n;

        if (m->nlmsg_type != SOCK_DIAG_BY_FAMILY || m->nlmsg_len < NLMSG_LENGTH(sizeof(*body)))
                return 0;
        if (body->udiag_type != SOCK_DGRAM && body->udiag_state != TCP_LISTEN)
                return 0; /* it has a name only */
        for (a = netlink_attributes(m, sizeof(*body), &n); RTA_OK(a, n); a = netlink_next_attribute(a, &n))
                if (a->rta_type == UNIX_DIAG_NAME)
                        return name_is(RTA_DATA(a), RTA_PAYLOAD(a), l->name);
        return 0;
}

/* Opens the list of the current stage, if it is not open, and reads on in it. */
static int listening_read(Listening *l, unsigned protocol) {
        uint8_t family = protocols[protocol].families[l->stage];

        if (l->list_fd < 0)
                l->list_fd = family == AF_UNIX ? open_unix_list(protocol) : open_inet_list(protocol, family, l->port);
        if (l->list_fd < 0)
                return l->list_fd;
        return netlink_read(l->list_fd, family == AF_UNIX ? visit_unix : visit_inet, l);
}

/* The next list of the protocol, if there is one. */
static bool listening_advance(Listening *l, unsigned protocol) {
        l->list_fd = safe_close(l->list_fd);
        l->stage++;
        if (l->stage < ELEMENTSOF(protocols[0].families) && protocols[protocol].families[l->stage] != AF_UNSPEC)
                return true;
        l->stage = 0;
        return false;
}

static Listening *listening_get(Probe *p) {
        Listening *l = p->state;

        if (!l) {
                l = malloc(sizeof(*l));
                if (!l)
                        return NULL;
                *l = (Listening){ .list_fd = -EBADF, .name = strempty(p->question.subject) };
                if (!streq_ptr(p->question.aspect, "unix"))
                        parse_address(l, l->name);
                p->state = l;
        }
        return l;
}

static int look_at_sockets(Probe *p, Reading *ret) {
        unsigned protocol = protocol_find(strempty(p->question.aspect));
        Listening *l = listening_get(p);
        int r;

        if (protocol == ELEMENTSOF(protocols) || (l && protocols[protocol].ip_protocol != 0 && l->port == 0))
                return probe_unknown(p, ret, "There is no address %s %s to listen at.", p->question.aspect,
                                     p->question.subject);
        r = l ? listening_read(l, protocol) : -ENOMEM;
        if (r == NETLINK_MORE)
                return PROBE_AGAIN;
        if (r == -ENOENT && l->stage > 0) /* a kernel without IPv6 */
                r = NETLINK_DONE;
        if (r == NETLINK_EMPTY)
                r = -ENODATA; /* it does not end */
        if (r == NETLINK_DONE && listening_advance(l, protocol))
                return PROBE_AGAIN;
        if (l) {
                l->list_fd = safe_close(l->list_fd);
                l->stage = 0;
        }
        return r < 0 ? probe_unknown_errno(p, ret, r, "The kernel does not list its sockets: %m.")
                     : probe_known(ret, r > NETLINK_DONE);
}

static void stop_listening(Probe *p) {
        Listening *l = p->state;

        if (l)
                safe_close(l->list_fd);
        p->state = mfree(l);
}

const ProbeKind listening_kind = { .look = look_at_sockets, .stop = stop_listening };
