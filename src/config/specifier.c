/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Two passes over the value: one that measures and refuses, one that writes. An instance or host name is put in as it
 * is and never read again, so nothing in it can become a specifier, and a value is split into words before. */

#include "config/specifier.h"

#include <sys/utsname.h>

#include "util/ascii.h"
#include "util/complain.h"
#include "util/utf8.h"

#define PERCENTAGE_ENDS " \t\n\r)" /* and the end */

/* What %c stands for; NULL when it stands for nothing. */
static const char *lookup(const Specifiers *specifiers, char c) {
        switch (c) {
        case 'i':
                return specifiers->instance;
        case 'j':
                return specifiers->job;
        case 'h':
                return specifiers->host;
        case '%':
                return "%";
        default:
                return NULL;
        }
}

/* What the percent sign at *p stands for, NULL for nothing; moves *p to the last character of it. */
static const char *resolve(const char *start, const char **p, const Specifiers *specifiers) {
        const char *at = *p;

        if (specifiers->has_percentages && at > start && is_digit(at[-1]) && strchr(PERCENTAGE_ENDS, at[1]))
                return "%";
        (*p)++;
        return lookup(specifiers, **p);
}

static int complain_unknown(const char *at, char **reterr) {
        int n = (int)utf8_char_length(at, strlen(at));

        if (*at == '\0')
                return complain(reterr, "The value ends in a single %%. Write %%%% for a percent sign.");
        if (*at == 'i')
                return complain(reterr, "%%i is the name of the instance, but this job is not an instance. Rename the "
                                        "file to NAME@.job to make it a template.");
        return complain(reterr, "%%%.*s is not a specifier; use %%i, %%j or %%h. Write %%%% for a percent sign.",
                        MAX(n, 1), at);
}

static int measure(const char *s, const Specifiers *specifiers, size_t *ret, char **reterr) {
        size_t n = 0;

        for (const char *p = s; *p; p++) {
                const char *value = NULL;

                if (*p == '%') {
                        value = resolve(s, &p, specifiers);
                        if (!value)
                                return complain_unknown(p, reterr);
                }
                n += value ? strlen(value) : 1;
                if (n > SPECIFIER_RESULT_MAX)
                        return complain(
                                reterr,
                                "The value is longer than %zu bytes after its specifiers are replaced. Shorten it.",
                                SPECIFIER_RESULT_MAX);
        }
        *ret = n;
        return 0;
}

int specifier_expand(const char *s, const Specifiers *specifiers, char **ret, char **reterr) {
        char *copy, *out;
        size_t n = 0;
        int r;

        if (!strchr(s, '%') && strlen(s) <= SPECIFIER_RESULT_MAX) { /* as nearly always */
                copy = strdup(s);
                if (copy)
                        *ret = copy;
                return copy ? 0 : -ENOMEM;
        }
        r = measure(s, specifiers, &n, reterr);
        if (r < 0)
                return r;
        copy = out = malloc(n + 1);
        if (!copy)
                return -ENOMEM;
        for (const char *p = s; *p; p++)
                if (*p == '%')
                        out = stpcpy(out, resolve(s, &p, specifiers));
                else
                        *out++ = *p;
        *out = '\0';
        assert((size_t)(out - copy) == n); /* as measured */
        *ret = copy;
        return 0;
}

size_t specifier_origin(const char *s, const Specifiers *specifiers, size_t offset) {
        const char *p = s;

        for (size_t n = 0; *p; p++) {
                const char *at = p, *value = *p == '%' ? resolve(s, &p, specifiers) : NULL;

                n += value ? strlen(value) : 1;
                if (n > offset)
                        return (size_t)(at - s);
        }
        return (size_t)(p - s);
}

bool specifier_is_used(const char *s, char c) {
        for (const char *p = strchr(s, '%'); p; p = strchr(p + 2, '%')) {
                if (p[1] == c)
                        return true;
                if (p[1] == '\0')
                        return false;
        }
        return false;
}

/* sethostname() takes any bytes, and %h may end up in a Shell= line: what root may set freely does not get there. */
void host_name_get(char host[HOST_SIZE]) {
        static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";

        struct utsname u;
        size_t n = 0;

        if (uname(&u) >= 0)
                n = strlen(u.nodename);
        if (n == 0 || n >= HOST_SIZE || u.nodename[strspn(u.nodename, allowed)] != '\0')
                memcpy(host, "localhost", sizeof("localhost"));
        else
                memcpy(host, u.nodename, n + 1);
}
