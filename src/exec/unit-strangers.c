/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A unit with the name of a run that is not known here: the daemon before us died while its ledger was in memory only.
 * The environment of the unit is then all that tells what the run was for, so it is read before core is told. These
 * questions are sent before any other that follows from the same list, and the manager answers in order: core knows
 * every forgotten run before it hears how any run ended, and does not ask for what followed from that a second time.
 */

#include "exec/environment.h"
#include "exec/exec-unit-internal.h"
#include "util/log.h"
#include "util/strv.h"

typedef struct Stranger {
        Caller caller;
        char job[JOB_NAME_MAX + 1];
        uint64_t run;
        bool is_over;
} Stranger;

static void stranger_free(Stranger *s) {
        caller_cancel(&s->caller);
        unit_table_remove(&s->caller.executor->strangers, &s->caller.node);
        free(s->caller.node.name);
        free(s);
}

int stranger_build(Caller *c, sd_bus_message **ret) {
        return caller_build_get(c, ret, "org.freedesktop.systemd1.Service", "Environment");
}

/* What it was given, to be freed by the caller; nothing where that cannot be known. The first line of what we wrote
 * for ourselves is never the beginning of a list, whose paths are absolute. */
static char *read_files(const Stranger *s, RunRecord *run, ExecutionRequest *request) {
        PathsNote note;

        if (files_directory_read(s->caller.executor->directory, s->run, &note) < 0)
                return NULL;
        run->requested = note.written;
        if (note.bytes[0] != '/' && note.is_ours) {
                char *path = start_order_read_variables(note.bytes);

                free(note.bytes);
                request->paths = path;
                request->paths_size = path ? strlen(path) + 1 : 0;
                request->one_path = path;
                return path;
        }
        if (note.bytes[0] == '/' && note.bytes[note.size - 1] == '\0') {
                request->paths = note.bytes;
                request->paths_size = note.size;
        }
        return note.bytes;
}

/* What cannot be read is a run all the same: it has a number and a job. */
static void tell(const Stranger *s, sd_bus_message *m) {
        UnitExecutor *e = s->caller.executor;
        _cleanup_(strv_freep) char **environment = NULL;
        _cleanup_free_ char *files = NULL;
        RunRecord run = RUN_RECORD_INIT;
        ExecutionRequest request = { .run = &run };

        if (sd_bus_message_enter_container(m, 'v', "as") > 0)
                (void)sd_bus_message_read_strv(m, &environment);
        environment_read_run(environment, &run);
        run.id = s->run;
        run.job = s->job;
        run.unit = s->caller.node.name;
        files = read_files(s, &run, &request);
        e->callbacks.forgotten(e->userdata, &request, s->is_over);
}

/* After a call that was lost, the next comparison finds the unit again. */
void stranger_answered(Caller *c, sd_bus_message *m) {
        const sd_bus_error *error = sd_bus_message_get_error(m);
        UnitExecutor *e = c->executor;

        if (error)
                log_debug("Cannot query what %s is for: %s", c->node.name, strempty(error->message));
        else
                tell((Stranger *)c, m);
        stranger_free((Stranger *)c);
        strangers_note_surveyed(e);
        if (error && error_is_unsure(error))
                executor_compare(e);
}

void stranger_ask(UnitExecutor *e, const char *unit, const char *job, uint64_t run, bool is_over) {
        _cleanup_free_ Stranger *s = calloc(1, sizeof(Stranger));
        _cleanup_free_ char *name = strdup(unit);

        if (!s || !name || unit_table_find(&e->strangers, unit))
                return; /* without memory, the next comparison finds it */
        s->caller.executor = e;
        s->caller.node.name = name;
        s->run = run;
        s->is_over = is_over;
        memcpy(s->job, job, strlen(job) + 1);
        if (unit_table_add(&e->strangers, &s->caller.node) < 0)
                return;
        (void)TAKE_PTR(name);
        caller_call(&TAKE_PTR(s)->caller, CALL_IDENTIFY);
}

void strangers_note_surveyed(UnitExecutor *e) {
        if (e->callbacks.surveyed && e->strangers.n_nodes == 0 && !e->list_slot)
                e->callbacks.surveyed(e->userdata);
}

void strangers_forget(UnitExecutor *e) {
        while (e->strangers.n_nodes > 0)
                stranger_free((Stranger *)caller_of(unit_table_any(&e->strangers)));
}
