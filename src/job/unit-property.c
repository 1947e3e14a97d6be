/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Values grow one by one: a line of [Service] is short, and is read once. */

#include "job/unit-property.h"

void unit_property_done(UnitProperty *p) {
        for (size_t i = 0; i < p->n_values; i++)
                free(p->values[i].text);
        p->values = mfree(p->values);
        p->n_values = 0;
}

static int add_value(UnitProperty *p, UnitValue value) {
        UnitValue *more = reallocarray(p->values, p->n_values + 1, sizeof(UnitValue));

        if (!more)
                return -ENOMEM;
        p->values = more;
        p->values[p->n_values++] = value;
        return 0;
}

int unit_property_add_number(UnitProperty *p, uint64_t number) {
        return add_value(p, (UnitValue){ .number = number });
}

int unit_property_add_text(UnitProperty *p, const char *text, size_t n) {
        _cleanup_free_ char *copy = NULL;
        int r;

        if (n == SIZE_MAX)
                n = strlen(text);
        copy = malloc(n + 1);
        if (!copy)
                return -ENOMEM;
        memcpy(copy, text, n);
        copy[n] = '\0';
        r = add_value(p, (UnitValue){ .number = n, .text = copy });
        if (r >= 0)
                (void)TAKE_PTR(copy);
        return r;
}
