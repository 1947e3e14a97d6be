/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Conditions in use, of monitors and of runs that wait: what their tests ask is asked of probes, which all conditions
 * share, or, about jobs, looked up in the job table.
 *
 * However many readings change, what follows from them is found once, from a deferred source, for all conditions at
 * once; only then those who use one are told. So nobody who has two of them sees one as it is and the other as it was,
 * and what happens in answer (runs are asked for, jobs change) is seen in the next turn. */

#include "core/conditions.h"

#include <assert.h>
#include <stdio.h>

#include "config.h"
#include "core/manager-body.h"
#include "probe/probe.h"
#include "util/array.h"
#include "util/log.h"

#define PRIORITY      (SD_EVENT_PRIORITY_NORMAL - 1) /* a reading that lasts for a moment is there for some turns only */
#define NEWS_PER_TURN 256

/* A test of a condition in use. */
struct ConditionUse {
        ProbeUse probe; /* not in use for a test of a job */
        ConditionWatch *watch;
};

typedef TAILQ_HEAD(ConditionWatchList, ConditionWatch) ConditionWatchList;

struct Conditions {
        Probes *probes; /* of the first test that wants one on */
        sd_event_source *source;
        ConditionWatchList stale, news;
        ConditionUse **of_jobs; /* tests of jobs, sorted by the name of the job */
        size_t n_of_jobs;
};

/* --- evaluation --- */

static void set_stale(ConditionWatch *w) {
        Conditions *c = w->manager->conditions;

        if (w->is_stale)
                return;
        w->is_stale = true;
        TAILQ_INSERT_TAIL(&c->stale, w, stale);
        (void)sd_event_source_set_enabled(c->source, SD_EVENT_ON);
}

static void forget_stale(ConditionWatch *w) {
        if (w->is_stale)
                TAILQ_REMOVE(&w->manager->conditions->stale, w, stale);
        w->is_stale = false;
}

static void forget_news(ConditionWatch *w) {
        if (w->has_news)
                TAILQ_REMOVE(&w->manager->conditions->news, w, news);
        w->has_news = false;
}

static void evaluate(ConditionWatch *w) {
        Truth truth = condition_truth(w->condition, condition_watch_readings(w));

        forget_stale(w);
        if (truth == w->truth)
                return;
        w->truth = truth;
        w->has_news = true;
        TAILQ_INSERT_TAIL(&w->manager->conditions->news, w, news);
}

/* One whose last change nobody was told of yet is left alone until then: that may have lasted for a moment. */
static int on_changes(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Conditions *c = ((Manager *)userdata)->conditions;
        ConditionWatch *w, *next;

        for (w = TAILQ_FIRST(&c->stale); w; w = next) {
                next = TAILQ_NEXT(w, stale);
                if (!w->has_news)
                        evaluate(w);
        }
        for (unsigned i = 0; i < NEWS_PER_TURN && (w = TAILQ_FIRST(&c->news)); i++) {
                forget_news(w);
                w->changed(w);
        }
        if (TAILQ_EMPTY(&c->stale) && TAILQ_EMPTY(&c->news))
                (void)sd_event_source_set_enabled(c->source, SD_EVENT_OFF);
        return 0;
}

/* --- jobs --- */

static const char *job_of(const ConditionUse *use) {
        return use->probe.test->question.subject;
}

static size_t position_of(const Conditions *c, const char *job) {
        return BISECT(c->n_of_jobs, i, strcmp(job_of(c->of_jobs[i]), job) < 0);
}

static int add_of_job(Conditions *c, ConditionUse *use) {
        size_t at = position_of(c, job_of(use));
        ConditionUse **place = ARRAY_INSERT(c->of_jobs, c->n_of_jobs, at);

        if (!place)
                return -ENOMEM;
        *place = use;
        return 0;
}

static void remove_of_job(Conditions *c, const ConditionUse *use) {
        size_t i = position_of(c, job_of(use));

        while (i < c->n_of_jobs && c->of_jobs[i] != use)
                i++;
        if (i < c->n_of_jobs) /* or there was no memory for it */
                ARRAY_REMOVE(c->of_jobs, c->n_of_jobs, i);
}

bool conditions_job_changed(Manager *m, const Job *job) {
        const Conditions *c = m->conditions;
        size_t first = position_of(c, job->name), i = first;

        for (; i < c->n_of_jobs && streq(job_of(c->of_jobs[i]), job->name); i++)
                set_stale(c->of_jobs[i]->watch);
        return i > first;
}

