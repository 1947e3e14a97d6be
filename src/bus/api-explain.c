/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The methods of org.vaktd1.Manager that explain: what a job waits for, what its [Path] matches, what is known about
 * one file. The last two return names of files in directories that the daemon can read, but perhaps not the caller:
 * they are restricted to root and the user of the daemon, whereas everybody may ask about a job. All of them use what
 * the manager has in memory; nothing is read from disk for a client. */

#include "bus/api-manager.h"
#include "bus/authorize.h"
#include "bus/errors.h"
#include "bus/text.h"

#define EXPLAIN_MAX      200   /* messages; a job may have more waiting runs than anybody wants to read about */
#define PLAN_DEFAULT     10000 /* files */
#define EXPLAIN_PATH_MAX ((size_t)64 * 1024) /* bytes; kept while the bus is asked who the caller is */

/* --- messages --- */

typedef struct Explanation {
        const Connection *connection;
        const Job *job;
        sd_bus_message *reply;
        unsigned n, n_left_out;
} Explanation;

static int append_message(const char *topic, const char *message, void *userdata) {
        Explanation *x = userdata;

        if (streq(topic, "file") && connection_problem_of(x->connection, x->job) != x->job->problem)
                message = PRIVATE_PROBLEM;
        if (x->n == EXPLAIN_MAX) {
                x->n_left_out++;
                return 0;
        }
        x->n++;
        return text_append_row(x->reply, (const char *const[]){ topic, message }, 2);
}

/* What is explained; path NULL: the job. */
typedef struct Subject {
        const Job *job;
        const char *path;
        size_t n;
} Subject;

/* The rows a(ss), of a list that is left open. */
static int append_explanation(const Connection *c, sd_bus_message *m, const Subject *s) {
        Explanation x = { .connection = c, .job = s->job, .reply = m };
        char rest[64];
        int r;

        r = sd_bus_message_open_container(m, 'a', "(ss)");
        if (r < 0)
                return r;
        r = s->path ? manager_explain_path(c->api->manager, s->job, s->path, s->n, append_message, &x)
                    : manager_explain(c->api->manager, s->job, append_message, &x);
        if (r < 0 || x.n_left_out == 0)
                return r;
        (void)snprintf(rest, sizeof(rest), "There are %u more messages.", x.n_left_out);
        return sd_bus_message_append(m, "(ss)", "queue", rest);
}

static int reply_explanation(Connection *c, sd_bus_message *m, const Subject *s, sd_bus_error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = api_new_large_reply(c, m, &reply, e);
        return r < 0 ? r : api_send_list(reply, append_explanation(c, reply, s));
}

int method_explain(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Connection *c = userdata;
        const Job *job;
        int r;

        r = api_read_job(c, m, &job, e);
        return r < 0 ? r : reply_explanation(c, m, &(Subject){ .job = job }, e);
}

/* --- files --- */

/* Reads the name of a job that watches files, or has_marks: logs. */
static int read_watching_job(const Connection *c, sd_bus_message *m, bool has_marks, const Job **ret,
                             sd_bus_error *e) {
        const Job *job;
        int r;

        r = api_read_job(c, m, &job, e);
        if (r < 0)
                return r;
        has_marks = has_marks && job->def && job->def->rare->rotate;
        r = !job->def                                     ? -ENOEXEC
            : !job->def->rare->path_trigger && !has_marks ? -ENODATA
            : !job->def->enabled                          ? -EBADF
                                                          : 0;
        if (r < 0)
                return api_job_error(c, r, job->name, e);
        *ret = job;
        return 0;
}

/* The bytes belong to the message and are not NUL-terminated. */
static int read_path(sd_bus_message *m, const char **ret, size_t *ret_n, sd_bus_error *e) {
        const void *bytes;
        size_t n;
        int r;

        r = sd_bus_message_read_array(m, 'y', &bytes, &n);
        if (r < 0)
                return r;
        if (n == 0 || n > EXPLAIN_PATH_MAX || *(const char *)bytes != '/' || memchr(bytes, '\0', n))
                return sd_bus_error_setf(e, ERROR_BAD_OPTION,
                                         "A file must be an absolute path of at most %zu bytes without NUL.",
                                         EXPLAIN_PATH_MAX);
        *ret = bytes;
        *ret_n = n;
        return 0;
}

static int explain_path_authorized(Connection *c, sd_bus_message *m, sd_bus_error *e) {
        _cleanup_free_ char *path = NULL;
        const char *bytes = NULL;
        Subject s = {};
        int r;

        r = read_watching_job(c, m, /* has_marks= */ true, &s.job, e);
        if (r >= 0)
                r = read_path(m, &bytes, &s.n, e);
        if (r < 0)
                return r;
        path = strndup(bytes, s.n);
        if (!path)
                return -ENOMEM;
        s.path = path;
        return reply_explanation(c, m, &s, e);
}

int method_explain_path(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const char *job, *path;
        size_t n;
        int r;

        r = api_read_job_name(m, &job, e);
        if (r >= 0)
                r = read_path(m, &path, &n, e);
        if (r < 0)
                return r;
        r = sd_bus_message_rewind(m, /* complete= */ true);
        return r < 0 ? r : authorize(userdata, m, &(Permission){ .next = explain_path_authorized }, e);
}

/* --- what is matched --- */

typedef struct Plan {
        sd_bus_message *reply;
        uint32_t left;  /* files that may still be listed */
        size_t size;    /* bytes of the listed ones in the message */
        uint64_t total; /* of the listed ones */
} Plan;

static int append_file(const char *path, size_t n, void *userdata) {
        Plan *p = userdata;

        if (p->left == 0)
                return 1;
        p->size += sizeof(uint32_t) + ((n + 3) & ~(size_t)3); /* as D-Bus lays out an array of bytes */
        if (p->size > REPLY_SIZE_MAX)
                return 1;
        p->left--;
        p->total++;
        return MIN(sd_bus_message_append_array(p->reply, 'y', path, n), 0);
}

static int plan_authorized(Connection *c, sd_bus_message *m, sd_bus_error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const Job *job = NULL;
        Plan plan = {};
        uint32_t limit;
        uint64_t most;
        int r;

        r = read_watching_job(c, m, /* has_marks= */ false, &job, e);
        if (r >= 0)
                r = sd_bus_message_read_basic(m, 'u', &limit);
        if (r >= 0)
                r = api_new_large_reply(c, m, &reply, e);
        if (r < 0)
                return r;
        plan.reply = reply;
        plan.left = limit ?: PLAN_DEFAULT;
        r = sd_bus_message_open_container(reply, 'a', "ay");
        if (r >= 0)
                r = manager_plan(c->api->manager, job, append_file, &plan, &most);
        if (r < 0)
                return r;
        if (r > 0)
                plan.total = most;
        r = sd_bus_message_close_container(reply);
        if (r < 0)
                return r;
        r = sd_bus_message_append_basic(reply, 't', &plan.total);
        return r < 0 ? r : sd_bus_message_send(reply);
}

int method_plan(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return api_authorize_job(userdata, m, /* action= */ NULL, plan_authorized, e);
}
