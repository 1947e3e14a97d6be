/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What triggers gave runs, in the ledger under the job's name, the word "run" and the run's number, from when the run
 * is accepted until it is over. At a start it is given back to the runs that are taken over. Only the kind of trigger
 * that packed it can tell what it is. */

#include <assert.h>
#include <inttypes.h>

#include "core/manager-body.h"
#include "core/triggers.h"
#include "util/array.h"
#include "util/log.h"

#define KEY_RUN "run"

struct LoadedPayload {
        uint64_t run;
        char *job;
        RunPayload *payload; /* NULL: taken */
};

Trigger *trigger_of(const Manager *m, const TriggerOps *ops) {
        size_t i = 0;

        while (i < m->n_triggers && m->triggers[i]->ops != ops)
                i++;
        assert(i < m->n_triggers);
        return m->triggers[i];
}

/* --- writing --- */

void payload_put(Manager *m, const RunRecord *r, const RunPayload *p) {
        LogContext c = { .job = r->job, .run = r->id };
        _cleanup_free_ char *bytes = NULL;
        size_t n;
        int e;

        e = p->ops->pack(p, &bytes, &n);
        if (e >= 0)
                e = ledger_put(m->ledger, r->job, KEY_RUN, r->id, bytes, n);
        if (e < 0)
                log_message(LOG_WARNING, &c, "Cannot save for the next start what the run was given: %s.",
                            strerror(-e));
}

void payload_forget(Manager *m, const char *job, uint64_t run) {
        LogContext c = { .job = job, .run = run };
        int r = ledger_put(m->ledger, job, KEY_RUN, run, NULL, 0);

        if (r < 0)
                log_message(LOG_WARNING, &c, "Cannot delete what was saved of what the run was given: %s.",
                            strerror(-r));
}

/* --- runs of an earlier daemon --- */

/* 0: no kind of trigger knows what it is. */
static int unpack(Manager *m, const void *bytes, size_t n, RunPayload **ret) {
        for (size_t i = 0; i < m->n_triggers; i++) {
                Trigger *t = m->triggers[i];
                int r = t->ops->unpack ? t->ops->unpack(t, bytes, n, ret) : -EBADMSG;

                if (r != -EBADMSG)
                        return r < 0 ? r : 1;
        }
        return 0;
}

static int on_loaded(const char *job, const char *key, uint64_t id, const void *bytes, size_t n, void *userdata) {
        Manager *m = userdata;
        struct LoadedPayload *place, loaded = { .run = id };
        LogContext c = { .job = job, .run = id };
        int r;

        r = unpack(m, bytes, n, &loaded.payload);
        if (r == 0)
                log_message(LOG_WARNING, &c, "What the ledger has of what run %" PRIu64 " was given is damaged.", id);
        if (r <= 0)
                return r;
        loaded.job = strdup(job);
        place = loaded.job ? ARRAY_NEXT(m->take_over.payloads, m->take_over.n_payloads) : NULL;
        if (!place) {
                run_payload_free(loaded.payload);
                free(loaded.job);
                return -ENOMEM;
        }
        *place = loaded;
        m->take_over.n_payloads++;
        return 0;
}

static int loaded_compare(const void *a, const void *b) {
        const struct LoadedPayload *l = a, *o = b;

        return (l->run > o->run) - (l->run < o->run);
}

void payloads_load(Manager *m) {
        int r;

        assert(m->take_over.n_payloads == 0);
        r = ledger_list_blobs(m->ledger, NULL, KEY_RUN, on_loaded, m);
        if (r < 0)
                log_warning_errno(r, "Cannot read from the ledger what runs were given: %m");
        if (m->take_over.n_payloads > 0)
                qsort(m->take_over.payloads, m->take_over.n_payloads, sizeof(*m->take_over.payloads), loaded_compare);
}

static bool restore(Manager *m, LiveRun *run, const RunRecord *record, RunPayload *p) {
        Trigger *t = trigger_of(m, p->ops);

        return t->ops->restore && t->ops->restore(t, run, record, p);
}

void payload_give_back(Manager *m, LiveRun *run) {
        TakeOver *t = &m->take_over;
        size_t at = BISECT(t->n_payloads, i, t->payloads[i].run < run->record.id);

        assert(!run->payload);
        if (at == t->n_payloads || t->payloads[at].run != run->record.id || !t->payloads[at].payload)
                return;
        run->payload = TAKE_PTR(t->payloads[at].payload);
        (void)restore(m, run, &run->record, run->payload);
}

RunPayload *payload_recognize(Manager *m, const ExecutionRequest *request, OwnedRun *run) {
        return ASK_TRIGGERS(m, recognize, request, run);
}

void payload_give(Manager *m, LiveRun *run, RunPayload *p) {
        assert(!run->payload);
        run->payload = p;
        (void)restore(m, run, &run->record, p);
        payload_put(m, &run->record, p);
}

static void settle_loaded(Manager *m, const struct LoadedPayload *l) {
        const RunRecord *r = ledger_get(m->ledger, l->run);
        LiveRun *run = live_find(&m->live, l->run);

        if (run && !run->payload) /* it was there before the ledger could be read */
                payload_give_back(m, run);
        if (run || (r && r->state != RUN_DONE))
                return; /* or is taken over later */
        if (!restore(m, NULL, r, l->payload))
                payload_forget(m, l->job, l->run);
}

void payloads_forget_loaded(Manager *m) {
        for (size_t i = 0; i < m->take_over.n_payloads; i++) {
                struct LoadedPayload *l = &m->take_over.payloads[i];

                if (l->payload)
                        settle_loaded(m, l);
                run_payload_free(l->payload);
                free(l->job);
        }
        m->take_over.payloads = mfree(m->take_over.payloads);
        m->take_over.n_payloads = 0;
}
