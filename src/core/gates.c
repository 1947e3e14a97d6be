/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The gates that a run has to pass, a row each: what it reads, what it answers, and how it says so. Who asks them and
 * what is made of an answer (a refused record, a deadline, a place in a queue, a message for people) is left to the
 * callers; so the answers cannot differ between them. */

#include "core/gates.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/trigger.h"
#include "time/span.h"

#define AGAIN_USEC USEC_PER_SEC /* where it is unknown when something will change */

#define ADMIT             ((GateAnswer){ .verdict = GATE_ADMIT })
#define REFUSE            ((GateAnswer){ .verdict = GATE_REFUSE, .until = USEC_INFINITY })
#define WAIT_FOR_OTHERS   ((GateAnswer){ .verdict = GATE_WAIT, .until = USEC_INFINITY })
#define SHUT(in, at_usec) ((GateAnswer){ .verdict = can_wait(in) ? GATE_WAIT : GATE_REFUSE, .until = (at_usec) })

typedef char *GateWhy(char buf[static GATE_WHY_MAX], const GateInput *in, const GateAnswer *a);

static bool can_wait(const GateInput *in) {
        return in->asker != GATE_REQUEST && in->asker != GATE_FORECAST;
}

_printf_(2, 3) static char *say(char buf[static GATE_WHY_MAX], const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(buf, GATE_WHY_MAX, format, ap);
        va_end(ap);
        return buf;
}

/* --- what people said --- */

/* A chain, say: with no file its command line would name something else. */
static GateAnswer ask_file(const GateInput *in, usec_t now) {
        const PathDef *d = in->def ? in->def->rare->path_trigger : NULL;

        return in->has_file || !d || in->def->rare->unit || !(d->each || d->sources[0].kind == PATH_SPOOL) ? ADMIT
                                                                                                           : REFUSE;
}

static char *why_file(char buf[static GATE_WHY_MAX], const GateInput *in, const GateAnswer *a) {
        return say(buf, "A run of this job requires one file, but this run has none; use 'vaktctl run %s FILE'.",
                   in->job->name);
}

/* A pause holds a retry and files, and refuses all others but people. */
static GateAnswer ask_paused(const GateInput *in, usec_t now) {
        return in->job->paused_alone && in->cause != RUN_CAUSE_MANUAL ? SHUT(in, USEC_INFINITY) : ADMIT;
}

static char *why_paused(char buf[static GATE_WHY_MAX], const GateInput *in, const GateAnswer *a) {
        const Job *job = in->job;
        char until[TIMESTAMP_TEXT_MAX];

        if (can_wait(in))
                return say(buf, "waits until the job is resumed.");
        if (in->asker == GATE_REQUEST)
                return say(buf, "The job is paused; resume it with 'vaktctl resume %s'.", job->name);
        if (job->pause_until == USEC_INFINITY)
                return say(buf, "It is paused; use 'vaktctl resume %s' to resume it.", job->name);
        return say(buf, "It is paused until %s; use 'vaktctl resume %s' to resume it earlier.",
                   timestamp_format(until, job->pause_until, in->zone, TIMESTAMP_PRETTY), job->name);
}

static GateAnswer ask_all_paused(const GateInput *in, usec_t now) {
        return in->all_paused && in->cause != RUN_CAUSE_MANUAL ? SHUT(in, USEC_INFINITY) : ADMIT;
}

static char *why_all_paused(char buf[static GATE_WHY_MAX], const GateInput *in, const GateAnswer *a) {
        if (can_wait(in))
                return say(buf, "waits until the job is resumed.");
        return say(buf, in->asker == GATE_REQUEST ? "All jobs are paused; resume them with 'vaktctl resume --all'."
                                                  : "All jobs are paused; use 'vaktctl resume --all' to resume them.");
}

/* Requests for such a job come no further than to its name, and are told so there. */
static GateAnswer ask_gone(const GateInput *in, usec_t now) {
        return job_may_run(in->job) ? ADMIT : REFUSE;
}

static char *why_gone(char buf[static GATE_WHY_MAX], const GateInput *in, const GateAnswer *a) {
        return say(buf, "The job was removed, disabled or became invalid after the retry was scheduled.");
}

static GateAnswer ask_skip(const GateInput *in, usec_t now) {
        return in->job->skip > 0 && in->cause != RUN_CAUSE_MANUAL ? REFUSE : ADMIT;
}

static char *why_skip(char buf[static GATE_WHY_MAX], const GateInput *in, const GateAnswer *a) {
        assert(in->job->skip > 0);
        if (in->asker == GATE_REQUEST)
                return say(buf, "It was skipped on request (vaktctl skip).");
        if (in->job->skip == 1)
                return say(buf, "The next occurrence of its triggers is skipped.");
        return say(buf, "The next %u occurrences of its triggers are skipped.", in->job->skip);
}

