/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* When probes are looked at, and how those who ask are told.
 *
 * One heap of windows under one timer source holds the next looks of all probes. Sampled ones are looked at on one
 * grid: multiples of 30 s, of its halves and of its doubles, so that whatever their intervals are, most looks share a
 * wake-up, and all do that are 30 s or more apart. The interval of a sampled probe, within which the next look is, is
 * the headroom to the nearest limit divided by the worst rate of late; and at most twice the one before, so that a
 * value of which little is known is not left alone for long.
 *
 * Uses are told one by one from a queue, so that a turn has a bound, and so that what they call has no effect on a
 * list that is being walked through. */

#include "probe/kind.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "util/log.h"
#include "util/turn.h"

#define LOOKS_MAX    16                     /* a turn */
#define NEWS_MAX     256                    /* a turn */
#define RATE_LIFE    (10 * USEC_PER_MINUTE) /* a rate of long ago counts half after this time */
#define WINDOW_SHARE 5                      /* of the delay of an event-driven one are the window */
#define GRID         PROBE_SAMPLE_DEFAULT_USEC
#define MOMENT_TURNS 2
#define SHARE_ONE    10000.0

static const char no_memory[] = "There is not enough memory to say why.";

/* --- readings --- */

int probe_unknown(Probe *p, Reading *ret, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(p->probes->reason, sizeof(p->probes->reason), format, ap);
        va_end(ap);
        *ret = (Reading){ .reason = p->probes->reason };
        return PROBE_ANSWERED;
}

int probe_unknown_errno(Probe *p, Reading *ret, int error, const char *format, ...) {
        va_list ap;

        errno = abs(error);
        va_start(ap, format);
        (void)vsnprintf(p->probes->reason, sizeof(p->probes->reason), format, ap);
        va_end(ap);
        *ret = (Reading){ .reason = p->probes->reason };
        return PROBE_ANSWERED;
}

int probe_known(Reading *ret, int64_t value) {
        *ret = (Reading){ .is_known = true, .value = value };
        return PROBE_ANSWERED;
}

int probe_known_share(Reading *ret, int64_t value, int64_t whole) {
        *ret = (Reading){ .is_known = true, .value = value, .whole = whole };
        return PROBE_ANSWERED;
}

static bool reading_is_same(const Reading *a, const Reading *b) {
        return a->is_known == b->is_known && a->value == b->value && a->whole == b->whole &&
               streq_ptr(a->reason, b->reason);
}

static void reading_done(Reading *r) {
        if (r->reason != no_memory)
                free((char *)r->reason);
        free((char *)r->subject);
        *r = (Reading){};
}

static void reading_copy(Reading *ret, const Reading *r) {
        Reading copy = *r;

        copy.reason = copy.is_known ? NULL : strdup(strempty(r->reason)) ?: no_memory;
        copy.subject = r->subject ? strdup(r->subject) : NULL; /* without memory for it, it is only less precise */
        reading_done(ret);
        *ret = copy;
}

/* --- telling those who ask --- */

static void use_add_news(ProbeUse *use) {
        Probes *probes = use->probe->probes;

        if (use->has_news)
                return;
        use->has_news = true;
        use->probe->n_untold++;
        TAILQ_INSERT_TAIL(&probes->news, use, news);
        (void)sd_event_source_set_enabled(probes->deliverer, SD_EVENT_ON);
}

static void use_forget_news(ProbeUse *use) {
        Probe *p = use->probe;

        if (!use->has_news)
                return;
        assert(p->n_untold > 0);
        use->has_news = false;
        p->n_untold--;
        TAILQ_REMOVE(&p->probes->news, use, news);
}

static void probe_tell_observer(Probe *p, const Reading *r) {
        if (p->probes->answered)
                p->probes->answered(p->probes->userdata, &p->question, r, &p->observed);
}

static void probe_show(Probe *p, const Reading *r) {
        ProbeUse *use;
        bool is_same = reading_is_same(&p->reading, r);

        probe_tell_observer(p, r);
        if (is_same && streq_ptr(p->reading.subject, r->subject)) { /* there is no need to copy its texts */
                p->reading.at = r->at;
                return;
        }
        reading_copy(&p->reading, r);
        if (is_same)
                return;
        TAILQ_FOREACH(use, &p->uses, uses)
                use_add_news(use);
}

static void probe_release_held(Probe *p) {
        Reading r = TAKE_GENERIC(p->held, (Reading){});

        p->is_held = false;
        TAILQ_REMOVE(&p->probes->held, p, all_held);
        probe_show(p, &r);
        reading_done(&r);
}

/* Those who hear of a reading may look at it in the next turn only. */
static void probes_release_held(Probes *probes) {
        Probe *p, *next;

        for (p = TAILQ_FIRST(&probes->held); p; p = next) {
                next = TAILQ_NEXT(p, all_held);
                if (p->n_untold == 0 && p->turns_shown++ > MOMENT_TURNS)
                        probe_release_held(p);
        }
}

