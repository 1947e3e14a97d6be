#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The output of --json. Times are numbers of µs since 1970; a time that does not apply is null. */

#include <json-c/json.h>

#include "util/clock.h"
#include "util/macro.h"

static inline void json_putp(json_object **o) {
        json_object_put(*o);
}

/* Like json-c's, but end the program without memory. */
json_object *json_new_array(void);
json_object *json_new_object(void);

/* Adds to an object, and takes over the value. */
void json_add(json_object *o, const char *key, json_object *value);
void json_add_string(json_object *o, const char *key, const char *s);
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
void json_append_number(json_object *array, uint64_t n);

/* Prints it on standard output: in lines on a terminal, otherwise on one line; and releases it. Returns CTL_DONE. */
int json_print(json_object *o);

/* The same on one line always. */
int json_print_line(json_object *o);
