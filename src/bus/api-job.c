/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.vaktd1.Job at /org/vaktd1/job/NAME: one fallback vtable for all jobs and an enumerator, so that a job costs the
 * bus nothing until a client looks at it. */

#include <limits.h>

#include "bus/connection.h"
#include "bus/object-path.h"
#include "bus/text.h"
#include "util/strv.h"

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

/* userdata points at a bool. */
static int get_name(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                    void *userdata, sd_bus_error *e) {
        return sd_bus_message_append_basic(reply, 's', ((const Job *)userdata)->name);
}

static int get_bool(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                    void *userdata, sd_bus_error *e) {
        return sd_bus_message_append(reply, "b", (int)*(const bool *)userdata);
}

/* A job whose file was never valid is not known to be disabled. */
static int get_problem(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        return text_append(reply, connection_problem_of(connection_of_getter(bus), userdata), TEXT_MAX);
}

static int get_enabled(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Job *j = userdata;

        return sd_bus_message_append(reply, "b", (int)(!j->def || j->def->enabled));
}

/* --- what the definition says --- */

/* A property that a member of the definition is shown as. */
typedef struct DefMember {
        const char *property;
        size_t offset; /* in WholeJobDef */
        uint64_t none; /* of a number: shown while there is no definition */
} DefMember;

static const DefMember def_members[] = {
        { "Description", offsetof(WholeJobDef, def.description) },
        { "Documentation", offsetof(WholeJobDef, rare.documentation) },
        { "Tags", offsetof(WholeJobDef, rare.tags) },
        { "Pool", offsetof(WholeJobDef, rare.pool) },
        { "Unit", offsetof(WholeJobDef, rare.unit) },
        { "Retry", offsetof(WholeJobDef, rare.retry.max) },
        { "QueueMax", offsetof(WholeJobDef, rare.queue_max) },
        { "Timeout", offsetof(WholeJobDef, def.timeout) },
        { "MinInterval", offsetof(WholeJobDef, rare.min_interval) },
        { "Slow", offsetof(WholeJobDef, rare.slow), USEC_INFINITY },
        { "Expect", offsetof(WholeJobDef, rare.expect), USEC_INFINITY },
        { "OnSuccess", offsetof(WholeJobDef, rare.on_success) },
        { "OnFailure", offsetof(WholeJobDef, rare.on_failure) },
        { "OnAlarm", offsetof(WholeJobDef, rare.on_alarm) },
};

/* The address of the member, or NULL without a definition. */
static const void *def_member(const Job *j, const char *property, const DefMember **ret) {
        const DefMember *member = def_members;

        while (!streq(member->property, property))
                member++;
        *ret = member;
        return j->def ? job_def_member(j->def, member->offset) : NULL;
}

static int get_def_text(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const DefMember *member;
        char *const *text = def_member(userdata, property, &member);

        return text_append(reply, text ? *text : NULL, TEXT_MAX);
}

static int get_fragment(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Job *j = userdata;
        char buf[PATH_MAX];

        return text_append(reply, j->def ? job_def_fragment(j->def, buf) : NULL, TEXT_MAX);
}

