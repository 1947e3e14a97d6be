/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libc is not asked about $TZ: the zones of src/time are those of the daemon. A $TZ that is not the name of one of the
 * system's zones (a rule such as "CET-1CEST") is refused, because times in another zone would be silently wrong. */

#include "ctl/alloc.h"
#include "ctl/ctl.h"
#include "ctl/local-zone.h"
#include "time/timestamp.h"

/* The name of a zone from $TZ; NULL if it is not set. */
static const char *name_from_environment(void) {
        const char *tz = getenv("TZ"), *below;

        if (!tz)
                return NULL;
        tz += *tz == ':';
        below = startswith(tz, "/usr/share/zoneinfo/");
        return *tz == '\0' ? "UTC" : below ?: tz;
}

int local_zone_open(const char *name, ZoneCache **ret) {
        _cleanup_(zone_cache_freep) ZoneCache *cache = NULL;
        const char *from = name ? "--timezone=" : "TZ=";
        int r;

        if (zone_cache_new(NULL, &cache) < 0)
                alloc_failed();
        name = name ?: name_from_environment();
        r = name ? zone_cache_set_local(cache, name) : 0;
        if (r == -ENOMEM)
                alloc_failed();
        if (r == -ENOENT || r == -EINVAL) {
                ctl_complain(_("%s%s is not a time zone of this system; see 'timedatectl list-timezones'."), from,
                             name);
                return CTL_USAGE;
        }
        if (r < 0) {
                ctl_complain(_("Cannot use the file of the time zone of %s%s: %s."), from, name, strerror(-r));
                return CTL_FAILED;
        }
        *ret = TAKE_PTR(cache);
        return CTL_DONE;
}

int local_zone_parse_time(ZoneCache *cache, const char *option, const char *text, usec_t now_realtime, usec_t *ret) {
        _cleanup_(zone_cache_freep) ZoneCache *own = NULL;
        int r = cache ? CTL_DONE : local_zone_open(NULL, &own);

        if (r != CTL_DONE)
                return r;
        cache = cache ?: own;
        r = timestamp_parse(text, cache, zone_cache_local(cache), now_realtime, ret);
        if (r == -ENOMEM)
                alloc_failed();
        if (r < 0) {
                ctl_complain(
                        _("%s requires a point in time such as '2026-12-24 18:00', 'tomorrow 02:00' or '+2h', see "
                          "systemd.time(7), not '%s'."),
                        option, text);
                return CTL_USAGE;
        }
        return CTL_DONE;
}

int local_zone_parse_range(const char *since, const char *until, usec_t now_realtime, usec_t *since_usec,
                           usec_t *until_usec) {
        int r = CTL_DONE;

        if (since)
                r = local_zone_parse_time(NULL, "--since", since, now_realtime, since_usec);
        if (r == CTL_DONE && until)
                r = local_zone_parse_time(NULL, "--until", until, now_realtime, until_usec);
        if (r == CTL_DONE && until && *until_usec < *since_usec) {
                ctl_complain(_("--until=%s is earlier than --since=%s."), until, since);
                return CTL_USAGE;
        }
        return r;
}
