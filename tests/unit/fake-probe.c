/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "fake-probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "util/turn.h"

#define ANSWERS_MAX 64

/* What the machine would answer. */
typedef struct Answer {
        char question[128];
        char reason[64], subject[64];
        Reading reading;
} Answer;

struct Probe {
        TAILQ_ENTRY(Probe) probes;
        TAILQ_HEAD(, ProbeUse) uses;
        Probes *owner;
        char *question;
        Reading reading; /* that was told */
        char reason[64];
};

struct Probes {
        sd_event *event;
        sd_event_source *source;
        TAILQ_HEAD(, Probe) probes;
        TAILQ_ENTRY(Probes) all;
};

static Answer answers[ANSWERS_MAX];
static unsigned n_answers;
static bool is_refused;
static TAILQ_HEAD(, Probes) all = TAILQ_HEAD_INITIALIZER(all);

static Answer *answer_of(const char *question) {
        for (unsigned i = 0; i < n_answers; i++)
                if (streq(answers[i].question, question))
                        return &answers[i];
        return NULL;
}

static void set(const char *question, const Reading *reading, const char *reason) {
        Answer *a = answer_of(question);
        Probes *p;

        if (!a) {
                assert_true(n_answers < ANSWERS_MAX);
                a = &answers[n_answers++];
        }
        (void)snprintf(a->question, sizeof(a->question), "%s", question);
        (void)snprintf(a->reason, sizeof(a->reason), "%s", reason);
        (void)snprintf(a->subject, sizeof(a->subject), "%s", strempty(reading->subject));
        a->reading = *reading;
        a->reading.subject = reading->subject ? a->subject : NULL;
        TAILQ_FOREACH(p, &all, all)
                assert_true(sd_event_source_set_enabled(p->source, SD_EVENT_ONESHOT) >= 0);
}

void fake_probe_set(const char *question, int64_t value, int64_t whole) {
        set(question, &(Reading){ .is_known = true, .value = value, .whole = whole }, "");
}

void fake_probe_set_of(const char *question, const char *subject) {
        set(question, &(Reading){ .is_known = true, .value = true, .subject = subject }, "");
}

void fake_probe_set_unknown(const char *question, const char *reason) {
        set(question, &(Reading){}, reason);
}

void fake_probe_refuse(bool refuse) {
        is_refused = refuse;
}

void fake_probe_forget(void) {
        is_refused = false;
        n_answers = 0;
}

static bool take_answer(Probe *probe) {
        const Answer *a = answer_of(probe->question);

        if (!a || (a->reading.is_known == probe->reading.is_known && a->reading.value == probe->reading.value &&
                   a->reading.whole == probe->reading.whole && streq(a->reason, probe->reason)))
                return false;
        probe->reading = a->reading;
        (void)snprintf(probe->reason, sizeof(probe->reason), "%s", a->reason);
        probe->reading.reason = a->reading.is_known ? NULL : probe->reason;
        probe->reading.at = turn_now(probe->owner->event).realtime;
        return true;
}

static ProbeUse *next_with_news(const Probes *p) {
        const Probe *probe;
        ProbeUse *use;

        TAILQ_FOREACH(probe, &p->probes, probes)
                TAILQ_FOREACH(use, &probe->uses, uses)
                        if (use->has_news)
                                return use;
        return NULL;
}

/* Those who are told may let go of any. */
static int on_answers(sd_event_source *s, void *userdata) {
        Probes *p = userdata;
        ProbeUse *use;
        Probe *probe;

        TAILQ_FOREACH(probe, &p->probes, probes)
                if (take_answer(probe))
                        TAILQ_FOREACH(use, &probe->uses, uses)
                                use->has_news = true;
        while ((use = next_with_news(p))) {
                use->has_news = false;
                use->changed(use);
        }
        return 0;
}

int probes_new(Probes **ret, sd_event *event, const ProbesOptions *options) {
        Probes *p = calloc(1, sizeof(*p));

        assert_non_null(p);
        p->event = event;
        TAILQ_INIT(&p->probes);
        assert_int_equal(event_add_deferred(event, &p->source, "fake-probes", on_answers, p), 0);
        TAILQ_INSERT_TAIL(&all, p, all);
        *ret = p;
        return 0;
}

Probes *probes_free(Probes *p) {
        if (!p)
                return NULL;
        assert_true(TAILQ_EMPTY(&p->probes));
        TAILQ_REMOVE(&all, p, all);
        sd_event_source_disable_unref(p->source);
        free(p);
        return NULL;
}

int probe_use(Probes *p, ProbeUse *use) {
        char *question = NULL;
        Probe *probe;

        assert_null(use->probe);
        assert_int_not_equal(use->test->question.kind, CONDITION_JOB);
        if (is_refused)
                return -ENOMEM;
        assert_int_equal(question_format(&use->test->question, &question), 0);
        TAILQ_FOREACH(probe, &p->probes, probes)
                if (streq(probe->question, question))
                        break;
        if (!probe) {
                probe = calloc(1, sizeof(*probe));
                assert_non_null(probe);
                probe->owner = p;
                probe->question = question;
                question = NULL;
                probe->reading.reason = "It was not asked yet.";
                TAILQ_INIT(&probe->uses);
                TAILQ_INSERT_TAIL(&p->probes, probe, probes);
        }
        free(question);
        use->probe = probe;
        use->has_news = probe->reading.is_known;
        TAILQ_INSERT_TAIL(&probe->uses, use, uses);
        return sd_event_source_set_enabled(p->source, SD_EVENT_ONESHOT);
}

void probe_unuse(ProbeUse *use) {
        Probe *probe = use->probe;

        if (!probe)
                return;
        TAILQ_REMOVE(&probe->uses, use, uses);
        use->probe = NULL;
        if (!TAILQ_EMPTY(&probe->uses))
                return;
        TAILQ_REMOVE(&probe->owner->probes, probe, probes);
        free(probe->question);
        free(probe);
}

const Reading *probe_reading(const ProbeUse *use) {
        return &use->probe->reading;
}

const char *probe_source(const ProbeUse *use, usec_t *ret_interval) {
        *ret_interval = 0;
        return "event";
}

int probes_list(const Probes *p, ProbeVisit visit, void *userdata) {
        return 0;
}

unsigned fake_probe_n_uses(const char *question) {
        unsigned n = 0;
        const ProbeUse *use;
        const Probe *probe;
        const Probes *p;

        TAILQ_FOREACH(p, &all, all)
                TAILQ_FOREACH(probe, &p->probes, probes)
                        TAILQ_FOREACH(use, &probe->uses, uses)
                                n += streq(probe->question, question);
        return n;
}

unsigned fake_probe_n(void) {
        unsigned n = 0;
        const Probe *probe;
        const Probes *p;

        TAILQ_FOREACH(p, &all, all)
                TAILQ_FOREACH(probe, &p->probes, probes)
                        n++;
        return n;
}
