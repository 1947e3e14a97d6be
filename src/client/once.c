/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Jobs that run once. */

#include "client/once.h"

#include "util/places.h"

int once_create(Connection *c, const char *name, usec_t at, const char *text, sd_bus_error *reterr, char **ret_name,
                usec_t *ret_next) {
        static const MethodCall create = { .member = "CreateOnce", .changes = true };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *created;
        char *copy;
        int r;

        r = connection_call(c, &create, reterr, &reply, "sts", name, at, text);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "st", &created, ret_next);
        if (r < 0)
                return connection_bad_answer(c, &create, r, reterr);
        copy = strdup(created);
        if (!copy)
                return connection_no_memory(reterr);
        *ret_name = copy;
        return 0;
}

int once_remove(Connection *c, const char *name, sd_bus_error *reterr) {
        static const MethodCall remove = { .member = "RemoveOnce", .changes = true };

        return connection_call(c, &remove, reterr, NULL, "s", name);
}

bool once_is_file(const char *path) {
        return strstr(path, "/" PLACES_ONCE "/");
}
