#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What --json prints. Times are numbers of µs since 1970; what has not happened or will not is null. */

#include <json-c/json.h>

#include "util/clock.h"
#include "util/macro.h"

static inline void json_putp(json_object **o) {
        json_object_put(*o);
}

/* As json-c's, but ending the program without memory. */
json_object *json_new_array(void);
json_object *json_new_object(void);

/* Adds to an object, taking over the value. */
void json_add(json_object *o, const char *key, json_object *value);
void json_add_string(json_object *o, const char *key, const char *s);
/* n bytes without a NUL. Where they are no UTF-8, bytes of it are written as \xNN, and KEY_base64 has them as they
 * are. */
void json_add_path(json_object *o, const char *key, const char *path, size_t n);
void json_add_strings(json_object *o, const char *key, char *const *strings);
void json_add_number(json_object *o, const char *key, uint64_t n);
void json_add_known(json_object *o, const char *key, uint64_t n); /* UINT64_MAX, not known, is null */
void json_add_bool(json_object *o, const char *key, bool b);
void json_add_time(json_object *o, const char *key, usec_t realtime);

/* Appends to an array, taking over the value. */
void json_append(json_object *array, json_object *value);
void json_append_number(json_object *array, uint64_t n);

/* Prints it on standard output: in lines for a person, on one line else; and puts it. Returns CTL_DONE. */
int json_print(json_object *o);

/* The same on one line always. */
int json_print_line(json_object *o);
