/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* All probes, sorted by their questions. */

#include "probe/probe.h"

#include <assert.h>
#include <fcntl.h>

#include "probe/kinds.h"
#include "util/array.h"
#include "util/turn.h"

/* --- life --- */

static int probes_add_sources(Probes *p) {
        int r;

        r = event_add_timer(p->event, &p->timer, "probes", CLOCK_BOOTTIME, 1, probe_on_timer, p);
        return r < 0 ? r : event_add_turn(p->event, &p->deliverer, "probes-deliver", probe_on_deliver, p);
}

static int probes_copy_options(Probes *p, const ProbesOptions *options) {
        const char *const texts[] = { options->program_dir, options->manager_address };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                if (texts[i]) {
                        p->texts[i] = strdup(texts[i]);
                        if (!p->texts[i])
                                return -ENOMEM;
                }
        p->program_dir = p->texts[0];
        p->manager_address = p->texts[1];
        p->user_instance = options->user_instance;
        p->answered = options->answered;
        p->userdata = options->userdata;
        p->root_fd = open(options->root ?: "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return p->root_fd < 0 ? -errno : 0;
}

int probes_new(Probes **ret, sd_event *event, const ProbesOptions *options) {
        _cleanup_(probes_freep) Probes *p = NULL;
        int r;

        assert(ret);

        p = malloc(sizeof(*p));
        if (!p)
                return -ENOMEM;
        *p = (Probes){ .event = sd_event_ref(event), .root_fd = -EBADF };
        TAILQ_INIT(&p->news);
        TAILQ_INIT(&p->held);
        r = probes_copy_options(p, options);
        if (r >= 0)
                r = probes_add_sources(p);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

Probes *probes_free(Probes *p) {
        if (!p)
                return NULL;
        assert(p->n_probes == 0);
        for (ConditionKind kind = 0; kind < _CONDITION_KIND_MAX; kind++) {
                const ProbeKind *k = probe_kind_get(kind);

                if (k && k->done)
                        k->done(p);
        }
        sd_event_source_disable_unref(p->timer);
        sd_event_source_disable_unref(p->deliverer);
        sd_event_unref(p->event);
        safe_close(p->root_fd);
        heap_done(&p->looks);
        free(p->probes);
        for (size_t i = 0; i < ELEMENTSOF(p->texts); i++)
                free(p->texts[i]);
        return mfree(p);
}

/* --- uses --- */

static size_t probes_place(const Probes *probes, const Question *q) {
        return BISECT(probes->n_probes, i, question_compare(&probes->probes[i]->question, q) < 0);
}

static int probe_new(Probe **ret, Probes *probes, const ProbeKind *kind, const Question *q) {
        Probe *p;
        int r;

        r = heap_reserve(&probes->looks, (uint32_t)probes->n_probes + 1);
        if (r < 0)
                return r;
        p = malloc(sizeof(*p));
        if (!p)
                return -ENOMEM;
        *p = (Probe){
                .probes = probes,
                .kind = kind,
                .position = HEAP_NONE,
                .next_boottime = USEC_INFINITY,
        };
        TAILQ_INIT(&p->uses);
        r = question_copy(&p->question, q);
        if (r < 0) {
                free(p);
                return r;
        }
        *ret = p;
        return 0;
}

static int probes_add(Probes *probes, size_t at, const ProbeKind *kind, const Question *q) {
        Probe *p, **place;
        int r;

        r = probe_new(&p, probes, kind, q);
        if (r < 0)
                return r;
        place = ARRAY_INSERT(probes->probes, probes->n_probes, at);
        if (!place) {
                question_done(&p->question);
                free(p);
                return -ENOMEM;
        }
        *place = p;
        return 0;
}

int probe_use(Probes *probes, ProbeUse *use) {
        const Question *q = &use->test->question;
        const ProbeKind *kind = probe_kind_get(q->kind);
        size_t at;

        assert(!use->probe);
        if (!kind)
                return -EOPNOTSUPP;
        at = probes_place(probes, q);
        if (at == probes->n_probes || question_compare(&probes->probes[at]->question, q) != 0) {
                int r = probes_add(probes, at, kind, q);

                if (r < 0)
                        return r;
        }
        probe_use_join(use, probes->probes[at]);
        return 0;
}

void probe_unuse(ProbeUse *use) {
        Probe *p = use->probe;
        Probes *probes;
        size_t at;

        if (!p)
                return;
        probe_use_leave(use);
        if (p->n_uses > 0)
                return;
        probes = p->probes;
        at = probes_place(probes, &p->question);
        assert(probes->probes[at] == p);
        ARRAY_REMOVE(probes->probes, probes->n_probes, at);
        probe_done(p);
        free(p);
}

/* --- what they say --- */

static const Reading *shown(const Probe *p) {
        static const Reading nothing = { .reason = "It was not asked for yet." };

        return !p->reading.is_known && !p->reading.reason ? &nothing : &p->reading;
}

const Reading *probe_reading(const ProbeUse *use) {
        return shown(use->probe);
}

const char *probe_source(const ProbeUse *use, usec_t *ret_interval) {
        const Probe *p = use->probe;

        *ret_interval = p->is_event ? p->pace : p->interval;
        return p->is_event && p->pace == 0 ? "event" : "sample";
}

int probes_list(const Probes *probes, ProbeVisit visit, void *userdata) {
        for (size_t i = 0; i < probes->n_probes; i++) {
                const Probe *p = probes->probes[i];
                int r = visit(&p->question, shown(p), p->n_uses, userdata);

                if (r < 0)
                        return r;
        }
        return 0;
}
