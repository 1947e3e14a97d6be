/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The views of client/ in readable form. Problems of files have the form that is known from editors and compilers. */

#include "ctl/view-text.h"

#include "condition/condition.h"
#include "ctl/alloc.h"
#include "ctl/relative-time.h"
#include "job/run.h"
#include "util/size.h"

void diagnostic_print(FILE *f, const DiagnosticView *v) {
        _cleanup_free_ char *file = text_escape(v->file), *message = text_escape(v->message);

        if (v->line > 0)
                fprintf(f, "%s:%u: %s\n", file, (unsigned)v->line, message);
        else
                fprintf(f, "%s: %s\n", file, message);
}

void diagnostic_complain(const DiagnosticView *v) {
        if (v->line > 0)
                ctl_complain("%s:%u: %s", v->file, (unsigned)v->line, v->message);
        else
                ctl_complain("%s: %s", v->file, v->message);
}

char *pool_view_text(const PoolView *v) {
        _cleanup_free_ char *taken = alloc_format(
                ngettext("%" PRIu32 " of %" PRIu32 " slot taken", "%" PRIu32 " of %" PRIu32 " slots taken", v->slots),
                v->running, v->slots);
        _cleanup_free_ char *waiting =
                alloc_format(ngettext("%" PRIu32 " waits", "%" PRIu32 " wait", v->waiting), v->waiting);

        return alloc_format("%s, %s", taken, waiting);
}

