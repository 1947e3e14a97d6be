/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Properties by a table. Unknown ones are skipped so that an older client understands a newer vaktd. */

#include "client/properties.h"

#include "util/array.h"

void rows_done(Rows *rows) {
        rows->items = mfree(rows->items);
        rows->n_items = 0;
        rows->message = sd_bus_message_unref(rows->message);
}

static size_t round_up(size_t n, size_t to) {
        return (n + to - 1) / to * to;
}

size_t properties_lay_out(const char *members, size_t ret_offsets[static ROW_MEMBERS_MAX]) {
        size_t offset = 0, most = 1, n = 0;

        for (const char *t = members; *t; t++) {
                size_t size = strchr("txd", *t)  ? sizeof(uint64_t)
                              : strchr("ub", *t) ? sizeof(uint32_t)
                                                 : sizeof(char *);
                size_t align = strchr("txd", *t)  ? _Alignof(uint64_t)
                               : strchr("ub", *t) ? _Alignof(uint32_t)
                                                  : _Alignof(char *);

                assert(n < ROW_MEMBERS_MAX && strchr("sotuxdb", *t));
                offset = round_up(offset, align);
                ret_offsets[n++] = offset;
                offset += size;
                most = MAX(most, align);
        }
        return round_up(offset, most);
}

int properties_read_rows(sd_bus_message *m, const char *type, void *ret, size_t *ret_n) {
        _cleanup_free_ char *members = strndup(type + 2, strlen(type) - 3), *rows = NULL; /* without "a(" and ")" */
        size_t offsets[ROW_MEMBERS_MAX], size, n = 0;
        char *row;
        int r;

        if (!members)
                return -ENOMEM;
        assert(type[0] == 'a' && (type[1] == '(' || type[1] == '{'));
        size = properties_lay_out(members, offsets);
        r = sd_bus_message_enter_container(m, 'a', type + 1);
        if (r < 0)
                return r;
        for (; (r = sd_bus_message_enter_container(m, type[1] == '{' ? 'e' : 'r', members)) > 0; n++) {
                row = array_gap(&rows, n, n, size);
                if (!row)
                        return -ENOMEM;
                for (size_t i = 0; r >= 0 && members[i] != '\0'; i++)
                        r = sd_bus_message_read_basic(m, members[i], row + offsets[i]);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        row = array_gap(&rows, n, n, size);
        if (!row)
                return -ENOMEM;
        memset(row, 0, size);
        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        memcpy(ret, &rows, sizeof(rows));
        rows = NULL;
        if (ret_n)
                *ret_n = n;
        return 0;
}

static int read_entry(sd_bus_message *m, const PropertyMap *map, size_t n, void *ret) {
        const PropertyMap *p = map;
        const char *name;
        void *to;
        int r;

        r = sd_bus_message_read_basic(m, 's', &name);
        if (r < 0)
                return r;
        while (p < map + n && !streq(p->name, name))
                p++;
        if (p == map + n)
                return sd_bus_message_skip(m, "v");
        r = sd_bus_message_enter_container(m, 'v', p->type);
        if (r < 0)
                return r;
        to = (char *)ret + p->offset;
        r = streq(p->type, "as") ? sd_bus_message_read_strv(m, to)
            : p->type[0] == 'a'  ? properties_read_rows(m, p->type, to, NULL)
                                 : sd_bus_message_read_basic(m, p->type[0], to);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

int properties_read(sd_bus_message *m, const PropertyMap *map, size_t n, void *ret) {
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = read_entry(m, map, n, ret);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; r >= 0 && i < n; i++) {
                const char **text = (const char **)(void *)((char *)ret + map[i].offset);

                if (strchr("so", map[i].type[0]) && !*text)
                        *text = "";
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

int properties_get(Connection *c, const MethodCall *call, const char *interface, const PropertyMap *map, size_t n,
                   sd_bus_error *reterr, sd_bus_message **ret_message, void *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        MethodCall get_all = *call;
        int r;

        get_all.interface = "org.freedesktop.DBus.Properties";
        get_all.member = "GetAll";
        r = connection_call(c, &get_all, reterr, &reply, "s", interface);
        if (r < 0)
                return r;
        r = properties_read(reply, map, n, ret);
        if (r < 0)
                return connection_bad_answer(c, &get_all, r, reterr);
        *ret_message = TAKE_PTR(reply);
        return 0;
}

int properties_get_rows(Connection *c, const MethodCall *call, const char *type, sd_bus_error *reterr, Rows *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = connection_call(c, call, reterr, &reply, NULL);
        if (r < 0)
                return r;
        r = properties_read_rows(reply, type, &ret->items, &ret->n_items);
        if (r < 0)
                return connection_bad_answer(c, call, r, reterr);
        ret->message = TAKE_PTR(reply);
        return 0;
}
