/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The views of client/ as JSON: every member is present, and what is not known, an empty string on the bus, is null.
 */

#include "ctl/view-json.h"

#include "ctl/alloc.h"

/* null: as in PropertyMap. */
static void add_basic(json_object *o, const char *key, char type, unsigned null, const void *value) {
        uint64_t n;

        if (type == 's' || type == 'o') {
                json_add_word(o, key, *(const char *const *)value);
                return;
        }
        if (type == 'b') {
                json_add_bool(o, key, *(const int *)value);
                return;
        }
        if (type == 'i') {
                json_add(o, key, json_object_new_int(*(const int32_t *)value));
                return;
        }
        n = type == 'u' ? *(const uint32_t *)value : *(const uint64_t *)value;
        if ((n == 0 && (null & NULL_IF_ZERO)) ||
            (n == (type == 'u' ? UINT32_MAX : UINT64_MAX) && (null & NULL_IF_MAX)))
                json_add(o, key, NULL);
        else
                json_add_number(o, key, n);
}

/* Of a member of a row: a time, a run, and the line of a problem may be missing. */
static unsigned null_of(const char *key) {
        return streq_ptr(strrchr(key, '_'), "_usec")     ? NULL_IF_EITHER
               : streq(key, "run") || streq(key, "line") ? NULL_IF_ZERO
                                                         : NEVER_NULL;
}

json_object *rows_json(const void *rows, const char *type, const char *const *members) {
        _cleanup_free_ char *types = alloc_format("%.*s", (int)strlen(type) - 3, type + 2); /* without "a(" and ")" */
        json_object *ret = members ? json_new_array() : json_new_object();
        size_t offsets[ROW_MEMBERS_MAX], size = properties_lay_out(types, offsets);

        for (const char *row = rows; row && *(const char *const *)(const void *)row; row += size) {
                json_object *o = members ? json_new_object() : ret;

                for (size_t i = members ? 0 : 1; types[i] != '\0'; i++) {
                        const char *key = members ? members[i] : *(const char *const *)(const void *)row;

                        add_basic(o, key, types[i], null_of(key), row + offsets[i]);
                }
                if (members)
                        json_append(ret, o);
        }
        return ret;
}

json_object *row_json(const void *row, const char *type, const char *const *members) {
        _cleanup_free_ char *types = alloc_format("%.*s", (int)strlen(type) - 3, type + 2); /* without "a(" and ")" */
        size_t offsets[ROW_MEMBERS_MAX];
        json_object *o = json_new_object();

        (void)properties_lay_out(types, offsets);
        for (size_t i = 0; types[i] != '\0'; i++)
                add_basic(o, members[i], types[i], null_of(members[i]), (const char *)row + offsets[i]);
        return o;
}

json_object *view_json(const PropertyMap *map, size_t n, const void *view) {
        json_object *o = json_new_object();

        for (const PropertyMap *p = map; p < map + n; p++) {
                const void *value = (const char *)view + p->offset;

                if (!p->json)
                        continue;
                if (streq(p->type, "as"))
                        json_add_strings(o, p->json, *(char *const *const *)value);
                else if (p->type[0] == 'a')
                        json_add(o, p->json, rows_json(*(const void *const *)value, p->type, p->members));
                else
                        add_basic(o, p->json, p->type[0], p->null, value);
        }
        return o;
}

const char *const alarm_members[] = { "job", "key", "raised_usec", "run", "message" };

json_object *diagnostics_json(const DiagnosticView *rows) {
        return rows_json(rows, "a(sus)", (const char *const[]){ "file", "line", "message" });
}

json_object *run_view_json(const RunView *v, bool with_object) {
        json_object *o = view_json(run_properties, with_object ? n_run_properties : N_RUN_PROPERTIES_OF_WALK, v);

        if (!code_is_known(v->result, v->code))
                json_add(o, "code", NULL);
        return o;
}

bool code_is_known(const char *result, int code) {
        return code != 0 || streq(result, "success");
}
