#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Points in time as systemd.time(7), "PARSING TIMESTAMPS", writes them, with the answers of systemd-analyze timestamp
 * of systemd 252; and as text again. "tomorrow 02:00" is understood, too, which systemd refuses. */

#include "time/zone.h"
#include "util/clock.h"

#define TIMESTAMP_TEXT_MAX 128 /* bytes that any formatted time fits in, with its NUL */
#define TIMESTAMP_MAX      (UINT64_C(253402214400) * USEC_PER_SEC - 1) /* the last that systemd knows, in 9999 */

/* Parses "2026-01-01 12:00:00.5 Europe/Oslo", "Thu 2026-01-01", "12:00", "now", "today", "tomorrow 02:00", "+3h",
 * "-3h", "3h ago", "3h left", "@1395716396" and the like into µs of CLOCK_REALTIME. now is the time that relative ones
 * count from; local (NULL: UTC) the zone of what names none, cache (may be NULL) finds the others. A time that the
 * clock skips or repeats becomes what mktime(3) makes of it. -EINVAL or -ERANGE when it is no point in time between
 * 1970 and 9999. */
int timestamp_parse(const char *text, ZoneCache *cache, const Zone *local, usec_t now, usec_t *ret);

typedef enum TimestampStyle {
        TIMESTAMP_PRETTY,  /* "Thu 2026-01-01 12:00:00 CET" */
        TIMESTAMP_USEC,    /* "Thu 2026-01-01 12:00:00.500000 CET" */
        TIMESTAMP_DATE,    /* "Thu 2026-01-01" */
        TIMESTAMP_RFC3339, /* "2026-01-01T12:00:00.500000+01:00" */
        _TIMESTAMP_STYLE_MAX,
} TimestampStyle;

/* Writes a time of CLOCK_REALTIME in a zone (NULL: UTC); "n/a" for 0 and for what is beyond TIMESTAMP_MAX. Returns
 * buf. */
char *timestamp_format(char buf[static TIMESTAMP_TEXT_MAX], usec_t t, const Zone *zone, TimestampStyle style);
