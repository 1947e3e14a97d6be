/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The methods of org.vaktd1.Manager that tell which definitions are in force, for those who compare them with the
 * files on disk. What a job file says may be secret, as a password in its environment is, so both are for
 * root and the user of the daemon only, whatever polkit permits. */

#include "bus/api-manager.h"
#include "bus/errors.h"
#include "config/job-file.h"

static int list_authorized(Connection *c, sd_bus_message *m, sd_bus_error *e) {
        const JobTable *jobs = manager_jobs(c->api->manager);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = api_new_large_reply(c, m, &reply, e);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'a', "(st)"); /* of the most jobs that there can be, 16 MiB */
        for (size_t i = 0; r >= 0 && i < job_table_size(jobs); i++) {
                const Job *j = job_table_at(jobs, i);

                if (!j->gone && j->def)
                        r = sd_bus_message_append(reply, "(st)", j->name, j->def->digest);
        }
        return api_send_list(reply, r);
}

int method_list_definitions(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return authorize(userdata, m, &(Permission){ .next = list_authorized }, e);
}

static int get_authorized(Connection *c, sd_bus_message *m, sd_bus_error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *text = NULL;
        char path[PATH_MAX];
        const Job *j;
        int r;

        r = api_read_job(c, m, &j, e);
        if (r < 0)
                return r;
        if (!j->def)
                return api_job_error(c, -ENOEXEC, j->name, e);
        r = job_file_text(j->def, &text);
        if (r < 0)
                return r;
        if (strlen(text) > REPLY_SIZE_MAX)
                return sd_bus_error_setf(e, ERROR_LIMIT_REACHED, "The files of job '%s' are too large for one reply.",
                                         j->name);
        r = api_new_large_reply(c, m, &reply, e);
        if (r >= 0)
                r = sd_bus_message_append(reply, "ss", strempty(job_def_fragment(j->def, path)), text);
        return r < 0 ? r : sd_bus_message_send(reply);
}

int method_get_definition(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return authorize(userdata, m, &(Permission){ .next = get_authorized }, e);
}
