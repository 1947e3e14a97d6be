/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Both sides are of one build (the daemon keeps the helper's file open), so the format needs no versions: numbers as
 * they are in memory, texts with their length before and a NUL behind. It is read with care all the same. */

#include "exec/child-orders.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include "util/strv.h"

/* --- writing --- */

static void put_number(FILE *f, uint64_t number) {
        (void)fwrite(&number, sizeof(number), 1, f);
}

static void put_bytes(FILE *f, const char *bytes, size_t n) {
        put_number(f, n);
        (void)fwrite(bytes, 1, n, f);
        (void)fputc('\0', f);
}

static void put_text(FILE *f, const char *text) {
        put_bytes(f, text, strlen(text));
}

static void put_list(FILE *f, char *const *l) {
        put_number(f, strv_length(l));
        STRV_FOREACH(s, l)
                put_text(f, *s);
}

static void put_property(FILE *f, const UnitProperty *p) {
        put_text(f, p->name);
        put_number(f, p->n_values);
        for (size_t i = 0; i < p->n_values; i++) {
                const UnitValue *v = &p->values[i];

                put_number(f, v->number);
                put_number(f, v->text != NULL);
                if (v->text) /* of "ay" it may hold NULs */
                        put_bytes(f, v->text, MAX((size_t)v->number, strlen(v->text)));
        }
}

int child_orders_write(const ChildOrders *o) {
        _cleanup_close_ int fd = memfd_create("vakt-orders", MFD_CLOEXEC);
        int copy = fd < 0 ? -EBADF : dup(fd);
        FILE *f = copy < 0 ? NULL : fdopen(copy, "w");
        struct stat st;

        if (!f) {
                safe_close(copy);
                return -errno;
        }
        put_text(f, o->directory);
        put_text(f, o->list);
        put_text(f, o->program);
        put_list(f, o->argv);
        put_number(f, o->expand);
        put_list(f, o->passed);
        put_number(f, o->n_properties);
        for (size_t i = 0; i < o->n_properties; i++)
                put_property(f, &o->properties[i]);
        if (fclose(f) != 0 || fstat(fd, &st) < 0)
                return -errno;
        if ((size_t)st.st_size > ORDERS_MAX)
                return -E2BIG;
        return TAKE_FD(fd);
}

/* --- reading --- */

struct ChildOrdersText {
        char *data;
        size_t size, at;
        bool bad;
        char **argv, **passed;
        UnitProperty *properties;
        size_t n_properties;
};

static uint64_t get_number(ChildOrdersText *t) {
        uint64_t number = 0;

        assert(t->at <= t->size);
        if (t->size - t->at < sizeof(number))
                t->bad = true;
        if (t->bad)
                return 0;
        memcpy(&number, t->data + t->at, sizeof(number));
        t->at += sizeof(number);
        return number;
}

static char *get_text(ChildOrdersText *t) {
        uint64_t n = get_number(t);
        char *text = t->data + t->at;

        if (n >= t->size - t->at || text[n] != '\0')
                t->bad = true;
        if (t->bad)
                return t->data + t->size; /* the NUL there */
        t->at += n + 1;
        return text;
}

/* A number of things, each of which takes some bytes. */
static size_t get_count(ChildOrdersText *t) {
        uint64_t n = get_number(t);

        if (n > t->size - t->at)
                t->bad = true;
        return t->bad ? 0 : n;
}

/* The list is the caller's, its texts are not. */
static int get_list(ChildOrdersText *t, char ***ret) {
        size_t n = get_count(t);

        *ret = calloc(n + 1, sizeof(char *));
        if (!*ret)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                (*ret)[i] = get_text(t);
        return 0;
}

static int get_property(ChildOrdersText *t, UnitProperty *p) {
        size_t n;

        p->name = get_text(t);
        n = get_count(t);
        p->values = calloc(n, sizeof(UnitValue));
        if (!p->values && n > 0)
                return -ENOMEM;
        p->n_values = n;
        for (size_t i = 0; i < n; i++) {
                p->values[i].number = get_number(t);
                if (get_number(t) > 0)
                        p->values[i].text = get_text(t);
        }
        return 0;
}

static int get_properties(ChildOrdersText *t) {
        size_t n = get_count(t);
        int r = 0;

        t->properties = calloc(n, sizeof(UnitProperty));
        if (!t->properties && n > 0)
                return -ENOMEM;
        for (t->n_properties = 0; t->n_properties < n && r >= 0; t->n_properties++)
                r = get_property(t, &t->properties[t->n_properties]);
        return r;
}

static int get_orders(ChildOrdersText *t, ChildOrders *ret) {
        int r;

        *ret = (ChildOrders){
                .directory = get_text(t),
        };
        ret->list = get_text(t);
        ret->program = get_text(t);
        r = get_list(t, &t->argv);
        if (r < 0)
                return r;
        ret->expand = get_number(t) > 0;
        r = get_list(t, &t->passed);
        if (r >= 0)
                r = get_properties(t);
        if (r < 0)
                return r;
        ret->argv = t->argv;
        ret->passed = t->passed;
        ret->properties = t->properties;
        ret->n_properties = t->n_properties;
        return t->bad || t->at != t->size || !t->argv[0] ? -EBADMSG : 0;
}

int child_orders_read(int fd, ChildOrders *ret, ChildOrdersText **ret_text) {
        _cleanup_(child_orders_text_freep) ChildOrdersText *t = NULL;
        struct stat st;
        int r;

        if (fstat(fd, &st) < 0)
                return -errno;
        if ((size_t)st.st_size > ORDERS_MAX)
                return -EBADMSG;
        t = calloc(1, sizeof(*t));
        if (!t)
                return -ENOMEM;
        t->size = (size_t)st.st_size;
        t->data = calloc(1, t->size + 1);
        if (!t->data)
                return -ENOMEM;
        if (pread(fd, t->data, t->size, 0) != st.st_size)
                return -EBADMSG;
        r = get_orders(t, ret);
        if (r < 0)
                return r;
        *ret_text = TAKE_PTR(t);
        return 0;
}

ChildOrdersText *child_orders_text_free(ChildOrdersText *t) {
        if (!t)
                return NULL;
        for (size_t i = 0; i < t->n_properties; i++)
                free(t->properties[i].values);
        free(t->properties);
        free(t->argv);
        free(t->passed);
        free(t->data);
        return mfree(t);
}