int probe_on_deliver(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Probes *probes = userdata;
        ProbeUse *use;

        for (unsigned i = 0; i < NEWS_MAX && (use = TAILQ_FIRST(&probes->news)); i++) {
                use_forget_news(use);
                use->changed(use);
        }
        probes_release_held(probes);
        if (TAILQ_EMPTY(&probes->news) && TAILQ_EMPTY(&probes->held))
                (void)sd_event_source_set_enabled(s, SD_EVENT_OFF);
        return 0;
}

/* --- when to look --- */

static void probes_arm(Probes *probes) {
        const HeapEntry *first = heap_first(&probes->looks);
        usec_t slack;
        int r;

        if (!first) {
                (void)sd_event_source_set_enabled(probes->timer, SD_EVENT_OFF);
                return;
        }
        slack = (first->latest - first->at) / 2;
        r = sd_event_source_set_time(probes->timer, first->latest - slack);
        if (r >= 0)
                r = sd_event_source_set_time_accuracy(probes->timer, MAX(slack, (usec_t)1));
        if (r >= 0)
                r = sd_event_source_set_enabled(probes->timer, SD_EVENT_ONESHOT);
        if (r < 0 && r != -ESTALE) /* the loop has ended */
                log_error_errno(r, "Cannot arm the timer of the conditions: %m");
}

/* There is room in the heap: probe_use() has made it. */
static void probe_look_between(Probe *p, usec_t at, usec_t latest) {
        p->next_boottime = latest;
        (void)heap_set(&p->probes->looks, at, latest, &p->position);
        probes_arm(p->probes);
}

void probe_look(Probe *p) {
        usec_t now = turn_now(p->probes->event).boottime;

        p->looks_again = p->is_asked;
        if (!p->is_asked)
                probe_look_between(p, now, now);
}

void probe_look_after(Probe *p, usec_t delay) {
        usec_t now = turn_now(p->probes->event).boottime;

        p->interval = 0;
        if (!p->is_asked)
                probe_look_between(p, usec_add(now, delay == USEC_INFINITY ? delay : delay - delay / WINDOW_SHARE),
                                   usec_add(now, delay));
}

/* The last moment of the grid within an interval. */
static usec_t grid_within(usec_t since, usec_t interval) {
        usec_t step = GRID;

        while (step > interval)
                step /= 2;
        while (step <= interval / 2)
                step *= 2;
        return usec_add(since, interval) / step * step;
}

void probe_look_within(Probe *p, usec_t interval) {
        usec_t at = grid_within(turn_now(p->probes->event).boottime, interval);

        if (!p->is_asked)
                probe_look_between(p, at, at);
}

usec_t probe_sample_max(const Probe *p) {
        usec_t max = USEC_INFINITY;
        ProbeUse *use;

        TAILQ_FOREACH(use, &p->uses, uses)
                max = MIN(max, use->sample_max);
        if (max == USEC_INFINITY)
                max = PROBE_SAMPLE_DEFAULT_USEC;
        return MAX(max, PROBE_SAMPLE_MIN_USEC);
}

int64_t probe_lowest_limit(const Probe *p) {
        int64_t lowest = INT64_MAX;
        ProbeUse *use;

        TAILQ_FOREACH(use, &p->uses, uses)
                lowest = MIN(lowest, use->test->limit);
        return lowest;
}

/* How far the value is from the one at which a test would change. */
static double test_headroom(const ConditionTest *t, const Reading *r) {
        double limit = (double)t->limit, headroom;

        if (t->op == CONDITION_IS)
                return 1;
        if (t->is_share)
                limit *= (double)r->whole / SHARE_ONE;
        headroom = (double)r->value - limit;
        headroom = headroom < 0 ? -headroom : headroom;
        return MAX(headroom, 1.0); /* values are whole numbers */
}

static double probe_headroom(const Probe *p) {
        double least = (double)INT64_MAX;
        ProbeUse *use;

        TAILQ_FOREACH(use, &p->uses, uses)
                least = MIN(least, test_headroom(use->test, &p->reading));
        return least;
}

/* Until when the value cannot have reached a limit, if it moves no faster than it did. */
static usec_t probe_safe_interval(const Probe *p) {
        double max = (double)probe_sample_max(p), min = (double)PROBE_SAMPLE_MIN_USEC, interval = max;

        if (p->reading.is_known && p->worst_rate > 0)
                interval = probe_headroom(p) / p->worst_rate;
        interval = MAX(interval, min);
        return (usec_t)MIN(interval, max);
}

