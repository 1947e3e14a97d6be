#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The output of --json, which vaktctl.schema.json describes. Times are numbers of µs since 1970; what is not known or
 * does not apply is null. */

#include <json-c/json.h>

#include "util/clock.h"
#include "util/macro.h"

static inline void json_putp(json_object **o) {
        json_object_put(*o);
}

/* Like json-c's, but end the program without memory. */
json_object *json_new_array(void);
json_object *json_new_object(void);

/* Adds to an object, and takes over the value. A string that is NULL is null. */
void json_add(json_object *o, const char *key, json_object *value);
void json_add_string(json_object *o, const char *key, const char *s);
void json_add_word(json_object *o, const char *key, const char *s); /* an empty one is null as well */
/* n bytes without a NUL. If they are not UTF-8, invalid bytes are written as \xNN, and KEY_base64 has the unchanged
 * bytes. */
void json_add_path(json_object *o, const char *key, const char *path, size_t n);
void json_add_strings(json_object *o, const char *key, char *const *strings);
void json_add_number(json_object *o, const char *key, uint64_t n);
void json_add_known(json_object *o, const char *key, uint64_t n); /* UINT64_MAX, not known, is null */
void json_add_bool(json_object *o, const char *key, bool b);
void json_add_time(json_object *o, const char *key, usec_t realtime);

/* Appends to an array, and takes over the value. */
void json_append(json_object *array, json_object *value);
void json_append_string(json_object *array, const char *s);
void json_append_number(json_object *array, uint64_t n);

/* Prints it on standard output and releases it: an array with one item a line, anything else on one line, except on a
 * terminal. Returns CTL_DONE. */
int json_print(json_object *o);

/* The same for several answers: an array, unless exactly one was asked for. */
int json_print_answers(json_object *array, bool one);

/* An item of a stream, on one line. */
int json_print_line(FILE *f, json_object *o);

/* An array that is printed while it grows, as json_print() does: each item, then its end. *n counts the items, from
 * 0. */
void json_print_item(size_t *n, json_object *o);
int json_print_end(size_t n);
