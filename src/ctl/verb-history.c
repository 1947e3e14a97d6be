/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl history: what ran, newest first. */

#include "ctl/ctl.h"
#include "ctl/json.h"
#include "ctl/run-view.h"

#define LINES_DEFAULT 25

static int append(const RunView *v, void *userdata) {
        json_append(userdata, run_view_json(v));
        return 0;
}

/* An empty history is one thing, a job that is not there another. */
static int check_job(Ctl *c, const char *job) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *path;

        return isempty(job) ? 0 : ctl_get_job(c, job, &reply, &path);
}

int verb_history(Ctl *c, char **args) {
        _cleanup_(json_putp) json_object *array = json_new_array();
        const char *job = strempty(args[0]);
        unsigned limit = c->lines ?: LINES_DEFAULT;
        bool any;
        int r;

        if (c->json) {
                r = run_view_list(c, job, limit, append, array);
                any = json_object_array_length(array) > 0;
        } else
                r = run_view_print_table(c, job, limit, &any);
        if (r == 0 && !any)
                r = check_job(c, job);
        if (r != 0)
                return r;
        if (c->json)
                return json_print(json_object_get(array));
        if (!any)
                ctl_say(c, stdout, "Nothing has run yet.");
        return CTL_DONE;
}
