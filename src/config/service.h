#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Section [Service] of a job file: settings of unit files -> properties of a transient unit. One table
 * (service-table.c) says for each key what it is called on the bus, its type, who can do it, and which converter reads
 * it. See vaktd.job(5). */

#include "config/job-builder.h"

typedef enum ServiceFlags {
        SERVICE_CHILD = 1 << 0,     /* the child executor can do it as well */
        SERVICE_SYSTEM = 1 << 1,    /* the service manager of a user cannot, or silently does not */
        SERVICE_NAMESPACE = 1 << 2, /* that one silently does not unless PrivateUsers= is set (up to systemd 253) */
        SERVICE_PROTECTS = 1 << 3,  /* without it something is open that was meant to be shut */
        SERVICE_ADDS = 1 << 4,      /* a further line adds to those before */
        SERVICE_EMPTY = 1 << 5,     /* an empty value has a meaning of its own */
        SERVICE_PERCENT = 1 << 6,   /* a value may end in a percent sign, which is no specifier then */
} ServiceFlags;

/* What a line comes to: one property, or two where the bus wants two. */
#define SERVICE_PROPERTIES 2

typedef struct ServiceSetting ServiceSetting;

/* Reads the value into p[0], which has the name and type of the setting, and p[1], which has the other ones; a
 * property without values is left out. Returns 1; 0 when the problem was written down; or -ENOMEM. */
typedef int (*ServiceConvert)(const KeyLine *k, const ServiceSetting *s, UnitProperty *p);

struct ServiceSetting {
        const char *property; /* NULL: the key is refused */
        const char *signature;
        ServiceConvert convert;
        unsigned flags;
        const void *argument; /* what the converter wants to know */
        const char *other;    /* second property, or the first one's name for other values */
        const char *other_signature;
        const char *refusal; /* why it is refused, and what to do: goes on after "KEY= " */
};

/* The rows of [Service]; the argument of each is its ServiceSetting. */
extern const KeyRow service_rows[];
extern const size_t n_service_rows;

/* Parser (KeyParse) of all of them. */
int service_parse(const KeyLine *k, void *field);

/* Validates the section as a whole. Problems go to their lines. 0 or -ENOMEM. */
int service_finish(Builder *b);

void service_lines_done(ServiceLines *lines);
