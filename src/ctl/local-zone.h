#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The local time zone of the caller of vaktctl, and points in time as the caller writes them. */

#include "time/zone.h"
#include "util/clock.h"

/* A cache whose local zone is the one of that name, or (NULL) that of $TZ, or else that of /etc/localtime. Returns
 * CTL_DONE, or an exit status after the failure was reported. */
int local_zone_open(const char *name, ZoneCache **ret);

/* Reads a point in time (systemd.time(7)); option is the one that it belongs to, for the message. cache: NULL: one of
 * the local zone of the caller. Returns as above. */
int local_zone_parse_time(ZoneCache *cache, const char *option, const char *text, usec_t now_realtime, usec_t *ret);

/* The same for --since= and --until=; what is not given (NULL) stays as it is. */
int local_zone_parse_range(const char *since, const char *until, usec_t now_realtime, usec_t *since_usec,
                           usec_t *until_usec);
