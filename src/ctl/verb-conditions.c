/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl conditions: the kinds of conditions, from the table by which they are parsed. */

#include <stdio.h>

#include "condition/condition.h"
#include "ctl/ctl.h"
#include "ctl/json.h"

#define WIDTH 32 /* of the columns before the last one */

static const char *const condition_units[] = {
        [CONDITION_TRUTH] = "yes or no",    [CONDITION_COUNT] = "number", [CONDITION_BYTES] = "size",
        [CONDITION_USEC] = "time span",     [CONDITION_DAYS] = "days",    [CONDITION_MILLI] = "number",
        [CONDITION_PERCENT] = "percentage",
};

static void print_json(void) {
        _cleanup_(json_putp) json_object *array = json_new_array();

        for (ConditionKind k = 0; k < _CONDITION_KIND_MAX; k++) {
                json_object *o = json_new_object();

                json_add_string(o, "name", condition_kind_to_string(k));
                json_add_string(o, "unit", condition_units[condition_kind_unit(k)]);
                json_add_string(o, "description", condition_kind_help(k));
                json_add_string(o, "example", condition_kind_example(k));
                json_append(array, o);
        }
        json_print(json_object_get(array));
}

int verb_conditions(Ctl *c, char **args) {
        if (c->json) {
                print_json();
                return CTL_DONE;
        }
        for (ConditionKind k = 0; k < _CONDITION_KIND_MAX; k++)
                printf("%-18s %-10s   %s\n%*s%s\n", condition_kind_to_string(k),
                       condition_units[condition_kind_unit(k)], condition_kind_help(k), WIDTH, "",
                       condition_kind_example(k));
        ctl_say(c, stdout, _("\nThey are combined with and, or, not and parentheses. See vaktd.condition(7)."));
        return CTL_DONE;
}
