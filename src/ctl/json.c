/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The output of --json. json-c escapes what JSON requires, which leaves DEL and the C1 control characters: those are
 * escaped here, so that the output is safe on a terminal. They can only occur in strings. */

#include "ctl/alloc.h"
#include "ctl/exit-code.h"
#include "ctl/json.h"
#include "ctl/text.h"

static json_object *checked(json_object *o) {
        if (!o)
                alloc_failed();
        return o;
}

json_object *json_new_array(void) {
        return checked(json_object_new_array());
}

json_object *json_new_object(void) {
        return checked(json_object_new_object());
}

void json_add(json_object *o, const char *key, json_object *value) {
        assert(json_object_is_type(o, json_type_object));
        if (json_object_object_add(o, key, value) < 0)
                alloc_failed();
}

/* JSON is UTF-8; the name or content of a file may not be. */
static json_object *new_string(const char *s) {
        _cleanup_free_ char *escaped = text_is_utf8(s) ? NULL : text_escape_n(s, strlen(s), TEXT_KEEP_LINES);

        return checked(json_object_new_string(escaped ?: s));
}

void json_add_string(json_object *o, const char *key, const char *s) {
        json_add(o, key, s ? new_string(s) : NULL);
}

void json_add_word(json_object *o, const char *key, const char *s) {
        json_add_string(o, key, isempty(s) ? NULL : s);
}

/* RFC 4648, section 4. The caller frees it. */
static char *base64(const char *s, size_t n) {
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        char *ret = alloc_array(NULL, n / 3 + 2, 4), *t = ret;

        for (size_t i = 0; i < n; i += 3) {
                uint32_t group = 0;

                for (size_t k = 0; k < 3; k++)
                        group = group << 8 | (i + k < n ? (unsigned char)s[i + k] : 0U);
                for (size_t k = 0; k < 4; k++)
                        *t++ = i + k > n ? '=' : letters[group >> (18 - 6 * k) & 63];
        }
        assert((size_t)(t - ret) == (n + 2) / 3 * 4);
        *t = '\0';
        return ret;
}

void json_add_path(json_object *o, const char *key, const char *path, size_t n) {
        _cleanup_free_ char *text = alloc_format("%.*s", (int)n, path);

        json_add_string(o, key, text);
        if (!text_is_utf8(text)) {
                _cleanup_free_ char *key64 = alloc_format("%s_base64", key), *bytes = base64(path, n);

                json_add_string(o, key64, bytes);
        }
}

void json_add_strings(json_object *o, const char *key, char *const *strings) {
        json_object *array = json_new_array();

        for (; strings && *strings; strings++)
                json_append(array, new_string(*strings));
        json_add(o, key, array);
}

void json_add_number(json_object *o, const char *key, uint64_t n) {
        json_add(o, key, checked(json_object_new_uint64(n)));
}

void json_add_known(json_object *o, const char *key, uint64_t n) {
        json_add(o, key, n == UINT64_MAX ? NULL : checked(json_object_new_uint64(n)));
}

void json_add_bool(json_object *o, const char *key, bool b) {
        json_add(o, key, checked(json_object_new_boolean(b)));
}

void json_add_time(json_object *o, const char *key, usec_t realtime) {
        bool never = realtime == 0 || realtime == USEC_INFINITY;

        json_add(o, key, never ? NULL : checked(json_object_new_uint64(realtime)));
}

void json_append(json_object *array, json_object *value) {
        assert(json_object_is_type(array, json_type_array));
        if (json_object_array_add(array, value) < 0)
                alloc_failed();
}

void json_append_string(json_object *array, const char *s) {
        json_append(array, new_string(s));
}

void json_append_number(json_object *array, uint64_t n) {
        json_append(array, checked(json_object_new_uint64(n)));
}

/* Without a newline; it releases the object. */
static void print(FILE *f, json_object *o, int flags) {
        const char *s = json_object_to_json_string_ext(o, flags | JSON_C_TO_STRING_NOSLASHESCAPE);

        if (!s)
                alloc_failed();
        for (; *s; s++) {
                const unsigned char *u = (const unsigned char *)s;

                if (u[0] == 0x7f)
                        fputs("\\u007f", f);
                else if (u[0] == 0xc2 && u[1] >= 0x80 && u[1] <= 0x9f) {
                        fprintf(f, "\\u%04x", u[1]);
                        s++;
                } else
                        fputc(u[0], f);
        }
        json_object_put(o);
}

int json_print_line(FILE *f, json_object *o) {
        print(f, o, 0);
        fputc('\n', f);
        return CTL_DONE;
}

void json_print_item(size_t *n, json_object *o) {
        fputs((*n)++ == 0 ? "[\n" : ",\n", stdout);
        print(stdout, o, 0);
}

int json_print_end(size_t n) {
        puts(n == 0 ? "[]" : "\n]");
        return CTL_DONE;
}

int json_print(json_object *o) {
        size_t n = 0;

        if (!json_object_is_type(o, json_type_array)) {
                print(stdout, o, isatty(STDOUT_FILENO) ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED : 0);
                putchar('\n');
                return CTL_DONE;
        }
        for (size_t i = 0; i < json_object_array_length(o); i++)
                json_print_item(&n, json_object_get(json_object_array_get_idx(o, i)));
        json_object_put(o);
        return json_print_end(n);
}

int json_print_answers(json_object *array, bool one) {
        json_object *first = one ? json_object_get(json_object_array_get_idx(array, 0)) : NULL;

        if (!one)
                return json_print(array);
        json_object_put(array);
        return first ? json_print(first) : CTL_DONE; /* none: it has failed */
}
