/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.vaktd1.Job at /org/vaktd1/job/NAME: one fallback vtable for all jobs and an enumerator, so that a job costs the
 * bus nothing until somebody looks at it. */

#include <assert.h>

#include "bus/connection.h"
#include "bus/object-path.h"
#include "bus/text.h"

static int find_job(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret_found,
                    sd_bus_error *e) {
        const Connection *c = userdata;
        char name[CLIENT_JOB_NAME_MAX + 1];
        Job *j;

        if (job_from_object_path(path, name) < 0)
                return 0;
        j = job_table_get(manager_jobs(c->api->manager), name);
        if (!j)
                return 0;
        *ret_found = j;
        return 1;
}

static int enumerate_jobs(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes, sd_bus_error *e) {
        Connection *c = userdata;
        const JobTable *jobs = manager_jobs(c->api->manager);
        size_t n = job_table_size(jobs);
        char **nodes;
        int r;

        r = connection_may_send_large(c);
        if (r < 0)
                return r;
        nodes = calloc(n + 1, sizeof(*nodes));
        if (!nodes)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                char path[OBJECT_PATH_MAX];

                nodes[i] = strdup(job_object_path(path, job_table_at(jobs, i)->name));
                if (!nodes[i]) {
                        while (i > 0)
                                free(nodes[--i]);
                        free(nodes);
                        return -ENOMEM;
                }
        }
        *ret_nodes = nodes;
        return 1;
}

/* userdata points at a char * of the job. */
static int get_text(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                    void *userdata, sd_bus_error *e) {
        return text_append(reply, *(char *const *)userdata, TEXT_MAX);
}

/* userdata points at a bool. */
static int get_bool(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                    void *userdata, sd_bus_error *e) {
        return sd_bus_message_append(reply, "b", (int)*(const bool *)userdata);
}

static int get_description(sd_bus *bus, const char *path, const char *interface, const char *property,
                           sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Job *j = userdata;

        return text_append(reply, j->def ? j->def->description : NULL, TEXT_MAX);
}

static int get_fragment(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Job *j = userdata;

        return text_append(reply, j->def ? j->def->fragment : NULL, TEXT_MAX);
}

/* A job whose file was never good is not known to be disabled. */
static int get_enabled(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Job *j = userdata;

        return sd_bus_message_append(reply, "b", (int)(!j->def || j->def->enabled));
}

static int append_texts(sd_bus_message *reply, char *const *texts) {
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        for (; r >= 0 && texts && *texts; texts++)
                r = text_append(reply, *texts, TEXT_MAX);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_documentation(sd_bus *bus, const char *path, const char *interface, const char *property,
                             sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Job *j = userdata;

        return append_texts(reply, j->def ? j->def->documentation : NULL);
}

static int get_tags(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                    void *userdata, sd_bus_error *e) {
        const Job *j = userdata;

        return append_texts(reply, j->def ? j->def->tags : NULL);
}

static int append_trigger(sd_bus_message *reply, const TriggerDef *t) {
        int r;

        r = sd_bus_message_open_container(reply, 'r', "ss");
        if (r < 0)
                return r;
        r = sd_bus_message_append_basic(reply, 's', trigger_type_to_string(t->type));
        if (r < 0)
                return r;
        r = text_append(reply, t->expression, TEXT_MAX);
        if (r < 0)
                return r;
        return sd_bus_message_close_container(reply);
}

static int get_triggers(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Job *j = userdata;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(ss)");
        for (size_t i = 0; r >= 0 && j->def && i < j->def->n_triggers; i++)
                r = append_trigger(reply, &j->def->triggers[i]);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_state(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                     void *userdata, sd_bus_error *e) {
        return sd_bus_message_append_basic(reply, 's', job_state_to_string(job_state(userdata)));
}

static int get_last_result(sd_bus *bus, const char *path, const char *interface, const char *property,
                           sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Job *j = userdata;

        return sd_bus_message_append_basic(reply, 's', run_result_to_string(j->last_result));
}

#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE

static const sd_bus_vtable job_vtable[] = {
        SD_BUS_VTABLE_START(0),

        SD_BUS_PROPERTY("Name", "s", get_text, offsetof(Job, name), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Description", "s", get_description, 0, CHANGES),
        SD_BUS_PROPERTY("Documentation", "as", get_documentation, 0, CHANGES),
        SD_BUS_PROPERTY("Tags", "as", get_tags, 0, CHANGES),
        SD_BUS_PROPERTY("State", "s", get_state, 0, CHANGES),
        SD_BUS_PROPERTY("Enabled", "b", get_enabled, 0, CHANGES),
        SD_BUS_PROPERTY("Paused", "b", get_bool, offsetof(Job, paused), CHANGES),
        SD_BUS_PROPERTY("PauseUntil", "t", NULL, offsetof(Job, pause_until), CHANGES),
        SD_BUS_PROPERTY("Skip", "u", NULL, offsetof(Job, skip), CHANGES),
        SD_BUS_PROPERTY("Fragment", "s", get_fragment, 0, CHANGES),
        SD_BUS_PROPERTY("Fault", "s", get_text, offsetof(Job, fault), CHANGES),
        SD_BUS_PROPERTY("Triggers", "a(ss)", get_triggers, 0, CHANGES),
        SD_BUS_PROPERTY("LastResult", "s", get_last_result, 0, CHANGES),
        SD_BUS_PROPERTY("LastStart", "t", NULL, offsetof(Job, last_start), CHANGES),
        SD_BUS_PROPERTY("LastEnd", "t", NULL, offsetof(Job, last_end), CHANGES),
        SD_BUS_PROPERTY("NextElapse", "t", NULL, offsetof(Job, next), CHANGES),
        SD_BUS_PROPERTY("Runs", "t", NULL, offsetof(Job, n_runs), CHANGES),
        SD_BUS_PROPERTY("Running", "u", NULL, offsetof(Job, n_running), CHANGES),
        SD_BUS_PROPERTY("Queued", "u", NULL, offsetof(Job, n_queued), CHANGES),

        SD_BUS_VTABLE_END,
};

int api_job_add(Connection *c) {
        int r;

        r = sd_bus_add_fallback_vtable(c->bus, NULL, JOB_PREFIX, "org.vaktd1.Job", job_vtable, find_job, c);
        if (r < 0)
                return r;
        return sd_bus_add_node_enumerator(c->bus, NULL, JOB_PREFIX, enumerate_jobs, c);
}
