/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Why a job does not run: everything that stands between it and its next run, a message each, and what became of the
 * last time that it did not. Only words for what the other files know; nothing is decided here. */

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/manager-body.h"
#include "core/queues.h"
#include "time/span.h"
#include "time/timestamp.h"

#define MESSAGE_MAX   1024
#define UNIT_TEXT_MAX 320
#define RUNS_TOLD_MAX 20

int explain_tell(ExplainVisit visit, void *userdata, const char *topic, const char *format, ...) {
        char message[MESSAGE_MAX];
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(message, sizeof(message), format, ap);
        va_end(ap);
        return visit(topic, message, userdata);
}

typedef struct Telling {
        Manager *m;
        const Job *job;
        usec_t now; /* realtime */
        const Zone *zone;
        ExplainVisit visit;
        void *userdata;
} Telling;

#define tell(t, ...) explain_tell((t)->visit, (t)->userdata, __VA_ARGS__)

static const char *when(const Telling *t, usec_t at, char buf[static TIMESTAMP_TEXT_MAX]) {
        return timestamp_format(buf, at, t->zone, TIMESTAMP_PRETTY);
}

static int tell_file(const Telling *t) {
        const char *format =
                t->job->def ? "%s The previous version is in use." : "%s The job cannot run until this is fixed.";

        return t->job->problem ? tell(t, "file", format, t->job->problem) : 0;
}

/* What would become of a trigger that elapses now; of a job whose file was never good, only what people said. */
static int tell_gates(const Telling *t) {
        GateInput in = gate_input(t->m, GATE_FORECAST, t->job, t->job->def);
        char why[GATE_WHY_MAX];
        int r = 0;

        in.zone = t->zone;
        in.has_file = t->job->def && t->job->def->n_triggers == 0;
        for (GateRow row = 0; row < (t->job->def ? _GATE_MAX : GATE_RATE) && r >= 0; row++) {
                GateAnswer a = gates_ask_row(row, &in, t->now);

                if (a.verdict == GATE_REFUSE)
                        r = tell(t, gate_row_to_string(row), "%s", gates_why(why, &in, &a));
        }
        return r;
}

static int tell_delayed(const Telling *t, const LiveRun *run) {
        char at[TIMESTAMP_TEXT_MAX], span[SPAN_TEXT_MAX];
        usec_t due = retry_not_before(run), now = turn_now(t->m->event).boottime;
        GateInput in = run_gate_input(run, GATE_RETRY);
        GateAnswer a = gates_ask(&in, t->now);
        char why[GATE_WHY_MAX];

        in.zone = t->zone;
        if (a.verdict == GATE_WAIT && (a.until == USEC_INFINITY || due <= now))
                return tell(t, "retry", "Run %" PRIu64 ", try %u, %s", run->record.id, run->record.attempt,
                            gates_why(why, &in, &a));
        due = usec_sub(due, now);
        return tell(t, "retry",
                    "Run %" PRIu64 ", try %u, is due at %s, in %s (RetryDelaySec=), after run %" PRIu64 ".",
                    run->record.id, run->record.attempt, when(t, usec_add(t->now, due), at),
                    span_format(span, due, USEC_PER_SEC), run->record.parent);
}

static int tell_queued(const Telling *t, const LiveRun *run) {
        GateInput in = run_gate_input(run, run->stage == RUN_STAGE_READY ? GATE_READY : GATE_QUEUED);
        GateAnswer a = gates_ask(&in, t->now);
        char why[GATE_WHY_MAX];

        return tell(t, "queue", "Run %" PRIu64 " %s", run->record.id,
                    a.verdict == GATE_ADMIT ? "is about to start." : gates_why(why, &in, &a));
}

static int tell_started(const Telling *t, const LiveRun *run) {
        char since[TIMESTAMP_TEXT_MAX], as[UNIT_TEXT_MAX] = "";

        if (run->record.unit)
                (void)snprintf(as, sizeof(as), ", as %s", run->record.unit);
        else if (run->record.pid > 0)
                (void)snprintf(as, sizeof(as), ", as process %d", run->record.pid);
        return tell(t, "run", "Run %" PRIu64 " is %s since %s%s.", run->record.id,
                    run_state_to_string(run->record.state), when(t, run->record.started, since), as);
}

