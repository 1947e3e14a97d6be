/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Both sides are of one machine, so numbers need no order of bytes. It is read with care all the same. */

#include "exec/serialize.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "util/strv.h"

/* --- writing --- */

FILE *serialize_begin(const char *name) {
        int fd = memfd_create(name, MFD_CLOEXEC);
        FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

        if (!f)
                safe_close(fd);
        return f;
}

int serialize_finish(FILE *f) {
        _cleanup_close_ int fd = fcntl(fileno(f), F_DUPFD_CLOEXEC, 3);
        int r = fd < 0 ? -errno : 0;
        struct stat st;

        if (fclose(f) != 0 || r < 0)
                return r < 0 ? r : -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if ((size_t)st.st_size > SERIALIZED_MAX)
                return -E2BIG;
        return TAKE_FD(fd);
}

void serialize_number(FILE *f, uint64_t number) {
        (void)fwrite(&number, sizeof(number), 1, f);
}

void serialize_bytes(FILE *f, const void *bytes, size_t n) {
        serialize_number(f, n);
        (void)fwrite(bytes, 1, n, f);
        (void)fputc('\0', f);
}

void serialize_text(FILE *f, const char *text) {
        serialize_bytes(f, text, strlen(text));
}

void serialize_list(FILE *f, char *const *l) {
        serialize_number(f, strv_length(l));
        STRV_FOREACH(s, l)
                serialize_text(f, *s);
}

/* --- reading --- */

int deserialize_begin(Deserializer *d, int fd) {
        _cleanup_free_ char *data = NULL;
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if ((size_t)st.st_size > SERIALIZED_MAX)
                return -EBADMSG;
        data = calloc(1, (size_t)st.st_size + 1);
        if (!data)
                return -ENOMEM;
        if (pread(fd, data, (size_t)st.st_size, 0) != st.st_size)
                return -EBADMSG;
        *d = (Deserializer){ .data = TAKE_PTR(data), .size = (size_t)st.st_size };
        return 0;
}

void deserialize_done(Deserializer *d) {
        free(d->data);
        *d = (Deserializer){};
}

uint64_t deserialize_number(Deserializer *d) {
        uint64_t number = 0;

        assert(d->at <= d->size);
        if (d->size - d->at < sizeof(number))
                d->bad = true;
        if (d->bad)
                return 0;
        memcpy(&number, d->data + d->at, sizeof(number));
        d->at += sizeof(number);
        return number;
}

/* Of n bytes, with a NUL behind. */
static char *get_bytes(Deserializer *d, uint64_t n) {
        char *bytes = d->data + d->at;

        if (n >= d->size - d->at || bytes[n] != '\0')
                d->bad = true;
        if (d->bad)
                return d->data + d->size; /* the NUL there */
        d->at += n + 1;
        return bytes;
}

char *deserialize_text(Deserializer *d) {
        return get_bytes(d, deserialize_number(d));
}

void deserialize_bytes(Deserializer *d, void *ret, size_t n) {
        const char *bytes;

        if (deserialize_number(d) != n)
                d->bad = true;
        bytes = get_bytes(d, n);
        if (!d->bad)
                memcpy(ret, bytes, n);
}

size_t deserialize_count(Deserializer *d) {
        uint64_t n = deserialize_number(d);

        if (n > d->size - d->at)
                d->bad = true;
        return d->bad ? 0 : n;
}

int deserialize_list(Deserializer *d, char ***ret) {
        size_t n = deserialize_count(d);

        *ret = calloc(n + 1, sizeof(char *));
        if (!*ret)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                (*ret)[i] = deserialize_text(d);
        return 0;
}
