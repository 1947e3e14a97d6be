/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Definitions are reference-counted because a reload may replace one while a run that was started with it is
 * active. */

#include "job/job-def.h"

#include "util/ascii.h"
#include "util/string-table.h"
#include "util/strv.h"

const JobDef job_def_defaults = {
        .enabled = true,
        .overlap = OVERLAP_QUEUE,
        .queue_max = 1,
        .max_parallel = 16,
        .slow = USEC_INFINITY,
        .expect = USEC_INFINITY,
        .retry = { .delay = 30 * USEC_PER_SEC, .factor = 2, .max_delay = USEC_PER_HOUR },
        .timer = {
                .anchor = USEC_INFINITY,
                .accuracy = USEC_PER_SEC,
                .catch_up_max = 100,
                .catch_up_within = USEC_INFINITY,
        },
        .monitor = { .clear_for = USEC_PER_MINUTE, .sample_max = 30 * USEC_PER_SEC },
        .wait_max = USEC_INFINITY,
        .runner = { .idle = USEC_PER_MINUTE, .max_runs = 10000, .slots = 64 },
};

int job_def_new(JobDef **ret, const char *name) {
        _cleanup_(job_def_unrefp) JobDef *d = NULL;

        d = malloc(sizeof(*d));
        if (!d)
                return -ENOMEM;
        *d = job_def_defaults;
        d->n_ref = 1;
        d->timer.zone = zone_utc();
        d->name = strdup(name);
        if (!d->name)
                return -ENOMEM;
        *ret = TAKE_PTR(d);
        return 0;
}

JobDef *job_def_ref(JobDef *d) {
        if (d) {
                assert(d->n_ref > 0);
                d->n_ref++;
        }
        return d;
}

void trigger_def_done(TriggerDef *t) {
        calendar_free(t->calendar);
        cron_free(t->cron);
        free(t->expression);
        *t = (TriggerDef){};
}

JobDef *job_def_unref(JobDef *d) {
        if (!d)
                return NULL;
        assert(d->n_ref > 0);
        if (--d->n_ref > 0)
                return NULL;

        for (size_t i = 0; i < d->n_triggers; i++)
                trigger_def_done(&d->triggers[i]);
        free(d->triggers);
        for (size_t i = 0; i < d->timer.n_except; i++)
                calendar_free(d->timer.except[i]);
        free(d->timer.except);
        free(d->timer.time_zone);
        path_def_free(d->path_trigger);
        rotate_def_free(d->rotate);
        clean_def_free(d->clean);
        condition_free(d->monitor.when);
        condition_free(d->monitor.clear);
        strv_free(d->monitor.on_clear);
        condition_free(d->wait_for);
        for (size_t i = 0; i < d->n_commands; i++) {
                free(d->commands[i].path);
                strv_free(d->commands[i].argv);
        }
        free(d->commands);
        for (size_t i = 0; i < d->n_properties; i++)
                unit_property_done(&d->properties[i]);
        free(d->properties);
        strv_free(d->source_files);
        strv_free(d->on_success);
        strv_free(d->on_failure);
        strv_free(d->on_alarm);
        free(d->unit);
        free(d->pool);
        strv_free(d->documentation);
        strv_free(d->tags);
        free(d->fragment);
        free(d->text);
        free(d->description);
        free(d->name);
        return mfree(d);
}

const UnitValue *job_def_setting(const JobDef *d, const char *name) {
        const UnitValue *found = NULL;

        for (size_t i = 0; i < d->n_properties; i++)
                if (streq(d->properties[i].name, name) && d->properties[i].n_values > 0)
                        found = &d->properties[i].values[0];
        return found;
}

bool job_name_is_valid(const char *name) {
        size_t n = strlen(name);
        bool seen_at = false;

        if (n == 0 || n > JOB_NAME_MAX || !is_alphanumeric(name[0]))
                return false;
        for (size_t i = 1; i < n; i++) {
                if (name[i] == '@') {
                        if (seen_at)
                                return false;
                        seen_at = true;
                } else if (!is_alphanumeric(name[i]) && (!strchr("_.-", name[i]) || name[i - 1] == '@'))
                        return false;
        }
        return true;
}

bool success_def_has_status(const SuccessDef *s, int status) {
        if (status == 0)
                return true;
        return status > 0 && status < 256 && (s->statuses[status / 8] & 1U << status % 8);
}

bool success_def_has_signal(const SuccessDef *s, int signal) {
        return signal > 0 && signal < 64 && (s->signals & 1ULL << signal);
}

usec_t retry_def_delay(const RetryDef *r, unsigned n) {
        double delay = (double)r->delay;

        assert(n > 0);
        for (unsigned i = 1; i < n && delay < (double)r->max_delay; i++) {
                if (r->factor <= 1)
                        break;
                delay *= r->factor;
        }
        return delay < (double)r->max_delay ? (usec_t)delay : r->max_delay;
}

static const char *const trigger_type_table[] = {
        [TRIGGER_INTERVAL] = "OnInterval", [TRIGGER_BOOT] = "OnBootSec", [TRIGGER_STARTUP] = "OnStartupSec",
        [TRIGGER_CALENDAR] = "OnCalendar", [TRIGGER_CRON] = "OnCron",
};
DEFINE_TO_STRING(trigger_type, TriggerType)
DEFINE_FROM_STRING(trigger_type)

static const char *const overlap_table[] = {
        [OVERLAP_QUEUE] = "queue",
        [OVERLAP_SKIP] = "skip",
        [OVERLAP_REPLACE] = "replace",
        [OVERLAP_PARALLEL] = "parallel",
};
DEFINE_TO_STRING(overlap, Overlap)
DEFINE_FROM_STRING(overlap)

static const char *const runner_kind_table[] = {
        [RUNNER_UNIT] = "unit",
        [RUNNER_WARM] = "warm",
};
DEFINE_TO_STRING(runner_kind, RunnerKind)
DEFINE_FROM_STRING(runner_kind)

static const char *const interval_from_table[] = {
        [INTERVAL_FROM_START] = "start",
        [INTERVAL_FROM_END] = "end",
        [INTERVAL_FROM_SUCCESS] = "success",
};
DEFINE_TO_STRING(interval_from, IntervalFrom)
DEFINE_FROM_STRING(interval_from)

static const char *const catch_up_table[] = {
        [CATCH_UP_NONE] = "none",
        [CATCH_UP_ONCE] = "once",
        [CATCH_UP_ALL] = "all",
};
DEFINE_FROM_STRING(catch_up)
