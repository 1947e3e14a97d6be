#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* %-specifiers in the values of a job file: %i instance, %j job name, %h host name, %% a percent sign. */

#include <limits.h>

#include "util/macro.h"

#define SPECIFIER_RESULT_MAX ((size_t)64 * 1024) /* bytes in a value after the replacement */

typedef struct Specifiers {
        const char *job;      /* whole name, NAME@INSTANCE for an instance */
        const char *instance; /* NULL: this job is none */
        const char *host;
        bool has_percentages; /* a percent sign behind a digit and before a blank or the end is one: "< 10%" */
} Specifiers;

/* Returns a copy of s with everything replaced, the caller's to free. -EINVAL with a message in *reterr (freed by the
 * caller) when a specifier is unknown or the result too long; -ENOMEM. */
int specifier_expand(const char *s, const Specifiers *specifiers, char **ret, char **reterr);

/* The offset in s of what the byte at this offset of the expanded text comes from. */
size_t specifier_origin(const char *s, const Specifiers *specifiers, size_t offset) _pure_;

/* True when s holds %c. */
bool specifier_is_used(const char *s, char c) _pure_;

#define HOST_SIZE (HOST_NAME_MAX + 1)

/* The host's name as %h shows it: the name that is set, or "localhost" when it is none that a sane host has. */
void host_name_get(char host[HOST_SIZE]);