static int get_def_texts(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const DefMember *member;
        char *const *const *texts = def_member(userdata, property, &member);

        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        STRV_FOREACH(text, texts ? *texts : NULL)
                if (r >= 0)
                        r = text_append(reply, *text, TEXT_MAX);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_def_unsigned(sd_bus *bus, const char *path, const char *interface, const char *property,
                            sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const DefMember *member;
        const unsigned *number = def_member(userdata, property, &member);

        return sd_bus_message_append(reply, "u", number ? *number : 0);
}

static int get_priority(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Job *j = userdata;

        return sd_bus_message_append(reply, "i", j->def ? j->def->rare->priority : 0);
}

static int get_def_usec(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const DefMember *member;
        const usec_t *usec = def_member(userdata, property, &member);

        return sd_bus_message_append_basic(reply, 't', usec ?: &member->none);
}

static int get_overlap(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Job *j = userdata;

        return sd_bus_message_append_basic(reply, 's', j->def ? overlap_to_string(j->def->overlap) : "");
}

static int get_runner(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Job *j = userdata;

        return sd_bus_message_append_basic(reply, 's', j->def ? runner_kind_to_string(j->def->rare->runner.kind) : "");
}

/* --- the job itself --- */

static int get_state(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                     void *userdata, sd_bus_error *e) {
        return sd_bus_message_append_basic(reply, 's', job_state_to_string(job_state(userdata)));
}

static int get_last_result(sd_bus *bus, const char *path, const char *interface, const char *property,
                           sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Job *j = userdata;

        return sd_bus_message_append_basic(reply, 's', run_result_to_string(j->last_result));
}

static int append_alarm(const LedgerAlarm *alarm, void *userdata) {
        sd_bus_message *m = userdata;
        int r;

        r = sd_bus_message_open_container(m, 'r', "sts");
        if (r >= 0)
                r = text_append(m, alarm->key, TEXT_MAX);
        if (r >= 0)
                r = sd_bus_message_append_basic(m, 't', &alarm->raised);
        if (r < 0)
                return r;
        r = text_append(m, alarm->text, TEXT_MAX);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* They are in the ledger, not in the job; the slot of the current message knows the manager. */
static int get_alarms(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Connection *c = connection_of_getter(bus);
        const Job *j = userdata;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(sts)");
        if (r < 0)
                return r;
        r = manager_list_alarms(c->api->manager, j->name, append_alarm, reply);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* --- its triggers --- */

static int append_trigger(const char *key, const char *value, const char *state, const char *message, void *userdata) {
        const char *const texts[] = { key, value };

        return text_append_row(userdata, texts, ELEMENTSOF(texts));
}

/* Of those that have one. */
static int append_watch(const char *key, const char *value, const char *state, const char *message, void *userdata) {
        const char *const texts[] = { key, value, state, message };

        return isempty(state) ? 0 : text_append_row(userdata, texts, ELEMENTSOF(texts));
}

static int append_triggers(sd_bus *bus, sd_bus_message *reply, const Job *job, const char *type, TriggerVisit visit) {
        const Connection *c = connection_of_getter(bus);
        int r;

        r = sd_bus_message_open_container(reply, 'a', type);
        if (r < 0)
                return r;
        r = manager_list_triggers(c->api->manager, job, visit, reply);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_triggers(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        return append_triggers(bus, reply, userdata, "(ss)", append_trigger);
}

static int get_watches(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        return append_triggers(bus, reply, userdata, "(ssss)", append_watch);
}

static int append_counter(const char *name, uint64_t value, void *userdata) {
        return MIN(sd_bus_message_append(userdata, "{st}", name, value), 0);
}

static int get_watch_counters(sd_bus *bus, const char *path, const char *interface, const char *property,
                              sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Connection *c = connection_of_getter(bus);
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{st}");
        if (r < 0)
                return r;
        r = manager_list_watch_counters(c->api->manager, userdata, append_counter, reply);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE

static int get_upkeep(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const JobDef *d = ((const Job *)userdata)->def;

        return sd_bus_message_append(reply, "s", d && d->rare->rotate ? "rotate" : d && d->rare->clean ? "clean" : "");
}

static const sd_bus_vtable job_vtable[] = {
        SD_BUS_VTABLE_START(0),

        SD_BUS_PROPERTY("Name", "s", get_name, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Description", "s", get_def_text, 0, CHANGES),
        SD_BUS_PROPERTY("Documentation", "as", get_def_texts, 0, CHANGES),
        SD_BUS_PROPERTY("Tags", "as", get_def_texts, 0, CHANGES),
        SD_BUS_PROPERTY("State", "s", get_state, 0, CHANGES),
        SD_BUS_PROPERTY("Enabled", "b", get_enabled, 0, CHANGES),
        SD_BUS_PROPERTY("Paused", "b", get_bool, offsetof(Job, paused), CHANGES),
        SD_BUS_PROPERTY("PauseUntil", "t", NULL, offsetof(Job, pause_until), CHANGES),
        SD_BUS_PROPERTY("Skip", "u", NULL, offsetof(Job, skip), CHANGES),
        SD_BUS_PROPERTY("Fragment", "s", get_fragment, 0, CHANGES),
        SD_BUS_PROPERTY("Problem", "s", get_problem, 0, CHANGES),
        /* There may be a thousand of them, which are not sent with every change of the job. */
        SD_BUS_PROPERTY("Triggers", "a(ss)", get_triggers, 0, SD_BUS_VTABLE_PROPERTY_EMITS_INVALIDATION),
        SD_BUS_PROPERTY("Pool", "s", get_def_text, 0, CHANGES),
        SD_BUS_PROPERTY("Priority", "i", get_priority, 0, CHANGES),
        SD_BUS_PROPERTY("Overlap", "s", get_overlap, 0, CHANGES),
        SD_BUS_PROPERTY("Runner", "s", get_runner, 0, CHANGES),
        SD_BUS_PROPERTY("QueueMax", "u", get_def_unsigned, 0, CHANGES),
        SD_BUS_PROPERTY("Retry", "u", get_def_unsigned, 0, CHANGES),
        SD_BUS_PROPERTY("Timeout", "t", get_def_usec, 0, CHANGES),
        SD_BUS_PROPERTY("MinInterval", "t", get_def_usec, 0, CHANGES),
        SD_BUS_PROPERTY("Slow", "t", get_def_usec, 0, CHANGES),
        SD_BUS_PROPERTY("Expect", "t", get_def_usec, 0, CHANGES),
        SD_BUS_PROPERTY("OnSuccess", "as", get_def_texts, 0, CHANGES),
        SD_BUS_PROPERTY("OnFailure", "as", get_def_texts, 0, CHANGES),
        SD_BUS_PROPERTY("OnAlarm", "as", get_def_texts, 0, CHANGES),
        SD_BUS_PROPERTY("Unit", "s", get_def_text, 0, CHANGES),
        SD_BUS_PROPERTY("Upkeep", "s", get_upkeep, 0, CHANGES),
        /* Queried from the ledger: not with every change of the job. */
        SD_BUS_PROPERTY("Alarms", "a(sts)", get_alarms, 0, SD_BUS_VTABLE_PROPERTY_EMITS_INVALIDATION),
        SD_BUS_PROPERTY("Watches", "a(ssss)", get_watches, 0, SD_BUS_VTABLE_PROPERTY_EMITS_INVALIDATION),
        /* They change with every event: for queries only, never in signals. */
        SD_BUS_PROPERTY("WatchCounters", "a{st}", get_watch_counters, 0, 0),
        SD_BUS_PROPERTY("LastResult", "s", get_last_result, 0, CHANGES),
        SD_BUS_PROPERTY("LastCode", "i", NULL, offsetof(Job, last_code), CHANGES),
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
