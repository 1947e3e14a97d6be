/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Zones by name, read once. The only part of time/ that opens files. It looks at them again when it is told to and
 * never by itself: the owner of the cache watches the files, or asks before it plans anew. Zones live as long as the
 * cache, in a plain array: a host uses a handful. */

#include <fcntl.h>
#include <limits.h>

#include "time/zone-internal.h"
#include "util/array.h"

#define ZONEINFO  "/usr/share/zoneinfo/"
#define LOCALTIME "/etc/localtime"

struct ZoneCache {
        char *root;
        Zone **zones;
        size_t n_zones;
        Zone *localtime;   /* by the file; NULL until it is asked for */
        const Zone *local; /* by name, in place of the file */
};

static Zone *zone_free(Zone *zone) {
        if (!zone)
                return NULL;
        free(zone->name);
        free(zone->path);
        free(zone->file);
        return mfree(zone);
}

DEFINE_CLEANUP(Zone, zone_free)

int zone_cache_new(const char *root, ZoneCache **ret) {
        _cleanup_(zone_cache_freep) ZoneCache *cache = NULL;

        cache = calloc(1, sizeof(*cache));
        if (!cache)
                return -ENOMEM;
        cache->root = strdup(strempty(root));
        if (!cache->root)
                return -ENOMEM;
        *ret = TAKE_PTR(cache);
        return 0;
}

ZoneCache *zone_cache_free(ZoneCache *cache) {
        if (!cache)
                return NULL;
        for (size_t i = 0; i < cache->n_zones; i++)
                zone_free(cache->zones[i]);
        free(cache->zones);
        zone_free(cache->localtime);
        free(cache->root);
        return mfree(cache);
}

static char *join3(const char *a, const char *b, const char *c) {
        size_t na = strlen(a), nb = strlen(b), nc = strlen(c);
        char *s = malloc(na + nb + nc + 1);

        if (!s)
                return NULL;
        memcpy(s, a, na);
        memcpy(s + na, b, nb);
        memcpy(s + na + nb, c, nc + 1);
        return s;
}

static struct file_id file_id_of(const struct stat *st) {
        return (struct file_id){
                .dev = st->st_dev,
                .ino = st->st_ino,
                .size = st->st_size,
                .mtime = st->st_mtim,
                .ctime = st->st_ctim,
        };
}

