#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Time zones: what a wall clock shows at an instant, which instants show a given wall clock, and when the rules change
 * next. Instants are seconds of CLOCK_REALTIME (POSIX time), wall clock times are seconds of the same count with the
 * offset added (see time/civil.h). Zones are the system's TZif files (RFC 8536), kept by a cache; TZ=, setenv() and
 * libc's idea of the local zone play no part. Rules are known to the end of 2200, afterwards the last offset stays;
 * before 1969 the first that is known stays. */

#include "util/macro.h"

#define ZONE_NAME_MAX 255          /* bytes of a zone's name */
#define ZONE_FILE_MAX (64U * 1024) /* bytes of a TZif file; the largest of tzdata has 4 KiB */
#define ZONES_MAX     1024         /* zones in one cache; tzdata has about 600 names */

typedef struct Zone Zone;
typedef struct ZoneCache ZoneCache;

/* What holds from one change of the rules to the next. */
typedef struct ZonePeriod {
        int64_t from, until; /* [from, until), INT64_MIN and INT64_MAX when there is no change on that side */
        int32_t offset;      /* seconds east of UTC */
        bool dst;            /* what the zone's authors call daylight saving; negative in Europe/Dublin */
        const char *abbreviation;
} ZonePeriod;

typedef struct ZoneTransition {
        int64_t at;
        int32_t before, after; /* offsets; after > before is a gap, before > after an overlap */
        bool dst_before, dst_after;
} ZoneTransition;

typedef enum ZoneLocalKind {
        ZONE_LOCAL_UNIQUE,
        ZONE_LOCAL_GAP,     /* no clock ever shows it */
        ZONE_LOCAL_OVERLAP, /* the clock shows it twice */
} ZoneLocalKind;

typedef struct ZoneLocal {
        ZoneLocalKind kind;
        int64_t first;      /* the instant, or the earlier one; in a gap the one before the clock is moved over it */
        int64_t second;     /* the later one of an overlap, else the same as first */
        int64_t transition; /* gap, overlap: when the clock is moved */
        int32_t length;     /* gap, overlap: by how many seconds, positive */
} ZoneLocal;

/* UTC; never NULL, not to be freed. */
const Zone *zone_utc(void);

/* The name that it was asked for by; the local zone has the name that /etc/localtime points to, or "localtime". */
const char *zone_name(const Zone *zone);

void zone_at(const Zone *zone, int64_t instant, ZonePeriod *ret);

/* The first change of the offset after an instant. -ENOENT when there is none any more. */
int zone_next_transition(const Zone *zone, int64_t instant, ZoneTransition *ret);

/* The instants at which the clock shows a local time. */
void zone_resolve(const Zone *zone, int64_t local, ZoneLocal *ret);

/* The abbreviation that the zone uses for standard (dst false) or daylight saving time: of the period at the instant,
 * of the nearest one before, or of the nearest one after. NULL when it never has the one that is asked for. */
const char *zone_abbreviation(const Zone *zone, bool dst, int64_t instant);

/* Whether a name can be one of a zone: letters, digits, "-_+/", relative, no empty part. Reads no file. */
_pure_ bool zone_name_is_valid(const char *name);

/* Zones by name. root is put before /usr/share/zoneinfo and /etc/localtime, NULL for none. Reads nothing yet. */
int zone_cache_new(const char *root, ZoneCache **ret);
ZoneCache *zone_cache_free(ZoneCache *cache);
DEFINE_CLEANUP(ZoneCache, zone_cache_free)

/* The zone of a name, read at the first time. It belongs to the cache and stays valid as long as that does; a refresh
 * changes what it says, not the pointer. -EINVAL: no name of a zone; -ENOENT: no such zone; -EBADMSG: a broken file;
 * -EOPNOTSUPP: a file that counts leap seconds ("right/"); -EFBIG; -ENOBUFS: too many zones. */
int zone_cache_get(ZoneCache *cache, const char *name, const Zone **ret);

/* The local zone by /etc/localtime; UTC while that is missing or broken. Never NULL. */
const Zone *zone_cache_local(ZoneCache *cache);

/* Makes the zone of that name the local one, in place of /etc/localtime (for TZ= of a user, and for tests). */
int zone_cache_set_local(ZoneCache *cache, const char *name);

/* Looks at each file in use with stat() and reads those anew that changed. A file that became unreadable leaves the
 * last valid rules in use. Returns 1 when a zone changed, else 0. */
int zone_cache_refresh(ZoneCache *cache);
