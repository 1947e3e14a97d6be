/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.vaktd1.Run at /org/vaktd1/run/ID: a fallback vtable as for the jobs. Every remembered run can be queried, but
 * the enumerator returns only those that matter for browsing: the live ones and the newest of the others. */

#include <limits.h>

#include "bus/connection.h"
#include "bus/object-path.h"
#include "bus/text.h"

#define ENUMERATE_RECENT_MAX 100
#define ENUMERATE_SCAN_MAX   10000 /* runs looked at for those that are live */
#define ENUMERATE_LIVE_MAX   10000

static int find_run(sd_bus *bus, const char *path, const char *interface, void *userdata, void **ret_found,
                    sd_bus_error *e) {
        const Connection *c = userdata;
        const RunRecord *record;
        uint64_t id;

        if (run_from_object_path(path, &id) < 0)
                return 0;
        record = manager_get_run(c->api->manager, id);
        if (!record)
                return 0;
        *ret_found = (void *)record; /* sd-bus passes it to the getters below, which only read */
        return 1;
}

typedef struct RunNodes {
        char **paths; /* NULL-terminated, with room for the maximum */
        size_t n;
        unsigned n_recent;
        unsigned live_left; /* live runs not yet seen */
} RunNodes;

static int collect_run(const RunRecord *r, void *userdata) {
        RunNodes *nodes = userdata;
        char path[OBJECT_PATH_MAX];

        if (r->state == RUN_DONE) {
                if (nodes->n_recent == ENUMERATE_RECENT_MAX)
                        return nodes->live_left == 0; /* continue only to find the live ones */
                nodes->n_recent++;
        } else {
                if (nodes->live_left == 0)
                        return 0;
                nodes->live_left--;
        }
        nodes->paths[nodes->n] = strdup(run_object_path(path, r->id));
        if (!nodes->paths[nodes->n])
                return -ENOMEM;
        nodes->n++;
        return 0;
}

static int enumerate_runs(sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes, sd_bus_error *e) {
        const Connection *c = userdata;
        unsigned n_live = manager_n_running(c->api->manager) + manager_n_queued(c->api->manager);
        RunNodes nodes = { .live_left = MIN(n_live, ENUMERATE_LIVE_MAX) };
        int r;

        nodes.paths = calloc(nodes.live_left + ENUMERATE_RECENT_MAX + 1, sizeof(*nodes.paths));
        if (!nodes.paths)
                return -ENOMEM;
        r = manager_list_runs(c->api->manager, NULL, 0, ENUMERATE_SCAN_MAX, collect_run, &nodes);
        if (r < 0) {
                while (nodes.n > 0)
                        free(nodes.paths[--nodes.n]);
                free(nodes.paths);
                return r;
        }
        *ret_nodes = nodes.paths;
        return 1;
}

static int get_payload(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const RunRecord *r = userdata;
        char count[TEXT_COUNT_MAX];

        return text_append(reply,
                           connection_is_trusted(connection_of_getter(bus)) ? r->payload
                                                                            : text_count_of_payload(r->payload, count),
                           TEXT_MAX);
}

/* Cause, State and Result. */
static int get_word(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                    void *userdata, sd_bus_error *e) {
        const RunRecord *r = userdata;
        const char *word = streq(property, "Cause")   ? run_cause_to_string(r->cause)
                           : streq(property, "State") ? run_state_to_string(r->state)
                                                      : run_result_to_string(r->result);

        return sd_bus_message_append_basic(reply, 's', word);
}

static int get_pid(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                   void *userdata, sd_bus_error *e) {
        return sd_bus_message_append(reply, "u", (uint32_t) * (const pid_t *)userdata);
}

static int get_invocation(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const RunRecord *r = userdata;
        char text[SD_ID128_STRING_MAX] = "";

        if (!sd_id128_is_null(r->invocation))
                (void)sd_id128_to_string(r->invocation, text);
        return sd_bus_message_append_basic(reply, 's', text);
}

#define CONSTANT SD_BUS_VTABLE_PROPERTY_CONST
#define CHANGES  SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE

static const sd_bus_vtable run_vtable[] = {
        SD_BUS_VTABLE_START(0),

        SD_BUS_PROPERTY("Id", "t", NULL, offsetof(RunRecord, id), CONSTANT),
        SD_BUS_PROPERTY("Job", "s", text_get, offsetof(RunRecord, job), CONSTANT),
        SD_BUS_PROPERTY("Cause", "s", get_word, 0, CONSTANT),
        SD_BUS_PROPERTY("State", "s", get_word, 0, CHANGES),
        SD_BUS_PROPERTY("Result", "s", get_word, 0, CHANGES),
        SD_BUS_PROPERTY("Code", "i", NULL, offsetof(RunRecord, code), CHANGES),
        SD_BUS_PROPERTY("Reason", "s", text_get, offsetof(RunRecord, reason), CHANGES),
        SD_BUS_PROPERTY("Attempt", "u", NULL, offsetof(RunRecord, attempt), CONSTANT),
        SD_BUS_PROPERTY("Parent", "t", NULL, offsetof(RunRecord, parent), CONSTANT),
        SD_BUS_PROPERTY("ParentJob", "s", text_get, offsetof(RunRecord, parent_job), CONSTANT),
        SD_BUS_PROPERTY("Alarm", "s", text_get, offsetof(RunRecord, alarm), CONSTANT),
        SD_BUS_PROPERTY("Payload", "s", get_payload, 0, CONSTANT),
        SD_BUS_PROPERTY("Host", "s", text_get, offsetof(RunRecord, host), CONSTANT),
        SD_BUS_PROPERTY("Scheduled", "t", NULL, offsetof(RunRecord, scheduled), CONSTANT),
        SD_BUS_PROPERTY("Requested", "t", NULL, offsetof(RunRecord, requested), CONSTANT),
        SD_BUS_PROPERTY("Started", "t", NULL, offsetof(RunRecord, started), CHANGES),
        SD_BUS_PROPERTY("Ended", "t", NULL, offsetof(RunRecord, ended), CHANGES),
        SD_BUS_PROPERTY("MainPID", "u", get_pid, offsetof(RunRecord, pid), CHANGES),
        SD_BUS_PROPERTY("Unit", "s", text_get, offsetof(RunRecord, unit), CHANGES),
        SD_BUS_PROPERTY("InvocationId", "s", get_invocation, 0, CHANGES),
        SD_BUS_PROPERTY("CPUUsage", "t", NULL, offsetof(RunRecord, cpu), CHANGES),
        SD_BUS_PROPERTY("MemoryPeak", "t", NULL, offsetof(RunRecord, memory_peak), CHANGES),
        SD_BUS_PROPERTY("Files", "t", NULL, offsetof(RunRecord, files), CHANGES),
        SD_BUS_PROPERTY("BytesFreed", "t", NULL, offsetof(RunRecord, bytes_freed), CHANGES),
        SD_BUS_PROPERTY("StatusText", "s", text_get, offsetof(RunRecord, status_text), CHANGES),

        SD_BUS_VTABLE_END,
};

int api_run_add(Connection *c) {
        int r;

        r = sd_bus_add_fallback_vtable(c->bus, NULL, RUN_PREFIX, "org.vaktd1.Run", run_vtable, find_run, c);
        if (r < 0)
                return r;
        return sd_bus_add_node_enumerator(c->bus, NULL, RUN_PREFIX, enumerate_runs, c);
}
