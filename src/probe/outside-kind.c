/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The questions of outside.h as probes; what file systems of this machine answer is not asked outside. disk-full-in
 * is made of the answers to disk-free; it is asked at a steady pace, since neither how far a date is away nor how fast
 * it moves tells when to look again. */

#include "probe/outside-kind.h"

#include "config.h"
#include "probe/local-file.h"
#include "probe/outside.h"
#include "probe/trend.h"
#include "util/turn.h"

typedef struct OutsideState {
        Inquiry *inquiry;
        Trend *trend; /* of disk-full-in; or NULL */
} OutsideState;

static Reading trend_reading(Probe *p, const Reading *free) {
        OutsideState *s = p->state;
        int64_t left;
        Reading r;

        trend_add(s->trend, turn_now(p->probes->event).boottime, free->value);
        if (trend_time_left(s->trend, &left) >= 0)
                (void)probe_known(&r, left);
        else
                (void)probe_unknown(p, &r, "The free space of %s has not been looked at for long enough.",
                                    p->question.subject);
        return r;
}

static void look_steadily(Probe *p) {
        p->pace = MIN(probe_sample_max(p), TREND_GRAIN_USEC);
        probe_look_within(p, p->pace);
}

static void on_answered(void *userdata, const Reading *answer) {
        Probe *p = userdata;
        OutsideState *s = p->state;
        Reading r = s->trend && answer->is_known ? trend_reading(p, answer) : *answer;

        probe_report(p, &r);
        if (s->trend)
                look_steadily(p);
}

static int get_outside(Probes *probes, Outside **ret) {
        const OutsideOptions options = {
                .program_dir = probes->program_dir ?: VAKT_PKGLIBDIR,
                .user_instance = probes->user_instance,
        };
        Outside *o = probes->shared[PROBE_SHARED_OUTSIDE];

        if (!o) {
                int r = outside_new(&o, probes->event, &options);

                if (r < 0)
                        return r;
                probes->shared[PROBE_SHARED_OUTSIDE] = o;
        }
        *ret = o;
        return 0;
}

static OutsideState *state_free(OutsideState *s) {
        if (!s)
                return NULL;
        inquiry_free(s->inquiry);
        free(s->trend);
        return mfree(s);
}
DEFINE_CLEANUP(OutsideState, state_free)

static int start(Probe *p) {
        _cleanup_(state_freep) OutsideState *s = calloc(1, sizeof(*s));
        Outside *o;
        int r;

        if (!s)
                return -ENOMEM;
        if (p->question.kind == CONDITION_DISK_FULL_IN) {
                s->trend = calloc(1, sizeof(*s->trend));
                if (!s->trend)
                        return -ENOMEM;
                p->is_event = true;
        }
        r = get_outside(p->probes, &o);
        if (r >= 0)
                r = inquiry_new(&s->inquiry, o, &p->question, on_answered, p);
        if (r < 0)
                return r;
        p->state = TAKE_PTR(s);
        return 0;
}

static bool look_here(Probe *p, Reading *ret) {
        const OutsideQuestion q = {
                .kind = p->question.kind,
                .subject = p->question.subject,
                .now_realtime = turn_now(p->probes->event).realtime,
        };
        OutsideAnswer a;

        if (!path_answers(q.kind) || !local_file_answer(p->probes, &q, &a))
                return false;
        *ret = (Reading){ .is_known = true, .value = a.value, .whole = a.whole };
        return true;
}

static int outside_look(Probe *p, Reading *ret) {
        OutsideState *s;

        if (!p->state) {
                int r = start(p);

                if (r < 0)
                        return probe_unknown_errno(p, ret, r, "Cannot ask: %m.");
        }
        s = p->state;
        if (look_here(p, ret)) {
                if (s->trend)
                        *ret = trend_reading(p, ret);
        } else if (inquiry_ask(s->inquiry, ret) == INQUIRY_ASKED)
                return PROBE_LATER;
        if (s->trend)
                look_steadily(p);
        return PROBE_ANSWERED;
}

static void outside_stop(Probe *p) {
        p->state = state_free(p->state);
}

static void outside_done(Probes *probes) {
        local_file_done(probes);
        probes->shared[PROBE_SHARED_OUTSIDE] = outside_free(probes->shared[PROBE_SHARED_OUTSIDE]);
}

const ProbeKind outside_kind = { .look = outside_look, .stop = outside_stop, .done = outside_done };