static void probe_learn_rate(Probe *p, const Reading *r, usec_t now) {
        if (condition_kind_unit(p->question.kind) == CONDITION_TRUTH) {
                if (p->has_sample && r->value != p->sampled)
                        p->interval = 0; /* it has no rate, but what has just changed may change again */
        } else if (r->is_known && p->has_sample && now > p->sampled_boottime) {
                double elapsed = (double)(now - p->sampled_boottime);
                double change = (double)r->value - (double)p->sampled;

                p->worst_rate *= (double)RATE_LIFE / ((double)RATE_LIFE + elapsed);
                p->worst_rate = MAX(p->worst_rate, (change < 0 ? -change : change) / elapsed);
        }
        p->has_sample = r->is_known;
        p->sampled = r->value;
        p->sampled_boottime = now;
}

static void probe_plan(Probe *p) {
        usec_t bold = MAX(2 * p->interval, PROBE_SAMPLE_MIN_USEC);

        p->interval = MIN(bold, probe_safe_interval(p));
        probe_look_within(p, p->interval);
}

static void probe_answer(Probe *p, const Reading *r) {
        Instant now = turn_now(p->probes->event);
        Reading dated = *r;

        if (dated.at == 0)
                dated.at = now.realtime;
        if (p->is_held)
                reading_copy(&p->held, &dated);
        else
                probe_show(p, &dated);
        if (p->is_event) {
                p->has_sample = false;
                p->interval = 0;
                return;
        }
        probe_learn_rate(p, &dated, now.boottime);
        probe_plan(p);
}

void probe_report(Probe *p, const Reading *r) {
        p->is_asked = false;
        probe_answer(p, r);
        if (TAKE_GENERIC(p->looks_again, false))
                probe_look(p);
}

void probe_report_moment(Probe *p, const Reading *r) {
        Reading dated = *r;

        if (p->is_held || reading_is_same(&p->reading, r))
                return;
        if (dated.at == 0)
                dated.at = turn_now(p->probes->event).realtime;
        p->held = TAKE_GENERIC(p->reading, (Reading){});
        p->is_held = true;
        p->turns_shown = 0;
        TAILQ_INSERT_TAIL(&p->probes->held, p, all_held);
        probe_show(p, &dated);
        (void)sd_event_source_set_enabled(p->probes->deliverer, SD_EVENT_ON);
}

/* --- looking --- */

/* Returns whether it goes on in the next turn. */
static bool probe_do_look(Probe *p, usec_t now) {
        Reading r = {};

        p->probes->n_looks++;
        p->next_boottime = USEC_INFINITY;
        p->looked_boottime = now;
        p->has_looked = true;
        switch (p->kind->look(p, &r)) {
        case PROBE_LATER:
                p->is_asked = true;
                break;
        case PROBE_AGAIN:
                probe_look_between(p, now, now);
                return true;
        case PROBE_SILENT:
                break;
        default:
                probe_answer(p, &r);
        }
        return false;
}

int probe_on_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Probes *probes = userdata;
        usec_t now = turn_now(probes->event).boottime;
        const HeapEntry *first;

        for (unsigned i = 0; i < LOOKS_MAX && (first = heap_first(&probes->looks)) && first->at <= now; i++) {
                Probe *p = HEAP_OWNER(first, Probe, position);

                (void)heap_set(&probes->looks, USEC_INFINITY, USEC_INFINITY, &p->position);
                if (probe_do_look(p, now))
                        break;
        }
        if (probes->looked)
                TAKE_PTR(probes->looked)(probes);
        probes_arm(probes);
        return 0;
}

/* --- uses --- */

/* An earlier look may be due: the limit is nearer, or sample_max is smaller. */
static void probe_replan(Probe *p) {
        usec_t interval = probe_safe_interval(p), at = grid_within(p->looked_boottime, interval);

        if (p->is_event || p->is_asked || at >= p->next_boottime)
                return;
        p->interval = interval;
        probe_look_between(p, at, at);
}

void probe_use_join(ProbeUse *use, Probe *p) {
        use->probe = p;
        use->has_news = false;
        TAILQ_INSERT_TAIL(&p->uses, use, uses);
        p->n_uses++;
        if (!p->has_looked) {
                probe_look(p);
                return;
        }
        use_add_news(use);
        probe_replan(p);
        if (p->kind->uses_changed)
                p->kind->uses_changed(p);
}

void probe_use_leave(ProbeUse *use) {
        Probe *p = use->probe;

        use_forget_news(use);
        TAILQ_REMOVE(&p->uses, use, uses);
        p->n_uses--;
        use->probe = NULL;
        if (p->n_uses > 0 && p->kind->uses_changed)
                p->kind->uses_changed(p);
}

void probe_done(Probe *p) {
        assert(p->n_uses == 0);
        probe_tell_observer(p, NULL);
        if (p->kind->stop)
                p->kind->stop(p);
        (void)heap_set(&p->probes->looks, USEC_INFINITY, USEC_INFINITY, &p->position);
        probes_arm(p->probes);
        if (p->is_held)
                TAILQ_REMOVE(&p->probes->held, p, all_held);
        reading_done(&p->held);
        reading_done(&p->reading);
        question_done(&p->question);
}
