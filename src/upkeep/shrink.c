/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A plain copy is removed only when the compressed one is on disk under its name, and only if nobody has written to
 * the plain one meanwhile. A writer that has not yet reopened its log still writes to the newest copy: the kernel
 * knows of it, and where the file system does not tell, the size does. */

#include "upkeep/shrink.h"

#include <fcntl.h>

#include "fs/beneath.h"
#include "upkeep/transaction.h"
#include "util/strv.h"

typedef struct Zip {
        Log *log;
        size_t copy;
        int fd; /* of the temporary file */
        char temporary[NAME_MAX + 1], name[NAME_MAX + 1];
        struct stat plain; /* as it was read */
        off_t size;
        bool is_named;
} Zip;

struct Shrinker {
        const RotateDef *def;
        ShrinkHandler handler;
        Compressor *compressor;
        Zip zips[SHRINK_FILES_MAX];
        size_t n_zips;
        off_t n_bytes;
        off_t n_holes; /* bytes that were read in this run */
};

int shrinker_new(Shrinker **ret, const RotateDef *def, const ShrinkHandler *handler) {
        _cleanup_(shrinker_freep) Shrinker *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->def = def;
        s->handler = *handler;
        r = compressor_new(&s->compressor, def->compress, def->compress_level, def->compress_threads);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

Shrinker *shrinker_free(Shrinker *s) {
        if (!s)
                return NULL;
        assert(s->n_zips == 0);
        compressor_free(s->compressor);
        return mfree(s);
}

static int old_of(const Zip *z) {
        return z->log->directory->old->directory.fd;
}

/* Gives it up, for this run. */
static void drop(Shrinker *s, Zip *z, int error, const char *what) {
        _cleanup_free_ char *reason = NULL;

        if (z->fd >= 0)
                (void)unlinkat(old_of(z), z->is_named ? z->name : z->temporary, 0);
        z->fd = safe_close(z->fd);
        if (error < 0)
                (void)string_format(&reason, "%s: %s", what, strerror(-error));
        s->handler.done(s->handler.userdata, z->log, z->copy, 0, error, reason ?: what);
}

static bool is_unchanged(const Zip *z) {
        struct stat st;

        return fstatat(old_of(z), z->log->copies[z->copy].name, &st, AT_SYMLINK_NOFOLLOW) >= 0 &&
               st.st_ino == z->plain.st_ino && st.st_size == z->plain.st_size &&
               memcmp(&st.st_mtim, &z->plain.st_mtim, sizeof(st.st_mtim)) == 0;
}

static int make_zip(Shrinker *s, Zip *z) {
        const Copy *c = &z->log->copies[z->copy];
        _cleanup_close_ int plain =
                openat(old_of(z), c->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        CopyName parts = c->parts;
        int64_t n;
        int r;

        if (plain < 0 || fstat(plain, &z->plain) < 0)
                return -errno;
        if (!S_ISREG(z->plain.st_mode) || z->plain.st_nlink != 1)
                return -EMLINK;
        if (holes_of(&z->plain) > COMPRESS_HOLES_MAX - s->n_holes)
                return -EFBIG;
        s->n_holes += holes_of(&z->plain);
        parts.compressed = compress_suffix(s->def->compress);
        r = copy_name_format(s->def, z->log->name, &parts, z->name);
        if (r >= 0)
                r = leftover_name(z->name, LEFTOVER_ZIP, z->temporary);
        if (r < 0)
                return r;
        z->fd = openat(old_of(z), z->temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (z->fd < 0)
                return -errno;
        n = compressor_run(s->compressor, plain, z->fd);
        if (n < 0)
                return (int)n;
        if (n != z->plain.st_size)
                return -EBUSY;
        r = copy_attributes(plain, &z->plain, z->fd);
        if (r < 0)
                return r;
        z->size = lseek(z->fd, 0, SEEK_CUR);
        return futimens(z->fd, (const struct timespec[]){ z->plain.st_atim, z->plain.st_mtim }) < 0 ? -errno : 0;
}

void shrinker_add(Shrinker *s, Log *l, size_t copy) {
        Zip *z = &s->zips[s->n_zips];
        int r;

        *z = (Zip){ .log = l, .copy = copy, .fd = -EBADF };
        if (file_has_writer(old_of(z), l->copies[copy].name) == 1) {
                drop(s, z, 0, "a process still writes to it; a later run compresses it");
                return;
        }
        r = make_zip(s, z);
        if (r == -EFBIG && z->fd < 0) {
                drop(s, z, 0, "it has too large holes to be compressed");
                return;
        }
        if (r < 0) {
                drop(s, z, r == -EBUSY ? 0 : r,
                     r == -EBUSY ? "it was written to meanwhile; a later run compresses it" : "It was not compressed");
                return;
        }
        s->n_zips++;
        s->n_bytes += z->plain.st_size;
        if (s->n_zips == SHRINK_FILES_MAX || s->n_bytes >= SHRINK_BYTES_MAX)
                shrinker_finish(s);
}

/* For many small files, one wait for all that the file system has to write is much shorter. */
static int sync_zips(Shrinker *s) {
        if (s->n_zips > 2)
                return syncfs(s->zips[0].fd) < 0 ? -errno : 0;
        for (size_t i = 0; i < s->n_zips; i++)
                if (fsync(s->zips[i].fd) < 0)
                        return -errno;
        return 0;
}

static int replace_plain(Shrinker *s, Zip *z) {
        Copy *c = &z->log->copies[z->copy];
        char *name = strdup(z->name);

        if (!name)
                return -ENOMEM;
        if (unlinkat(old_of(z), c->name, 0) < 0) {
                free(name);
                return -errno;
        }
        free(c->name);
        c->name = name;
        c->parts.compressed = compress_suffix(s->def->compress);
        c->st.st_size = z->size;
        z->fd = safe_close(z->fd);
        s->handler.done(s->handler.userdata, z->log, z->copy, z->plain.st_size - z->size, 0, NULL);
        return 0;
}

void shrinker_finish(Shrinker *s) {
        int r = s->n_zips > 0 ? sync_zips(s) : 0, r_dir = 0;

        for (size_t i = 0; i < s->n_zips; i++) {
                Zip *z = &s->zips[i];
                int e = r;

                if (e >= 0)
                        e = rename_new(old_of(z), z->temporary, old_of(z), z->name);
                z->is_named = e >= 0;
                if (e < 0)
                        drop(s, z, e, "It was not compressed");
        }
        if (s->n_zips > 0)
                r_dir = workplace_sync(s->zips[0].log->directory->old, s->zips[0].fd);
        for (size_t i = 0; i < s->n_zips; i++) {
                Zip *z = &s->zips[i];
                int e = r_dir;

                if (!z->is_named)
                        continue;
                if (e >= 0 && !is_unchanged(z))
                        drop(s, z, 0, "it was written to meanwhile; a later run compresses it");
                else if (e < 0 || (e = replace_plain(s, z)) < 0) {
                        z->fd = safe_close(z->fd); /* both are there, and the next run compares them */
                        drop(s, z, e, "The plain copy was not removed");
                }
        }
        s->n_zips = 0;
        s->n_bytes = 0;
}