static int tell_run(const Telling *t, const LiveRun *run) {
        switch (run->stage) {
        case RUN_STAGE_DELAYED:
                return tell_delayed(t, run);
        case RUN_STAGE_QUEUED:
        case RUN_STAGE_READY:
                return tell_queued(t, run);
        case RUN_STAGE_STARTING:
        case RUN_STAGE_RUNNING:
        case RUN_STAGE_STOPPING:
                return tell_started(t, run);
        case RUN_STAGE_NONE:
        case RUN_STAGE_DONE:
        case _RUN_STAGE_MAX:
                break;
        }
        return 0;
}

/* A job with a long queue is told of by its first runs. */
static int tell_runs(const Telling *t) {
        unsigned n_told = 0, n_left;
        const LiveRun *run;
        int r = 0;

        TAILQ_FOREACH(run, &t->job->live->runs, of_job) {
                if (r < 0 || n_told == RUNS_TOLD_MAX)
                        break;
                r = tell_run(t, run);
                n_told += run->stage != RUN_STAGE_DONE; /* what lies in the outbox is counted no more */
        }
        n_left = t->job->n_running + t->job->n_queued - n_told;
        if (r >= 0 && n_left > 0)
                r = tell(t, "queue", "%u more runs wait, too.", n_left);
        return r;
}

static int tell_alarm(const LedgerAlarm *alarm, void *userdata) {
        const Telling *t = userdata;
        char since[TIMESTAMP_TEXT_MAX];
        int r = tell(t, "alarm", "Raised at %s: %s", when(t, alarm->raised, since), strempty(alarm->text));

        return MIN(r, 0);
}

static int tell_alarms(const Telling *t) {
        return manager_list_alarms(t->m, t->job->name, tell_alarm, (void *)t);
}

static bool is_refusal(RunResult result) {
        return result == RUN_RESULT_SKIPPED || result == RUN_RESULT_MISSED || result == RUN_RESULT_START_FAILED ||
               result == RUN_RESULT_LOST || result == RUN_RESULT_CANCELLED;
}

static int tell_last(const RunRecord *r, void *userdata) {
        const Telling *t = userdata;
        char at[TIMESTAMP_TEXT_MAX];

        if (!is_refusal(r->result))
                return 0;
        return tell(t, "last", "Run %" PRIu64 " of %s was %s: %s", r->id, when(t, r->scheduled, at),
                    run_result_to_string(r->result), strempty(r->reason));
}

/* What did not run; not what is settled because a later run did. */
static int tell_last_refusal(const Telling *t) {
        LedgerFilter filter = { .job = t->job->name, .results = ~(1U << RUN_RESULT_NONE), .limit = 1 };

        return ledger_query(t->m->ledger, &filter, tell_last, (void *)t, NULL);
}

static int tell_triggers(const Telling *t) {
        bool has_trigger = false;

        FOREACH_TRIGGER(t->m, kind, explain) {
                int r = kind->ops->explain(kind, t->job, /* file= */ NULL, 0, t->visit, t->userdata);

                if (r < 0)
                        return r;
                has_trigger = has_trigger || r > 0;
        }
        return has_trigger || !t->job->def ? 0 : tell(t, "timer", "It has no trigger: it runs on request.");
}

static int tell_state(const Telling *t) {
        if (t->job->def && !t->job->def->enabled)
                return tell(t, "state", "It is disabled: its file sets Enabled=no.");
        if (t->job->gone)
                return tell(t, "state", "Its file is gone; accepted runs are still executed.");
        return tell(t, "state", "It is %s.", job_state_to_string(job_state(t->job)));
}

int manager_explain(Manager *m, const Job *job, ExplainVisit visit, void *userdata) {
        Telling t = {
                .m = m,
                .job = job,
                .now = turn_now(m->event).realtime,
                .zone = zone_cache_local(m->zones),
                .visit = visit,
                .userdata = userdata,
        };
        int (*const parts[])(const Telling *) = {
                tell_state, tell_file, tell_triggers, tell_gates, tell_runs, tell_alarms, tell_last_refusal,
        };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(parts) && r >= 0; i++)
                r = parts[i](&t);
        return MIN(r, 0);
}