/* --- what the job's other runs leave --- */

/* A start that is still to come would be the one to count from; a retry is such a start itself. A clock that was set
 * back to before the last one asks for no patience. */
static GateAnswer ask_rate(const GateInput *in, usec_t now) {
        usec_t min = in->def->rare->min_interval, last = in->job->last_start;

        if (min == 0)
                return ADMIT;
        if (in->job->n_queued > in->job->live->n_delayed && in->asker != GATE_RETRY)
                return SHUT(in, usec_add(now, AGAIN_USEC));
        if (last == 0 || last > now || now - last >= min)
                return ADMIT;
        return SHUT(in, usec_add(last, min));
}

static char *why_rate(char buf[static GATE_WHY_MAX], const GateInput *in, const GateAnswer *a) {
        char at[TIMESTAMP_TEXT_MAX], span[SPAN_TEXT_MAX];

        (void)span_format(span, in->def->rare->min_interval, USEC_PER_MSEC);
        if (in->asker == GATE_REQUEST)
                return say(buf, "The job runs at most once in %s (MinIntervalSec=).", span);
        if (in->job->n_queued > in->job->live->n_delayed && in->asker != GATE_RETRY)
                return say(buf,
                           "No run is accepted while one waits, and for %s after it has started (MinIntervalSec=).",
                           span);
        (void)timestamp_format(at, a->until, in->zone, TIMESTAMP_PRETTY);
        return say(buf,
                   can_wait(in) ? "waits until %s (MinIntervalSec=)."
                                : "No run is started before %s (MinIntervalSec=).",
                   at);
}

static unsigned places(const JobDef *def) {
        return def->overlap == OVERLAP_PARALLEL ? def->rare->max_parallel : 1;
}

/* Most runs that a power cut has ended are known to be lost some milliseconds after the start. Until then they keep
 * others waiting, but no run is refused for their sake. And what is made up for comes all at once: CatchUpMax= bounds
 * it, not QueueMax=. What does not wait for the machine passes by runs that do, where there is a place for it. */
static bool is_refused_by_overlap(const GateInput *in) {
        const Job *job = in->job;

        if (in->is_now && in->def->rare->wait_for && job->live->n_slots < places(in->def))
                return false;
        switch (in->def->overlap) {
        case OVERLAP_SKIP:
                return job_n_active(job) > job->live->n_sought;
        case OVERLAP_QUEUE:
        case OVERLAP_PARALLEL:
                return job->live->n_bounded >= places(in->def) + in->def->rare->queue_max &&
                       in->cause != RUN_CAUSE_CATCH_UP;
        case OVERLAP_REPLACE:
        case _OVERLAP_MAX:
                break;
        }
        return false;
}

static GateAnswer ask_overlap(const GateInput *in, usec_t now) {
        unsigned n_before = in->asker == GATE_QUEUED ? in->job->live->n_slots : job_n_active(in->job);

        if (!can_wait(in) && is_refused_by_overlap(in))
                return REFUSE;
        return n_before >= places(in->def) ? WAIT_FOR_OTHERS : ADMIT;
}

static char *why_overlap(char buf[static GATE_WHY_MAX], const GateInput *in, const GateAnswer *a) {
        const char *forecast = in->asker == GATE_FORECAST ? "A trigger that elapses now is refused. " : "";
        unsigned n_waiting;

        if (a->verdict == GATE_WAIT)
                return say(buf, "waits until another run of the job has ended (Overlap=%s).",
                           overlap_to_string(in->def->overlap));
        if (in->def->overlap == OVERLAP_SKIP)
                return say(buf, "%sAnother run of the job is still active (Overlap=skip).", forecast);
        assert(in->job->live->n_bounded >= places(in->def));
        n_waiting = in->job->live->n_bounded - places(in->def);
        return say(buf, "%s%u run%s of the job %s waiting already (QueueMax=%u).", forecast, n_waiting,
                   PLURAL(n_waiting), n_waiting == 1 ? "is" : "are", in->def->rare->queue_max);
}

/* --- the machine --- */

/* Asked of what waits in the queue of its job: there it holds no slot, and nobody's place. Who learns more about
 * the condition pumps that queue. */
static GateAnswer ask_condition(const GateInput *in, usec_t now) {
        const Condition *c = in->is_now ? NULL : in->def->rare->wait_for;

        return !c || (in->readings && condition_truth(c, in->readings) == TRUTH_TRUE) ? ADMIT : WAIT_FOR_OTHERS;
}