void conditions_jobs_loaded(Manager *m) {
        const Conditions *c = m->conditions;

        for (size_t i = 0; i < c->n_of_jobs; i++)
                set_stale(c->of_jobs[i]->watch);
}

static void on_job(void *userdata, const Job *job) {
        (void)conditions_job_changed(userdata, job);
}

/* While the ledger cannot be read, what this daemon has seen itself is known. */
static Reading read_job(const Manager *m, const Question *q) {
        const Job *job = job_table_get(m->jobs, q->subject);
        Reading r = { .at = turn_now(m->event).realtime };
        bool is_failed = streq(q->aspect, "failed");

        if (!job || job->gone) {
                r.reason = "There is no job with this name.";
                return r;
        }
        r.value = is_failed                     ? run_result_is_failure(job->last_result)
                  : streq(q->aspect, "running") ? job->n_running > 0
                                                : job->is_overdue;
        r.is_known = !(m->is_unread || m->is_unread_of_jobs) || r.value > 0 ||
                     (is_failed && job->last_result != RUN_RESULT_NONE);
        if (!r.is_known)
                r.reason = "The ledger could not be read yet.";
        return r;
}

/* --- one condition --- */

static void on_reading(ProbeUse *probe) {
        set_stale(((ConditionUse *)probe)->watch);
}

static void on_answer(void *userdata, const Question *q, const Reading *r, void **observed) {
        const Manager *m = userdata;
        Instant now = turn_now(m->event);

        if (values_note(m->values, (Value **)observed, q, r, &now))
                NOTIFY_OBSERVERS(m, values_changed);
}

static int get_probes(Manager *m) {
        ProbesOptions options = {
                .program_dir = getenv("VAKTD_PROGRAM_DIR") ?: VAKT_PKGLIBDIR,
                .user_instance = m->options.user_instance,
                .answered = on_answer,
                .userdata = m,
        };

        return m->conditions->probes ? 0 : probes_new(&m->conditions->probes, m->event, &options);
}

static int use_start(ConditionUse *use, ConditionWatch *w, const ConditionTest *test, usec_t sample_max) {
        int r;

        *use = (ConditionUse){
                .probe = { .test = test, .sample_max = sample_max, .changed = on_reading },
                .watch = w,
        };
        if (test->question.kind == CONDITION_JOB)
                return add_of_job(w->manager->conditions, use);
        r = get_probes(w->manager);
        return r < 0 ? r : probe_use(w->manager->conditions->probes, &use->probe);
}

int condition_watch_start(ConditionWatch *w, Manager *m, const Condition *condition, usec_t sample_max) {
        size_t n = condition_n_tests(condition);
        int r = 0;

        assert(!w->manager && w->changed);
        w->uses = calloc(n, sizeof(*w->uses));
        w->readings = calloc(n, sizeof(*w->readings));
        w->manager = m;
        w->condition = condition;
        w->truth = TRUTH_UNKNOWN;
        if (!w->uses || !w->readings)
                r = -ENOMEM;
        for (size_t i = 0; i < n && r >= 0; i++)
                r = use_start(&w->uses[i], w, condition_test(condition, i), sample_max);
        if (r < 0) {
                condition_watch_stop(w);
                return r;
        }
        set_stale(w);
        return 0;
}

void condition_watch_stop(ConditionWatch *w) {
        if (!w->manager)
                return;
        for (size_t i = 0; w->uses && i < condition_n_tests(w->condition) && w->uses[i].watch; i++) {
                if (w->uses[i].probe.test->question.kind == CONDITION_JOB)
                        remove_of_job(w->manager->conditions, &w->uses[i]);
                else
                        probe_unuse(&w->uses[i].probe);
        }
        forget_stale(w);
        forget_news(w);
        w->uses = mfree(w->uses);
        w->readings = mfree(w->readings);
        w->manager = NULL;
}

const Reading *condition_watch_readings(ConditionWatch *w) {
        for (size_t i = 0; w->manager && i < condition_n_tests(w->condition); i++) {
                const ConditionTest *test = condition_test(w->condition, i);

                w->readings[i] = test->question.kind == CONDITION_JOB ? read_job(w->manager, &test->question)
                                                                      : *probe_reading(&w->uses[i].probe);
        }
        return w->readings;
}

const Reading *job_wait_readings(const Job *job, const JobDef *def) {
        return job->live->wait && job->live->wait->def == def ? condition_watch_readings(&job->live->wait->watch)
                                                              : NULL;
}

/* --- their history --- */

