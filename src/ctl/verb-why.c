/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl why: what a job waits for and why, in the daemon's own sentences. */

#include "ctl/alloc.h"
#include "ctl/ctl.h"
#include "ctl/json.h"
#include "ctl/properties.h"

static const MethodCall explain = { .member = "Explain" };

static int print_json(const PropertyPair *sentences) {
        json_object *array = json_new_array();

        for (const PropertyPair *p = sentences; p->key; p++) {
                json_object *o = json_new_object();

                json_add_string(o, "topic", p->key);
                json_add_string(o, "sentence", p->value);
                json_append(array, o);
        }
        return json_print(array);
}

int verb_why(Ctl *c, char **args) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ PropertyPair *sentences = NULL;
        size_t width = 0;
        int r;

        r = ctl_call(c, &explain, NULL, &reply, "s", args[0]);
        if (r != 0)
                return r;
        r = properties_read_pairs(reply, &sentences);
        if (r < 0)
                return ctl_bad_answer(&explain, r);
        if (c->json)
                return print_json(sentences);
        for (const PropertyPair *p = sentences; p->key; p++)
                width = MAX(width, strlen(p->key));
        for (const PropertyPair *p = sentences; p->key; p++) {
                _cleanup_free_ char *label = alloc_format("%s:", p->key);

                printf("%-*s ", (int)width + 1, label);
                ctl_print_colored(c, COLOR_NONE, p->value);
                putchar('\n');
        }
        return CTL_DONE;
}
