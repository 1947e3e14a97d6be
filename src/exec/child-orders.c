/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Both sides are of one build (the daemon keeps the helper's file open), so the format needs no versions. */

#include "exec/child-orders.h"

#include "exec/serialize.h"

/* --- writing --- */

static void put_property(FILE *f, const UnitProperty *p) {
        serialize_text(f, p->name);
        serialize_number(f, p->n_values);
        for (size_t i = 0; i < p->n_values; i++) {
                const UnitValue *v = &p->values[i];

                serialize_number(f, v->number);
                serialize_number(f, v->text != NULL);
                if (v->text) /* of "ay" it may hold NULs */
                        serialize_bytes(f, v->text, MAX((size_t)v->number, strlen(v->text)));
        }
}

int child_orders_write(const ChildOrders *o) {
        FILE *f = serialize_begin("vakt-orders");

        if (!f)
                return -errno;
        serialize_text(f, o->directory);
        serialize_text(f, o->list);
        serialize_text(f, o->program);
        serialize_list(f, o->argv);
        serialize_number(f, o->expand);
        serialize_list(f, o->passed);
        serialize_number(f, o->n_properties);
        for (size_t i = 0; i < o->n_properties; i++)
                put_property(f, &o->properties[i]);
        return serialize_finish(f);
}

/* --- reading --- */

struct ChildOrdersText {
        Deserializer in;
        char **argv, **passed;
        UnitProperty *properties;
        size_t n_properties;
};

static int get_property(ChildOrdersText *t, UnitProperty *p) {
        size_t n;

        p->name = deserialize_text(&t->in);
        n = deserialize_count(&t->in);
        p->values = calloc(n, sizeof(UnitValue));
        if (!p->values && n > 0)
                return -ENOMEM;
        p->n_values = n;
        for (size_t i = 0; i < n; i++) {
                p->values[i].number = deserialize_number(&t->in);
                if (deserialize_number(&t->in) > 0)
                        p->values[i].text = deserialize_text(&t->in);
        }
        return 0;
}

static int get_properties(ChildOrdersText *t) {
        size_t n = deserialize_count(&t->in);
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
                .directory = deserialize_text(&t->in),
        };
        ret->list = deserialize_text(&t->in);
        ret->program = deserialize_text(&t->in);
        r = deserialize_list(&t->in, &t->argv);
        if (r < 0)
                return r;
        ret->expand = deserialize_number(&t->in) > 0;
        r = deserialize_list(&t->in, &t->passed);
        if (r >= 0)
                r = get_properties(t);
        if (r < 0)
                return r;
        ret->argv = t->argv;
        ret->passed = t->passed;
        ret->properties = t->properties;
        ret->n_properties = t->n_properties;
        return t->in.bad || t->in.at != t->in.size || !t->argv[0] ? -EBADMSG : 0;
}

int child_orders_read(int fd, ChildOrders *ret, ChildOrdersText **ret_text) {
        _cleanup_(child_orders_text_freep) ChildOrdersText *t = NULL;
        int r;

        t = calloc(1, sizeof(*t));
        if (!t)
                return -ENOMEM;
        r = deserialize_begin(&t->in, fd);
        if (r < 0)
                return r;
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
        deserialize_done(&t->in);
        return mfree(t);
}
