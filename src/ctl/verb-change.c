/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl cancel, pause, resume, reload: verbs that change something and do not wait. With several jobs each is tried;
 * the exit code is that of the first that failed. */

#include <limits.h>
#include <stdio.h>

#include "ctl/alloc.h"
#include "ctl/diagnostics-view.h"
#include "ctl/job-view.h"
#include "ctl/json.h"
#include "ctl/run-view.h"

#define RELOAD_TIMEOUT (10 * USEC_PER_MINUTE)

/* What is done for one argument; what came of it is appended for --json. */
typedef int (*ArgumentFunction)(Ctl *c, const char *argument, json_object *array);

static int for_each_argument(Ctl *c, char **args, ArgumentFunction f) {
        _cleanup_(json_putp) json_object *array = json_new_array();
        int ret = CTL_DONE;

        for (; *args; args++) {
                int r = f(c, *args, array);

                ret = ret ?: r;
                if (r == CTL_NO_DAEMON)
                        break;
        }
        if (c->json)
                json_print(json_object_get(array));
        return ret;
}

static int change_pause(Ctl *c, const char *job, json_object *array, bool pause) {
        const MethodCall call = { .member = pause ? "Pause" : "Resume", .changes = true };
        _cleanup_free_ char *look_at = alloc_format("vaktctl status %s", job);
        json_object *o;
        int r;

        r = ctl_call(c, &call, look_at, NULL, "s", job);
        if (r != 0)
                return r;
        o = json_new_object();
        json_add_string(o, "job", job);
        json_add_bool(o, "paused", pause);
        json_append(array, o);
        if (pause)
                ctl_say(c, stdout, "Job %s is paused: nothing triggers it until 'vaktctl resume %s'.", job, job);
        else
                ctl_say(c, stdout, "Job %s is no longer paused.", job);
        return 0;
}

static int pause_job(Ctl *c, const char *job, json_object *array) {
        return change_pause(c, job, array, /* pause= */ true);
}

static int resume_job(Ctl *c, const char *job, json_object *array) {
        return change_pause(c, job, array, /* pause= */ false);
}

int verb_pause(Ctl *c, char **args) {
        return for_each_argument(c, args, pause_job);
}

int verb_resume(Ctl *c, char **args) {
        return for_each_argument(c, args, resume_job);
}

static int cancel_run(Ctl *c, uint64_t id, json_object *array) {
        static const MethodCall cancel = { .member = "Cancel", .changes = true };
        json_object *o;
        int r;

        r = ctl_call(c, &cancel, "vaktctl history", NULL, "t", id);
        if (r != 0)
                return r;
        o = json_new_object();
        json_add_number(o, "id", id);
        json_append(array, o);
        ctl_say(c, stdout, "Run %" PRIu64 " is told to end.", id);
        return 0;
}

/* The runs of a job that are not over; the list is read to its end before the first one is cancelled. */
typedef struct LiveRuns {
        uint64_t *ids;
        size_t n_ids;
        size_t n_expected;
} LiveRuns;

enum { WALK_COMPLETE = -1 }; /* no exit code is negative */

static int collect_live(const RunView *v, void *userdata) {
        LiveRuns *live = userdata;

        if (!run_view_is_done(v)) {
                live->ids = alloc_array(live->ids, live->n_ids + 1, sizeof(uint64_t));
                live->ids[live->n_ids++] = v->id;
        }
        return live->n_ids >= live->n_expected ? WALK_COMPLETE : 0;
}

static int cancel_job(Ctl *c, const char *job, json_object *array) {
        _cleanup_(job_view_done) JobView v = { 0 };
        _cleanup_free_ uint64_t *ids = NULL;
        LiveRuns live = { 0 };
        int r, ret = CTL_DONE;

        r = job_view_read(c, job, &v);
        if (r != 0)
                return r;
        live.n_expected = (size_t)v.running + v.queued;
        r = live.n_expected > 0 ? run_view_list(c, job, UINT_MAX, collect_live, &live) : 0;
        ids = live.ids;
        if (r > 0)
                return r;
        if (live.n_ids == 0)
                ctl_say(c, stdout, "No run of job %s goes on or waits.", job);
        for (size_t i = 0; i < live.n_ids; i++) { /* newest first: none that waits starts in between */
                r = cancel_run(c, ids[i], array);
                ret = ret ?: r;
        }
        return ret;
}

static int cancel_argument(Ctl *c, const char *argument, json_object *array) {
        bool is_number = strspn(argument, "0123456789") == strlen(argument) && strlen(argument) < 19;

        return is_number ? cancel_run(c, strtoull(argument, NULL, 10), array) : cancel_job(c, argument, array);
}

int verb_cancel(Ctl *c, char **args) {
        return for_each_argument(c, args, cancel_argument);
}

int verb_reload(Ctl *c, char **args) {
        static const MethodCall reload = { .member = "Reload", .changes = true, .timeout = RELOAD_TIMEOUT };
        _cleanup_(diagnostic_views_done) DiagnosticViews d = { 0 };
        int r;

        r = diagnostic_views_call(c, &reload, "vaktctl status", &d);
        if (r != 0)
                return r;
        if (c->json)
                json_print(diagnostic_views_json(&d));
        for (size_t i = 0; !c->json && i < d.n_items; i++)
                diagnostic_print(stderr, &d.items[i]);
        if (d.n_items > 0) {
                if (!c->json)
                        ctl_complain("Reloaded, but for %zu fault%s: correct and reload again; what was in force "
                                     "before stays until then.",
                                     d.n_items, d.n_items == 1 ? "" : "s");
                return CTL_FAILED;
        }
        ctl_say(c, stdout, "Reloaded.");
        return CTL_DONE;
}
