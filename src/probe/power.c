/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A machine is on mains if a power supply of its own is online, or if none is offline and no battery is being
 * discharged; so one without any power supply is. The kernel tells of changes by uevents, of which only those of the
 * subsystem count. */

#include "probe/power.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "probe/netlink.h"
#include "util/file.h"

#define SUPPLIES      "sys/class/power_supply"
#define SUPPLIES_MAX  256
#define WORD_MAX      32
#define UEVENT_MAX    4096
#define UEVENTS_MAX   16 /* a turn */
#define KERNEL_EVENTS 1  /* the group of what is not from udev */

/* --- the supplies --- */

typedef struct Supplies {
        bool is_online, is_offline, is_discharging, is_unclear;
} Supplies;

static void supply_read(Supplies *s, int fd) {
        char type[WORD_MAX], scope[WORD_MAX], word[WORD_MAX];

        if (file_read(fd, "type", type, sizeof(type)) < 0)
                return; /* it was taken away */
        if (file_read(fd, "scope", scope, sizeof(scope)) >= 0 && streq(scope, "Device"))
                return; /* of a mouse */
        if (streq(type, "Battery")) {
                if (file_read(fd, "status", word, sizeof(word)) >= 0)
                        s->is_discharging = s->is_discharging || streq(word, "Discharging");
                else
                        s->is_unclear = true;
                return;
        }
        if (file_read(fd, "online", word, sizeof(word)) < 0)
                return; /* an UPS does not have it */
        if (streq(word, "0"))
                s->is_offline = true;
        else
                s->is_online = true;
}

static int supplies_read(int root_fd, Supplies *ret) {
        int fd = openat(root_fd, SUPPLIES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const struct dirent *entry;
        unsigned n = 0;
        DIR *d;

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno; /* a kernel without power supplies */
        d = fdopendir(fd);
        if (!d) {
                int r = -errno;

                safe_close(fd);
                return r;
        }
        while ((entry = readdir(d)) && n++ < SUPPLIES_MAX) {
                _cleanup_close_ int supply_fd = -EBADF;

                if (entry->d_name[0] == '.')
                        continue;
                supply_fd = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (supply_fd >= 0)
                        supply_read(ret, supply_fd);
        }
        (void)closedir(d);
        return 0;
}

/* --- changes --- */

/* "change@/devices/…", and then "NAME=value" one by one. */
static bool uevent_is_of_supply(const char *text, size_t n) {
        static const char wanted[] = "SUBSYSTEM=power_supply";
        const char *end = text + n;

        while (text < end) {
                size_t length = strnlen(text, (size_t)(end - text));

                if (length == sizeof(wanted) - 1 && memcmp(text, wanted, length) == 0)
                        return true;
                text += length + 1;
        }
        return false;
}

static int on_uevent(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Probe *p = userdata;

        for (unsigned i = 0; i < UEVENTS_MAX; i++) {
                struct sockaddr_nl from;
                socklen_t from_size = sizeof(from);
                char buf[UEVENT_MAX];
                ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &from_size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN)
                        break;
                if (n < 0) { /* events were lost */
                        probe_look(p);
                        break;
                }
                if (from_size == sizeof(from) && from.nl_pid == 0 && uevent_is_of_supply(buf, (size_t)n))
                        probe_look(p);
        }
        return 0;
}

static int power_add_events(Probe *p) {
        sd_event_source *s;
        int fd, r;

        fd = netlink_open(NETLINK_KOBJECT_UEVENT, KERNEL_EVENTS);
        if (fd < 0)
                return fd;
        r = sd_event_add_io(p->probes->event, &s, fd, EPOLLIN, on_uevent, p);
        if (r < 0) {
                safe_close(fd);
                return r;
        }
        (void)sd_event_source_set_io_fd_own(s, true);
        (void)sd_event_source_set_description(s, "probe-ac-power");
        p->state = s;
        return 0;
}

static int look(Probe *p, Reading *ret) {
        Supplies s = {};
        int r;

        if (!p->state)
                p->is_event = power_add_events(p) >= 0;
        r = supplies_read(p->probes->root_fd, &s);
        if (r < 0)
                return probe_unknown_errno(p, ret, r, "Cannot read /" SUPPLIES ": %m.");
        if (s.is_unclear && !s.is_online)
                return probe_unknown(p, ret, "The state of a battery cannot be read.");
        return probe_known(ret, s.is_online || (!s.is_offline && !s.is_discharging));
}

static void stop(Probe *p) {
        sd_event_source_disable_unref(p->state);
        p->state = NULL;
}

const ProbeKind ac_power_kind = { .look = look, .stop = stop };