static char *why_condition(char buf[static GATE_WHY_MAX], const GateInput *in, const GateAnswer *a) {
        char text[CONDITION_TELL_MAX];

        return say(buf, "waits until its condition is true: %s (WaitFor=).",
                   condition_tell(text, in->def->rare->wait_for, in->readings));
}

/* --- what all jobs share --- */

/* What has a run waits for the next boot; what has none yet is left to it. */
static GateAnswer ask_shutdown(const GateInput *in, usec_t now) {
        return in->is_starting || in->is_stopping || (in->is_held && in->asker == GATE_READY) ? WAIT_FOR_OTHERS
                                                                                              : ADMIT;
}

static char *why_shutdown(char buf[static GATE_WHY_MAX], const GateInput *in, const GateAnswer *a) {
        return say(buf, in->is_held ? "waits for the next boot: the machine is shutting down."
                                    : "waits until vaktd has started.");
}

static GateAnswer ask_pool(const GateInput *in, usec_t now) {
        return in->pool_running >= in->pool_slots ? WAIT_FOR_OTHERS : ADMIT;
}

static char *why_pool(char buf[static GATE_WHY_MAX], const GateInput *in, const GateAnswer *a) {
        return say(buf, "waits for pool '%s': %u of its %u slot%s %s in use (Pool=).", in->pool, in->pool_running,
                   in->pool_slots, PLURAL(in->pool_slots), in->pool_slots == 1 ? "is" : "are");
}

static GateAnswer ask_max_running(const GateInput *in, usec_t now) {
        return in->max_running > 0 && in->n_running >= in->max_running ? WAIT_FOR_OTHERS : ADMIT;
}

static char *why_max_running(char buf[static GATE_WHY_MAX], const GateInput *in, const GateAnswer *a) {
        return say(buf, "waits for one of the %u slots of all jobs (MaxRunning=).", in->max_running);
}

/* --- the table --- */

#define BY(asker)  (1U << GATE_##asker)
#define BY_TRIGGER (BY(REQUEST) | BY(FORECAST))

static const struct {
        const char *name;
        unsigned asked_by;
        GateAnswer (*ask)(const GateInput *in, usec_t now);
        GateWhy *why;
} gates[_GATE_MAX] = {
        [GATE_FILE] = { "file", BY_TRIGGER, ask_file, why_file },
        [GATE_PAUSED] = { "paused", BY_TRIGGER | BY(RETRY) | BY(FILES), ask_paused, why_paused },
        [GATE_ALL_PAUSED] = { "paused", BY_TRIGGER | BY(RETRY) | BY(FILES), ask_all_paused, why_all_paused },
        [GATE_GONE] = { "gone", BY(RETRY), ask_gone, why_gone },
        [GATE_SKIP] = { "skip", BY_TRIGGER, ask_skip, why_skip },
        [GATE_RATE] = { "rate", BY_TRIGGER | BY(RETRY) | BY(FILES), ask_rate, why_rate },
        [GATE_OVERLAP] = { "overlap", BY_TRIGGER | BY(FILES) | BY(QUEUED), ask_overlap, why_overlap },
        [GATE_CONDITION] = { "condition", BY(QUEUED), ask_condition, why_condition },
        [GATE_SHUTDOWN] = { "shutdown", BY(FILES) | BY(READY), ask_shutdown, why_shutdown },
        [GATE_POOL] = { "pool", BY(READY), ask_pool, why_pool },
        [GATE_MAX_RUNNING] = { "max-running", BY(READY), ask_max_running, why_max_running },
};

GateAnswer gates_ask_row(GateRow row, const GateInput *in, usec_t now) {
        GateAnswer a = gates[row].asked_by & 1U << in->asker ? gates[row].ask(in, now) : ADMIT;

        assert(a.verdict == GATE_ADMIT || a.until > 0);
        a.row = row;
        return a;
}

GateAnswer gates_ask(const GateInput *in, usec_t now) {
        GateAnswer answer = ADMIT;

        for (GateRow row = 0; row < _GATE_MAX; row++) {
                GateAnswer a;

                if (!(gates[row].asked_by & 1U << in->asker))
                        continue;
                a = gates[row].ask(in, now);
                a.row = row;
                if (a.verdict == GATE_REFUSE)
                        return answer.verdict == GATE_WAIT ? answer : a;
                if (a.verdict == GATE_WAIT && (answer.verdict == GATE_ADMIT || a.until > answer.until))
                        answer = a;
        }
        return answer;
}

const char *gates_why(char buf[static GATE_WHY_MAX], const GateInput *in, const GateAnswer *a) {
        assert(a->verdict != GATE_ADMIT);
        return gates[a->row].why(buf, in, a);
}

const char *gate_row_to_string(GateRow row) {
        return gates[row].name;
}
