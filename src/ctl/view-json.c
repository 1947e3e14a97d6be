/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The views of client/ as JSON: every member is present, and unknown ones are null. */

#include "ctl/view-json.h"

json_object *diagnostic_json(const DiagnosticView *v) {
        json_object *o = json_new_object();

        json_add_string(o, "file", v->file);
        json_add_number(o, "line", v->line);
        json_add_string(o, "message", v->message);
        return o;
}

json_object *diagnostic_views_json(const DiagnosticViews *d) {
        json_object *array = json_new_array();

        for (size_t i = 0; i < d->n_items; i++)
                json_append(array, diagnostic_json(&d->items[i]));
        return array;
}

json_object *pool_views_json(const PoolViews *p) {
        json_object *array = json_new_array();

        for (size_t i = 0; i < p->n_items; i++) {
                json_object *o = json_new_object();

                json_add_string(o, "pool", p->items[i].name);
                json_add_number(o, "slots", p->items[i].slots);
                json_add_number(o, "running", p->items[i].running);
                json_add_number(o, "waiting", p->items[i].waiting);
                json_append(array, o);
        }
        return array;
}

static json_object *triggers_json(const JobView *v) {
        json_object *array = json_new_array();

        for (const PropertyPair *p = v->triggers; p && p->key; p++) {
                json_object *o = json_new_object();

                json_add_string(o, "key", p->key);
                json_add_string(o, "value", p->value);
                json_append(array, o);
        }
        return array;
}

static json_object *alarms_json(const JobView *v) {
        json_object *array = json_new_array();

        for (const PropertyAlarm *a = v->alarms; a && a->key; a++) {
                json_object *o = json_new_object();

                json_add_string(o, "key", a->key);
                json_add_time(o, "raised_usec", a->raised);
                json_add_string(o, "message", a->message);
                json_append(array, o);
        }
        return array;
}

static json_object *watches_json(const JobView *v) {
        json_object *array = json_new_array();

        for (const PropertyWatch *w = v->watches; w && w->key; w++) {
                json_object *o = json_new_object();

                json_add_string(o, "key", w->key);
                json_add_string(o, "path", w->path);
                json_add_string(o, "state", w->state);
                json_add_string(o, "message", w->message);
                json_append(array, o);
        }
        return array;
}

static json_object *watch_counters_json(const JobView *v) {
        json_object *o = json_new_object();

        for (const PropertyNumber *p = v->watch_counters; p && p->name; p++)
                json_add_number(o, p->name, p->value);
        return o;
}

json_object *job_view_json(const JobView *v) {
        json_object *o = json_new_object();

        json_add_string(o, "job", v->name);
        json_add_string(o, "description", v->description);
        json_add_strings(o, "documentation", v->documentation);
        json_add_strings(o, "tags", v->tags);
        json_add_string(o, "state", v->state);
        json_add_bool(o, "enabled", v->enabled);
        json_add_bool(o, "paused", v->paused);
        json_add_time(o, "pause_until_usec", v->pause_until);
        json_add_number(o, "skip", v->skip);
        json_add_string(o, "file", v->fragment);
        json_add_string(o, "problem", v->problem);
        json_add(o, "triggers", triggers_json(v));
        json_add(o, "watches", watches_json(v));
        json_add(o, "watch_counters", watch_counters_json(v));
        json_add(o, "alarms", alarms_json(v));
        json_add_string(o, "pool", v->pool);
        json_add(o, "priority", json_object_new_int(v->priority));
        json_add_known(o, "retry", v->retry == UINT32_MAX ? UINT64_MAX : v->retry);
        json_add_string(o, "last_result", v->last_result);
        json_add_time(o, "next_usec", v->next);
        json_add_time(o, "last_start_usec", v->last_start);
        json_add_time(o, "last_end_usec", v->last_end);
        json_add_number(o, "runs", v->runs);
        json_add_number(o, "running", v->running);
        json_add_number(o, "queued", v->queued);
        return o;
}

json_object *run_view_json(const RunView *v) {
        json_object *o = json_new_object();

        json_add_number(o, "id", v->id);
        json_add_string(o, "job", v->job);
        json_add_string(o, "cause", v->cause);
        json_add_string(o, "state", v->state);
        json_add_string(o, "result", v->result);
        json_add(o, "code", json_object_new_int(v->code));
        json_add_string(o, "reason", v->reason);
        json_add_number(o, "attempt", v->attempt);
        json_add_time(o, "scheduled_usec", v->scheduled);
        json_add_time(o, "requested_usec", v->requested);
        json_add_time(o, "started_usec", v->started);
        json_add_time(o, "ended_usec", v->ended);
        json_add_string(o, "object", v->object);
        json_add_string(o, "unit", v->unit);
        json_add_string(o, "invocation", v->invocation);
        json_add_known(o, "cpu_usec", v->cpu);
        json_add_known(o, "memory_peak", v->memory_peak);
        json_add_known(o, "parent", v->parent ?: UINT64_MAX);
        json_add_string(o, "parent_job", v->parent_job);
        json_add_string(o, "payload", v->payload);
        return o;
}