Color job_state_color(const char *state) {
        static const struct {
                const char *state;
                Color color;
        } table[] = {
                { "running", COLOR_GREEN }, { "invalid", COLOR_RED },     { "paused", COLOR_YELLOW },
                { "raised", COLOR_YELLOW }, { "retrying", COLOR_YELLOW }, { "disabled", COLOR_GREY },
                { "gone", COLOR_GREY },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (streq(state, table[i].state))
                        return table[i].color;
        return COLOR_NONE;
}

bool result_is_failure(const char *result) {
        int r = run_result_from_string(result);

        return r >= 0 && run_result_is_failure((RunResult)r);
}

Color job_result_color(const char *result) {
        return result_is_failure(result) ? COLOR_RED : COLOR_NONE;
}

static const char *signal_name(int signal) {
        return sigabbrev_np(signal) ?: _("unknown");
}

char *job_result_text(const char *result, int code) {
        static const struct {
                const char *result, *words;
        } table[] = {
                { "success", N_("succeeded") },          { "timeout", N_("failed (timeout)") },
                { "oom", N_("failed (out of memory)") }, { "start-failed", N_("failed (not started)") },
                { "lost", N_("failed (lost)") },
        };

        if (streq(result, "exit"))
                return alloc_format(_("failed (exit %d)"), code);
        if (streq(result, "signal"))
                return alloc_format(_("failed (signal %s)"), signal_name(code));
        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (streq(result, table[i].result))
                        return alloc_string(translated(table[i].words));
        return alloc_string(result);
}

char *run_view_outcome(const RunView *v, char buf[static RUN_OUTCOME_MAX]) {
        if (!run_view_is_done(v))
                snprintf(buf, RUN_OUTCOME_MAX, "%s", v->state);
        else if (streq(v->result, "exit"))
                snprintf(buf, RUN_OUTCOME_MAX, "exit %d", (int)v->code);
        else if (streq(v->result, "signal"))
                snprintf(buf, RUN_OUTCOME_MAX, "signal %s", signal_name(v->code));
        else
                snprintf(buf, RUN_OUTCOME_MAX, "%s", v->result);
        return buf;
}

Color run_view_color(const RunView *v) {
        if (!run_view_is_done(v))
                return streq(v->state, "running") ? COLOR_GREEN : COLOR_NONE;
        return job_result_color(v->result);
}

/* The result of a run, without its duration. The caller frees it. */
static char *outcome_words(const RunView *v) {
        static const struct {
                const char *result, *words;
        } table[] = {
                { "success", N_("succeeded") },
                { "timeout", N_("timed out") },
                { "oom", N_("ran out of memory") },
                { "cancelled", N_("was cancelled") },
                { "start-failed", N_("could not be started") },
                { "skipped", N_("was refused") },
                { "missed", N_("was missed") },
                { "lost", N_("was lost") },
        };

        if (!run_view_is_done(v))
                return alloc_format(_("is %s"), v->state);
        if (streq(v->result, "exit"))
                return alloc_format(_("failed with exit code %d"), (int)v->code);
        if (streq(v->result, "signal"))
                return alloc_format(_("was killed by signal %s"), signal_name(v->code));
        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (streq(v->result, table[i].result))
                        return alloc_string(translated(table[i].words));
        return alloc_format(_("ended with the result %s"), v->result);
}

char *run_view_message(const RunView *v) {
        _cleanup_free_ char *words = outcome_words(v), *after = alloc_string("");
        size_t n = strlen(v->reason);
        char span[SPAN_TEXT_MAX];

        if (v->started > 0 && v->ended > 0) {
                free(after);
                after = alloc_format(_(" after %s"), duration_format(span, usec_sub(v->ended, v->started)));
        }
        return alloc_format(_("Run %" PRIu64 " of job %s %s%s%s%s%s"), v->id, v->job, words, after, n > 0 ? ": " : "",
                            v->reason, n > 0 && v->reason[n - 1] == '.' ? "" : ".");
}

char *run_view_work(const RunView *v) {
        char size[SIZE_TEXT_MAX];

        if (v->files == UINT64_MAX)
                return NULL;
        return alloc_format(ngettext("%" PRIu64 " file and freed %s", "%" PRIu64 " files and freed %s", v->files),
                            v->files, size_format(size, v->bytes_freed));
}

char *run_view_usage(const RunView *v) {
        _cleanup_free_ char *cpu = NULL, *memory = NULL, *work = NULL;
        char span[SPAN_TEXT_MAX], size[SIZE_TEXT_MAX];

        if (v->cpu != USEC_INFINITY)
                cpu = alloc_format(_("%s of CPU"), duration_format(span, v->cpu));
        if (v->memory_peak != UINT64_MAX)
                memory = alloc_format(_("at most %s of memory"), size_format(size, v->memory_peak));
        work = run_view_work(v);
        if (!cpu && !memory)
                return work ? alloc_format(_("It changed %s."), work) : NULL;
        return alloc_format(_("It used %s%s%s%s%s."), strempty(cpu), cpu && memory ? _(" and ") : "", strempty(memory),
                            work ? _("; it changed ") : "", strempty(work));
}

char *run_view_dropped_message(uint64_t run, uint64_t n) {
        return alloc_format(_("The journal has dropped %" PRIu64 " lines of output of run %" PRIu64
                              " (LogRateLimitBurst= and LogRateLimitIntervalSec= in [Service] of the job)."),
                            n, run);
}

typedef struct TableFill {
        Table *table;
        bool with_job;
        usec_t now;
} TableFill;

static int add_to_table(const RunView *v, void *userdata) {
        TableFill *fill = userdata;
        char id[24], outcome[RUN_OUTCOME_MAX], when[LOCAL_TIME_TEXT_MAX], took[SPAN_TEXT_MAX] = "-";
        TableCell cells[] = {
                { .text = v->job },     { .text = id },
                { .text = v->cause },   { .text = outcome, .color = run_view_color(v) },
                { .text = when },       { .text = took },
                { .text = v->payload }, { .text = v->reason },
        };

        snprintf(id, sizeof(id), "%" PRIu64, v->id);
        run_view_outcome(v, outcome);
        local_time_format_short(when, v->started ?: v->requested);
        if (v->started > 0)
                duration_format(took, usec_sub(v->ended ?: fill->now, v->started));
        table_add(fill->table, fill->with_job ? cells : cells + 1);
        return 0;
}

int run_view_print_table(Ctl *c, const RunFilter *filter, unsigned limit, bool *ret_any) {
        static const TableColumn columns[] = {
                { .title = N_("JOB"), .shrink = SHRINK_LATE },
                { .title = N_("RUN"), .right = true },
                { .title = N_("CAUSE") },
                { .title = N_("RESULT") },
                { .title = N_("STARTED") },
                { .title = N_("DURATION"), .right = true },
                { .title = N_("FILES"), .shrink = SHRINK_FIRST, .optional = true },
                { .title = N_("REASON"), .shrink = SHRINK_FIRST },
        };
        bool with_job = isempty(filter->job);
        _cleanup_(table_freep) Table *t =
                table_new(with_job ? columns : columns + 1, ELEMENTSOF(columns) - (with_job ? 0 : 1));
        TableFill fill = { .table = t, .with_job = with_job, .now = now_realtime() };
        int r;

        r = run_view_list(c->connection, filter, limit, add_to_table, &fill, &c->error);
        *ret_any = table_size(t) > 0;
        if (r < 0)
                return ctl_failed(c, r, NULL);
        if (!*ret_any)
                return 0;
        ctl_open_pager(c);
        table_print(t, stdout, &c->style);
        return 0;
}

char *value_text(const char *probe, bool is_known, int64_t value, int64_t whole) {
        Reading r = { .is_known = is_known, .value = value, .whole = whole };
        char text[CONDITION_VALUE_MAX];
        Question q;

        if (question_parse(probe, &q, NULL) < 0)
                return alloc_format("%" PRIi64, value); /* of a later vaktd */
        (void)reading_format(text, &q, &r);
        question_done(&q);
        return alloc_string(text);
}

char *value_view_text(const ValueView *v) {
        size_t n = strlen(v->reason);

        if (v->is_known)
                return value_text(v->probe, true, v->value, v->whole);
        return n > 0 ? alloc_format(_("unknown: %.*s"), (int)(v->reason[n - 1] == '.' ? n - 1 : n), v->reason)
                     : alloc_string(_("unknown"));
}
