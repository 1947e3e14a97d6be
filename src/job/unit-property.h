#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One property of a transient unit, as a line of [Service] sets it: checked and converted by config/, and passed to
 * the service manager, or applied by the child executor, in exec/. A value is stored flat: the basic values of its
 * D-Bus signature in their order, each array preceded by the number of its elements. So (bas) with false and two words
 * is 0, 2, "a", "b". */

#include "util/macro.h"

typedef struct UnitValue {
        uint64_t number; /* b, y, q, i (as int64_t), u, t; length of an array */
        char *text;      /* s, o; of "ay" as a whole: the bytes, their number in number; else NULL */
} UnitValue;

typedef struct UnitProperty {
        const char *name;      /* name of the service manager: "MemoryMax"; static */
        const char *signature; /* D-Bus type; static */
        UnitValue *values;
        size_t n_values;
        const char *path; /* the file that sets it; JobDef.paths owns it */
        unsigned line;
} UnitProperty;

void unit_property_done(UnitProperty *p); /* frees its members, not itself */

/* Appends a value; text is copied, n bytes of it (SIZE_MAX = up to its NUL). -ENOMEM. */
int unit_property_add_number(UnitProperty *p, uint64_t number);
int unit_property_add_text(UnitProperty *p, const char *text, size_t n);
