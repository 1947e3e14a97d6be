/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The methods of org.vaktd1.Manager that return lists: jobs, runs, alarms, pools. All of them only read, and each is
 * bounded, because a bus accepts 32 MiB per message: jobs and alarms are refused above that, runs come in pages. A
 * page of QueryRuns may be short, or empty, if the ledger has examined many rows that do not match; "next" says where
 * to continue, so that a filter with few matches delays no other client. */

#include "bus/api-manager.h"
#include "bus/errors.h"
#include "bus/object-path.h"
#include "bus/options.h"
#include "bus/text.h"
#include "util/strv.h"

#define LIST_RUNS_DEFAULT 100
#define LIST_RUNS_MAX     10000
#define WORD_LIST_MAX     256

/* --- jobs --- */

/* Value by value: a fifth faster than sd_bus_message_append(), and there may be tens of thousands of rows. types: "s"
 * and "o", which take the next text, "t", which takes the next number, and "u" and "b", which take it as 32 bits. */
static int append_job_row(sd_bus_message *m, const char *types, const char *const *texts, const uint64_t *numbers) {
        int r;

        r = sd_bus_message_open_container(m, 'r', types);
        for (const char *t = types; r >= 0 && *t; t++) {
                uint32_t number = strchr("ub", *t) ? (uint32_t)*numbers++ : 0;

                r = sd_bus_message_append_basic(m, *t,
                                                strchr("so", *t) ? *texts++
                                                : *t == 't'      ? (const void *)numbers++
                                                                 : &number);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

/* Appends the row of one job and adds its size, rounded up, to *size. */
static int append_job(sd_bus_message *m, const Job *j, size_t *size) {
        _cleanup_free_ char *copy = NULL;
        const char *description = text_fit(j->def ? j->def->description : NULL, TEXT_IN_LIST_MAX, &copy);
        char path[OBJECT_PATH_MAX];
        const char *const texts[] = { j->name, description, job_state_to_string(job_state(j)),
                                      run_result_to_string(j->last_result), job_object_path(path, j->name) };
        const uint64_t numbers[] = { j->next, j->last_start, j->last_end, j->n_runs };

        if (!description)
                return -ENOMEM;
        *size += 120 + strlen(j->name) + strlen(description) + strlen(path);
        return append_job_row(m, "sssstttto", texts, numbers);
}

static int count_degraded(const char *key, const char *value, const char *state, const char *message, void *userdata) {
        unsigned *n = userdata;

        *n += streq(state, "degraded") || streq(state, "failed") || streq(state, "unknown");
        return 0;
}

/* The same with all that a list of jobs can show. */
static int append_queried_job(sd_bus_message *m, Manager *manager, const Job *j, size_t *size) {
        _cleanup_free_ char *copy = NULL, *tags_copy = NULL;
        const JobDef *d = j->def;
        const char *description = text_fit(d ? d->description : NULL, TEXT_IN_LIST_MAX, &copy), *tags;
        bool is_watched = d && (d->rare->path_trigger || d->rare->monitor.when || d->rare->rotate);
        char fragment[PATH_MAX];
        char path[OBJECT_PATH_MAX], joined[2 * TEXT_IN_LIST_MAX] = "";
        unsigned n_degraded = 0;
        int r;

        STRV_FOREACH(tag, d ? d->rare->tags : NULL)
                (void)snprintf(joined + strlen(joined), sizeof(joined) - strlen(joined), "%s%s", *joined ? " " : "",
                               *tag);
        tags = text_fit(joined, TEXT_IN_LIST_MAX, &tags_copy);
        if (!description || !tags)
                return -ENOMEM;
        r = is_watched ? manager_list_triggers(manager, j, count_degraded, &n_degraded) : 0;
        if (r < 0)
                return r;
        const char *const texts[] = {
                j->name,
                description,
                job_state_to_string(job_state(j)),
                d ? strempty(job_def_fragment(d, fragment)) : "",
                tags,
                run_result_to_string(j->last_result),
                job_object_path(path, j->name),
        };
        const uint64_t numbers[] = {
                (uint32_t)j->last_code,
                j->next,
                manager_next_retry(manager, j),
                j->last_start,
                j->last_end,
                j->n_runs,
                j->n_running,
                j->n_queued,
                j->skip,
                n_degraded,
                j->paused,
                j->problem != NULL,
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                *size += strlen(texts[i]);
        *size += 200;
        return append_job_row(m, QUERY_JOBS_TYPES, texts, numbers);
}

/* ListJobs and QueryJobs. */
static int list_jobs(sd_bus_message *m, Connection *c, bool all, sd_bus_error *e) {
        const JobTable *jobs = manager_jobs(c->api->manager);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        size_t size = 0;
        int r;

        r = api_new_large_reply(c, m, &reply, e);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'a', all ? "(" QUERY_JOBS_TYPES ")" : "(sssstttto)");
        for (size_t i = 0; r >= 0 && i < job_table_size(jobs); i++) {
                r = all ? append_queried_job(reply, c->api->manager, job_table_at(jobs, i), &size)
                        : append_job(reply, job_table_at(jobs, i), &size);
                if (r >= 0 && size > REPLY_SIZE_MAX)
                        return sd_bus_error_set(e, ERROR_LIMIT_REACHED,
                                                "There are too many jobs for one reply; use GetJob for single jobs.");
        }
        return api_send_list(reply, r);
}

int method_list_jobs(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return list_jobs(m, userdata, /* all= */ false, e);
}

int method_query_jobs(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return list_jobs(m, userdata, /* all= */ true, e);
}

/* --- runs --- */

typedef struct RunList {
        sd_bus_message *reply;
        bool names_files;
        unsigned n;
        uint64_t last; /* id */
} RunList;

static int append_run(const RunRecord *r, void *userdata) {
        RunList *list = userdata;
        _cleanup_free_ char *copy = NULL;
        const char *reason = text_fit(r->reason, TEXT_IN_LIST_MAX, &copy);
        char path[OBJECT_PATH_MAX];

        if (!reason)
                return -ENOMEM;
        list->n++;
        return MIN(sd_bus_message_append(list->reply, LIST_RUNS_ROW, r->id, r->job, run_cause_to_string(r->cause),
                                         run_state_to_string(r->state), run_result_to_string(r->result), reason,
                                         r->scheduled, r->requested, r->started, r->ended, r->code, r->attempt,
                                         run_object_path(path, r->id)),
                   0);
}

/* The name of the job; "" means all jobs. */
static int read_job_filter(sd_bus_message *m, const char **ret, sd_bus_error *e) {
        const char *name;
        int r;

        r = sd_bus_message_read_basic(m, 's', &name);
        if (r < 0)
                return r;
        if (strnlen(name, CLIENT_JOB_NAME_MAX + 1) > CLIENT_JOB_NAME_MAX)
                return error_about_job(e, -ENOENT, name, NULL);
        *ret = isempty(name) ? NULL : name;
        return 0;
}

static unsigned page_size(uint32_t limit) {
        return limit == 0 ? LIST_RUNS_DEFAULT : MIN(limit, LIST_RUNS_MAX);
}

int method_list_runs(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Connection *c = userdata;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        RunList list = {};
        const char *job = NULL;
        uint64_t before;
        uint32_t limit;
        int r;

        r = read_job_filter(m, &job, e);
        if (r >= 0)
                r = sd_bus_message_read(m, "tu", &before, &limit);
        if (r >= 0)
                r = api_new_large_reply(c, m, &reply, e);
        if (r < 0)
                return r;
        list.reply = reply;
        r = sd_bus_message_open_container(reply, 'a', LIST_RUNS_ROW);
        if (r >= 0)
                r = manager_list_runs(c->api->manager, job, before, page_size(limit), append_run, &list);
        if (r < 0)
                return r;
        /* The runs of a job whose file is gone can still be queried. */
        if (job && before == 0 && list.n == 0 && !job_table_get(manager_jobs(c->api->manager), job))
                return api_job_error(c, -ENOENT, job, e);
        return api_send_list(reply, r);
}

/* --- QueryRuns --- */

/* The columns of QueryRuns; with_status: and of ListLiveRuns. */
static int append_run_columns(sd_bus_message *m, const RunRecord *r, bool names_files, bool with_status) {
        _cleanup_free_ char *reason_copy = NULL, *payload_copy = NULL, *status_copy = NULL;
        const char *reason = text_fit(r->reason, TEXT_IN_LIST_MAX, &reason_copy);
        const char *status = text_fit(with_status ? r->status_text : NULL, TEXT_IN_LIST_MAX, &status_copy);
        char count[TEXT_COUNT_MAX], path[OBJECT_PATH_MAX], invocation[SD_ID128_STRING_MAX] = "";
        const char *payload = names_files ? text_fit(r->payload, TEXT_IN_LIST_MAX, &payload_copy)
                                          : text_count_of_payload(r->payload, count);

        if (!reason || !payload || !status)
                return -ENOMEM;
        if (!sd_id128_is_null(r->invocation))
                (void)sd_id128_to_string(r->invocation, invocation);
        return MIN(sd_bus_message_append(m, with_status ? LIVE_RUNS_ROW : QUERY_RUNS_ROW, r->id, r->job,
                                         run_cause_to_string(r->cause), run_state_to_string(r->state),
                                         run_result_to_string(r->result), reason, r->scheduled, r->requested,
                                         r->started, r->ended, r->code, r->attempt, run_object_path(path, r->id),
                                         strempty(r->unit), invocation, r->cpu, r->memory_peak, r->parent,
                                         strempty(r->parent_job), payload, r->files, r->bytes_freed, status),
                   0);
}

static int append_queried_run(const RunRecord *r, void *userdata) {
        RunList *list = userdata;

        list->n++;
        list->last = r->id;
        return append_run_columns(list->reply, r, list->names_files, /* with_status= */ false);
}

static const char *result_word(int i) {
        return i > RUN_RESULT_NONE && i < _RUN_RESULT_MAX ? run_result_to_string((RunResult)i) : NULL;
}

static const char *cause_word(int i) {
        return i < _RUN_CAUSE_MAX ? run_cause_to_string((RunCause)i) : NULL;
}

static int result_value(const char *word) {
        return isempty(word) ? -EINVAL : run_result_from_string(word); /* "" is what is not done yet */
}

/* Lists the possible words: those that word() returns from first on. */
static int unknown_word(sd_bus_error *e, const char *what, const char *given, int first, const char *(*word)(int i)) {
        _cleanup_free_ char *text = text_clean(given, TEXT_IN_LIST_MAX);
        char list[WORD_LIST_MAX] = "", *p = list;

        for (int i = first; word(i); i++) {
                int n = snprintf(p, (size_t)(list + sizeof(list) - p), "%s%s", p == list ? "" : ", ", word(i));

                assert(n > 0 && n < list + sizeof(list) - p);
                p += n;
        }
        return sd_bus_error_setf(e, ERROR_BAD_OPTION, "Unknown %s '%s'; possible values are: %s.", what,
                                 strempty(text), list);
}

static int read_job(sd_bus_message *m, void *ret, sd_bus_error *e) {
        LedgerFilter *f = ret;

        return read_job_filter(m, &f->job, e);
}

/* A set of words of one kind; bits: 1 << value. */
static int read_words(sd_bus_message *m, uint32_t *bits, const char *what, int (*value_of)(const char *word),
                      int first, const char *(*word_of)(int i), sd_bus_error *e) {
        const char *word;
        int r, value;

        r = sd_bus_message_enter_container(m, 'a', "s");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read_basic(m, 's', &word)) > 0) {
                value = value_of(word);
                if (value < 0)
                        return unknown_word(e, what, word, first, word_of);
                *bits |= UINT32_C(1) << value;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_results(sd_bus_message *m, void *ret, sd_bus_error *e) {
        LedgerFilter *f = ret;

        return read_words(m, &f->results, "result", result_value, RUN_RESULT_NONE + 1, result_word, e);
}

static int read_causes(sd_bus_message *m, void *ret, sd_bus_error *e) {
        LedgerFilter *f = ret;

        return read_words(m, &f->causes, "cause", run_cause_from_string, 0, cause_word, e);
}

static int read_since(sd_bus_message *m, void *ret, sd_bus_error *e) {
        LedgerFilter *f = ret;

        return sd_bus_message_read_basic(m, 't', &f->since);
}

static int read_until(sd_bus_message *m, void *ret, sd_bus_error *e) {
        LedgerFilter *f = ret;

        return sd_bus_message_read_basic(m, 't', &f->until);
}

static const Option run_filters[] = {
        { "job", "s", read_job },     { "results", "as", read_results }, { "causes", "as", read_causes },
        { "since", "t", read_since }, { "until", "t", read_until },
};

static const OptionTable run_filter_table = {
        .kind = "Filter",
        .method = "QueryRuns",
        .list = "the filters are 'job' (s), 'results' and 'causes' (as), 'since' and 'until' (t)",
        .options = run_filters,
        .n = ELEMENTSOF(run_filters),
};

int method_query_runs(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Connection *c = userdata;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        LedgerFilter filter = {};
        RunList list = {};
        uint64_t next = 0;
        uint32_t limit;
        int r;

        r = options_read(m, &run_filter_table, &filter, e);
        if (r >= 0)
                r = sd_bus_message_read(m, "tu", &filter.before, &limit);
        if (r < 0)
                return r;
        filter.limit = page_size(limit);
        r = api_new_large_reply(c, m, &reply, e);
        if (r < 0)
                return r;
        list = (RunList){ .reply = reply, .names_files = connection_is_trusted(c) };
        r = sd_bus_message_open_container(reply, 'a', QUERY_RUNS_ROW);
        if (r >= 0)
                r = manager_query_runs(c->api->manager, &filter, append_queried_run, &list, &next);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r < 0)
                return r;
        if (list.n == filter.limit) /* the ledger says 0 then */
                next = list.last;
        r = sd_bus_message_append_basic(reply, 't', &next);
        return r < 0 ? r : sd_bus_message_send(reply);
}

static int append_live_run(const RunRecord *r, void *userdata) {
        const RunList *list = userdata;

        return append_run_columns(list->reply, r, list->names_files, /* with_status= */ true);
}

int method_list_live_runs(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Connection *c = userdata;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        RunList list = {};
        uint32_t limit;
        int r;

        r = sd_bus_message_read_basic(m, 'u', &limit);
        if (r >= 0)
                r = api_new_large_reply(c, m, &reply, e);
        if (r < 0)
                return r;
        list = (RunList){ .reply = reply, .names_files = connection_is_trusted(c) };
        r = sd_bus_message_open_container(reply, 'a', LIVE_RUNS_ROW);
        if (r >= 0)
                r = manager_list_live_runs(c->api->manager, page_size(limit), append_live_run, &list);
        return api_send_list(reply, r);
}

/* --- alarms --- */

typedef struct AlarmList {
        sd_bus_message *reply;
        size_t size;
} AlarmList;

static int append_alarm(const LedgerAlarm *alarm, void *userdata) {
        AlarmList *list = userdata;
        _cleanup_free_ char *key_copy = NULL, *text_copy = NULL;
        const char *key = text_fit(alarm->key, TEXT_IN_LIST_MAX, &key_copy);
        const char *text = text_fit(alarm->text, TEXT_IN_LIST_MAX, &text_copy);

        if (!key || !text)
                return -ENOMEM;
        list->size += 64 + strlen(alarm->job) + strlen(key) + strlen(text);
        if (list->size > REPLY_SIZE_MAX)
                return -ENOBUFS;
        return MIN(sd_bus_message_append(list->reply, "(sstts)", alarm->job, key, alarm->raised, alarm->run, text), 0);
}

int method_list_alarms(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Connection *c = userdata;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *job = NULL;
        AlarmList list = {};
        int r;

        r = read_job_filter(m, &job, e);
        if (r < 0)
                return r;
        if (job && !job_table_get(manager_jobs(c->api->manager), job))
                return api_job_error(c, -ENOENT, job, e);
        r = api_new_large_reply(c, m, &reply, e);
        if (r < 0)
                return r;
        list.reply = reply;
        r = sd_bus_message_open_container(reply, 'a', "(sstts)");
        if (r < 0)
                return r;
        r = manager_list_alarms(c->api->manager, job, append_alarm, &list);
        if (r == -ENOBUFS)
                return sd_bus_error_set(e, ERROR_LIMIT_REACHED,
                                        "There are too many alarms for one reply; query single jobs.");
        return api_send_list(reply, r);
}

/* --- pools --- */

int method_list_pools(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Connection *c = userdata;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = api_new_large_reply(c, m, &reply, e);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'a', "(suuu)");
        for (size_t i = 0; r >= 0 && i < manager_n_pools(c->api->manager); i++) {
                PoolState pool = manager_get_pool(c->api->manager, i);

                r = sd_bus_message_append(reply, "(suuu)", pool.name, pool.slots, pool.n_running, pool.n_waiting);
        }
        return api_send_list(reply, r);
}