void conditions_close_values(Manager *m) {
        Instant now = turn_now(m->event);

        values_close(m->values, &now);
}

int manager_list_values(const Manager *m, ValuesVisit visit, void *userdata) {
        return values_list(m->values, visit, userdata);
}

/* As it is written when nothing can be left out or added. */
static int normalize(const char *probe, char **ret, ConditionUnit *ret_unit, ConditionError *reterr) {
        Question q;
        int r = question_parse(probe, &q, reterr);

        if (r < 0)
                return r;
        *ret_unit = condition_kind_unit(q.kind);
        r = question_format(&q, ret);
        question_done(&q);
        return r;
}

int manager_get_values_unit(const Manager *m, const char *probe, ConditionUnit *ret, ConditionError *reterr) {
        _cleanup_free_ char *question = NULL;
        int r = normalize(probe, &question, ret, reterr);

        return r < 0 ? r : values_has(m->values, question) ? 0 : -ENOENT;
}

int manager_query_values(Manager *m, const char *probe, usec_t since, usec_t until, usec_t *grain, BucketVisit visit,
                         void *userdata) {
        _cleanup_free_ char *question = NULL;
        Instant now = turn_now(m->event);
        ConditionUnit unit;
        int r = normalize(probe, &question, &unit, NULL);

        return r < 0 ? r : values_query(m->values, question, since, until, grain, &now, visit, userdata);
}

/* --- for people --- */

/* It does not matter whether the test is to be true or not, which a "not" before it decides. */
const char *condition_tell(char buf[static CONDITION_TELL_MAX], const Condition *c, const Reading *readings) {
        static const char *const operators[] = {
                [CONDITION_IS] = "=",         [CONDITION_LESS] = "<",           [CONDITION_LESS_EQUAL] = "<=",
                [CONDITION_GREATER] = ">",    [CONDITION_GREATER_EQUAL] = ">=", [CONDITION_EQUAL] = "=",
                [CONDITION_NOT_EQUAL] = "!=",
        };
        char value[CONDITION_VALUE_MAX], limit[CONDITION_VALUE_MAX];
        _cleanup_free_ char *question = NULL;
        const ConditionTest *test;
        const char *reason;
        Truth truth;
        size_t i, n;

        (void)snprintf(buf, CONDITION_TELL_MAX, "nothing is known of it");
        if (!readings)
                return buf;
        i = condition_decisive_test(c, readings);
        test = condition_test(c, i);
        truth = condition_test_truth(test, &readings[i]);
        reason = strempty(readings[i].reason);
        n = strlen(reason);
        (void)question_format(&test->question, &question);
        if (truth == TRUTH_UNKNOWN)
                (void)snprintf(buf, CONDITION_TELL_MAX, "%s is unknown: %.*s", strempty(question),
                               (int)(n > 0 && reason[n - 1] == '.' ? n - 1 : n), reason);
        else if (test->op == CONDITION_IS)
                (void)snprintf(buf, CONDITION_TELL_MAX, "%s: %s%s%s%s", strempty(question),
                               reading_format(value, &test->question, &readings[i]), readings[i].subject ? " (" : "",
                               strempty(readings[i].subject), readings[i].subject ? ")" : "");
        else
                (void)snprintf(buf, CONDITION_TELL_MAX, "%s is %s and %s%s %s", strempty(question),
                               reading_format(value, &test->question, &readings[i]), truth == TRUTH_TRUE ? "" : "not ",
                               operators[test->op], limit_format(limit, test));
        return buf;
}

/* --- all of them --- */

int conditions_init(Manager *m) {
        const ManagerObserver observer = {
                .job_new = on_job,
                .job_removed = on_job,
                .job_changed = on_job,
                .userdata = m,
        };
        int r;

        m->conditions = calloc(1, sizeof(*m->conditions));
        if (!m->conditions)
                return -ENOMEM;
        TAILQ_INIT(&m->conditions->stale);
        TAILQ_INIT(&m->conditions->news);
        m->observers[m->n_observers++] = observer;
        r = event_add_turn(m->event, &m->conditions->source, "conditions", on_changes, m);
        return r < 0 ? r : sd_event_source_set_priority(m->conditions->source, PRIORITY);
}

void conditions_done(Manager *m) {
        if (!m->conditions)
                return;
        assert(TAILQ_EMPTY(&m->conditions->stale) && m->conditions->n_of_jobs == 0);
        probes_free(m->conditions->probes);
        free(m->conditions->of_jobs);
        sd_event_source_disable_unref(m->conditions->source);
        m->conditions = mfree(m->conditions);
}