static bool same_time(const struct timespec *a, const struct timespec *b) {
        return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_file(const struct file_id *a, const struct file_id *b) {
        return a->dev == b->dev && a->ino == b->ino && a->size == b->size && same_time(&a->mtime, &b->mtime) &&
               same_time(&a->ctime, &b->ctime);
}

/* Reads a file into a fresh buffer; no more than the maximum, however it grows meanwhile. */
static int read_bounded(int fd, void **ret, size_t *ret_size) {
        _cleanup_free_ char *buf = malloc(ZONE_FILE_MAX + 1);
        size_t n = 0;

        if (!buf)
                return -ENOMEM;
        while (n <= ZONE_FILE_MAX) {
                ssize_t k = read(fd, buf + n, ZONE_FILE_MAX + 1 - n);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                if (k == 0)
                        break;
                n += (size_t)k;
        }
        if (n > ZONE_FILE_MAX)
                return -EFBIG;
        *ret = TAKE_PTR(buf);
        *ret_size = n;
        return 0;
}

/* Reads the zone's file. The old rules stay in use if that fails. */
static int zone_load(Zone *zone) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ void *data = NULL;
        struct tzif *file;
        struct stat st;
        size_t size = 0;
        int r;

        /* O_NONBLOCK: a fifo in that place must not stop the daemon. */
        fd = open(zone->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return errno == ENOTDIR ? -ENOENT : -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EBADMSG;
        zone->id = file_id_of(&st); /* what cannot be read is not read again until it changes */
        r = read_bounded(fd, &data, &size);
        if (r >= 0)
                r = tzif_parse(data, size, &file);
        if (r < 0)
                return r;
        free(zone->file);
        zone->file = file;
        return 0;
}

int zone_cache_get(ZoneCache *cache, const char *name, const Zone **ret) {
        _cleanup_(zone_freep) Zone *zone = NULL;
        Zone **place;
        int r;

        if (!zone_name_is_valid(name))
                return -EINVAL;
        for (size_t i = 0; i < cache->n_zones; i++)
                if (streq(cache->zones[i]->name, name)) {
                        *ret = cache->zones[i];
                        return 0;
                }
        if (streq(name, "UTC")) {
                *ret = zone_utc();
                return 0;
        }
        if (cache->n_zones >= ZONES_MAX)
                return -ENOBUFS;

        zone = calloc(1, sizeof(*zone));
        if (!zone)
                return -ENOMEM;
        zone->name = strdup(name);
        zone->path = join3(cache->root, ZONEINFO, name);
        if (!zone->name || !zone->path)
                return -ENOMEM;
        r = zone_load(zone);
        if (r < 0)
                return r;
        place = ARRAY_NEXT(cache->zones, cache->n_zones);
        if (!place)
                return -ENOMEM;
        cache->n_zones++;
        *ret = *place = TAKE_PTR(zone);
        return 0;
}

/* The name of the local zone is what the link points to, behind the directory of zones. */
static int localtime_name(const char *path, char **ret) {
        char target[PATH_MAX];
        const char *name = NULL;
        ssize_t n;

        n = readlink(path, target, sizeof(target) - 1);
        if (n > 0) {
                target[n] = '\0';
                name = strstr(target, "/zoneinfo/");
        }
        if (name)
                name += strlen("/zoneinfo/");
        *ret = strdup(name && zone_name_is_valid(name) ? name : "localtime");
        return *ret ? 0 : -ENOMEM;
}

/* Loads the zone of /etc/localtime; without a sound file the zone says what UTC says. */
static int localtime_load(Zone *zone) {
        char *name;
        int r;

        r = localtime_name(zone->path, &name);
        if (r < 0)
                return r;
        free(zone->name);
        zone->name = name;
        r = zone_load(zone);
        if (r == -ENOENT) {
                zone->file = mfree(zone->file);
                zone->id = (struct file_id){};
        }
        return r;
}

const Zone *zone_cache_local(ZoneCache *cache) {
        _cleanup_(zone_freep) Zone *zone = NULL;

        if (cache->local)
                return cache->local;
        if (!cache->localtime) {
                zone = calloc(1, sizeof(*zone));
                if (!zone)
                        return zone_utc();
                zone->path = join3(cache->root, LOCALTIME, "");
                zone->name = strdup("localtime");
                if (!zone->path || !zone->name)
                        return zone_utc();
                (void)localtime_load(zone);
                cache->localtime = TAKE_PTR(zone);
        }
        return cache->localtime;
}

int zone_cache_set_local(ZoneCache *cache, const char *name) {
        return zone_cache_get(cache, name, &cache->local);
}

/* Whether the file is another one than the one that was read. */
static bool zone_is_stale(const Zone *zone) {
        const struct file_id none = {};
        struct file_id now = {};
        struct stat st;

        if (stat(zone->path, &st) == 0)
                now = file_id_of(&st);
        else if (errno != ENOENT && errno != ENOTDIR)
                return false;
        return !same_file(&now, &zone->id) && (zone->file || !same_file(&now, &none));
}

int zone_cache_refresh(ZoneCache *cache) {
        bool changed = false;

        for (size_t i = 0; i < cache->n_zones; i++)
                if (zone_is_stale(cache->zones[i]) && zone_load(cache->zones[i]) >= 0)
                        changed = true;
        if (cache->localtime && zone_is_stale(cache->localtime)) {
                int r = localtime_load(cache->localtime);

                changed = changed || r >= 0 || r == -ENOENT;
        }
        return changed;
}
