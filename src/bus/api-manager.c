/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.vaktd1.Manager at /org/vaktd1, a view on core/manager.h. Every method is marked unprivileged, because we check
 * the caller ourselves (authorize.c). A method that changes something checks its arguments first, so that nothing
 * large is kept while the bus is asked for the caller, and reads them again when the call is allowed. The methods that
 * return lists are in api-lists.c, those that explain in api-explain.c. */

#include <limits.h>

#include "bus/api-manager.h"
#include "bus/authorize.h"
#include "bus/connection.h"
#include "bus/errors.h"
#include "bus/follow.h"
#include "bus/object-path.h"
#include "bus/options.h"
#include "bus/text.h"
#include "config.h"
#include "util/strv.h"

#define DIAGNOSTICS_SIZE_MAX ((size_t)16 * 1024 * 1024)
#define NEXT_ELAPSES_MAX     1000
#define FILES_KEPT_MAX       ((size_t)16 * 1024) /* bytes, of a call that waits for polkit */

typedef struct RunOptions {
        int follow, now; /* D-Bus booleans */
        char *files;
        size_t files_size, n_files;
} RunOptions;

static void run_options_done(RunOptions *o) {
        free(o->files);
}

int api_read_job_name(sd_bus_message *m, const char **ret, sd_bus_error *e) {
        const char *name;
        int r;

        r = sd_bus_message_read_basic(m, 's', &name);
        if (r < 0)
                return r;
        if (isempty(name) || strnlen(name, CLIENT_JOB_NAME_MAX + 1) > CLIENT_JOB_NAME_MAX) {
                (void)error_about_job(e, -ENOENT, name, NULL);
                return -ENOENT; /* explicitly, or gcc -O3 considers the name possibly unset */
        }
        *ret = name;
        return 0;
}

int api_job_error(const Connection *c, int error, const char *name, sd_bus_error *e) {
        const Job *j = error == -ENOEXEC ? job_table_get(manager_jobs(c->api->manager), name) : NULL;

        return error_about_job(e, error, name, j ? connection_problem_of(c, j) : NULL);
}

int api_read_job(const Connection *c, sd_bus_message *m, const Job **ret, sd_bus_error *e) {
        const char *name;
        int r;

        r = api_read_job_name(m, &name, e);
        if (r < 0)
                return r;
        *ret = job_table_get(manager_jobs(c->api->manager), name);
        return *ret ? 0 : api_job_error(c, -ENOENT, name, e);
}

/* --- reading --- */

int api_new_large_reply(Connection *c, sd_bus_message *m, sd_bus_message **ret, sd_bus_error *e) {
        if (connection_may_send_large(c) < 0)
                return sd_bus_error_set(e, ERROR_LIMIT_REACHED,
                                        "The bus has not read earlier replies yet; try again in a moment.");
        return sd_bus_message_new_method_return(m, ret);
}

int api_send_list(sd_bus_message *reply, int r) {
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_message_send(reply);
}

static int method_get_job(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const Connection *c = userdata;
        char path[OBJECT_PATH_MAX];
        const Job *job;
        int r;

        r = api_read_job(c, m, &job, e);
        return r < 0 ? r : sd_bus_reply_method_return(m, "o", job_object_path(path, job->name));
}

static int method_get_run(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const Connection *c = userdata;
        char path[OBJECT_PATH_MAX];
        uint64_t id;
        int r;

        r = sd_bus_message_read_basic(m, 't', &id);
        if (r < 0)
                return r;
        if (!manager_get_run(c->api->manager, id))
                return error_about_run(e, -ENOENT, id);
        return sd_bus_reply_method_return(m, "o", run_object_path(path, id));
}

/* The rows a(sus) of all diagnostics, or as many as fit. trusted: including the content of private files. */
static int append_diagnostics(sd_bus_message *m, const Diagnostics *d, const char *ledger_error, bool trusted) {
        size_t size = 0;
        int r;

        r = sd_bus_message_open_container(m, 'a', "(sus)");
        if (r >= 0 && ledger_error)
                r = sd_bus_message_append(m, "(sus)", "ledger", 0, ledger_error);
        for (size_t i = 0; r >= 0 && i < d->n_items; i++) {
                _cleanup_free_ char *file_copy = NULL, *message_copy = NULL;
                const char *file = text_fit(d->items[i].file, PATH_MAX, &file_copy);
                const char *message =
                        text_fit(d->items[i].is_private && !trusted ? PRIVATE_PROBLEM : d->items[i].message,
                                 TEXT_IN_LIST_MAX * 4, &message_copy);

                if (!file || !message)
                        return -ENOMEM;
                size += 32 + strlen(file) + strlen(message);
                if (size > DIAGNOSTICS_SIZE_MAX) {
                        r = sd_bus_message_append(m, "(sus)", "", 0,
                                                  "There are more problems than fit into one reply.");
                        break;
                }
                r = sd_bus_message_append(m, "(sus)", file, d->items[i].line, message);
        }
        return r;
}

/* Takes the reply over. */
static int send_diagnostics(const Connection *c, sd_bus_message *begun, const char *ledger_error, bool trusted) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = begun;

        return api_send_list(reply,
                             append_diagnostics(reply, manager_diagnostics(c->api->manager), ledger_error, trusted));
}

static int method_diagnostics(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Connection *c = userdata;
        sd_bus_message *reply;
        int r;

        r = api_new_large_reply(c, m, &reply, e);
        return r < 0 ? r : send_diagnostics(c, reply, manager_ledger_error(c->api->manager), connection_is_trusted(c));
}

static int method_next_elapses(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const Connection *c = userdata;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        usec_t elapses[NEXT_ELAPSES_MAX];
        const Job *job;
        uint32_t n;
        size_t found;
        int r;

        r = api_read_job(c, m, &job, e);
        if (r >= 0)
                r = sd_bus_message_read_basic(m, 'u', &n);
        if (r < 0)
                return r;
        found = manager_next_elapses(c->api->manager, job, elapses, MIN(n, NEXT_ELAPSES_MAX));
        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_append_array(reply, 't', elapses, found * sizeof(*elapses));
        return r < 0 ? r : sd_bus_message_send(reply);
}

/* --- Run --- */

static const OptionTable run_options;

/* Absolute paths, any bytes but NUL. */
static int read_file(sd_bus_message *m, RunOptions *o, sd_bus_error *e) {
        const void *bytes;
        char *bigger;
        size_t n;
        int r;

        r = sd_bus_message_read_array(m, 'y', &bytes, &n);
        if (r <= 0)
                return r;
        if (n == 0 || *(const char *)bytes != '/' || memchr(bytes, 0, n))
                return option_refuse(&run_options, "files", "has a path that is not absolute or contains NUL", e);
        bigger = realloc(o->files, o->files_size + n + 1);
        if (!bigger)
                return -ENOMEM;
        memcpy(bigger + o->files_size, bytes, n);
        bigger[o->files_size + n] = '\0';
        o->files = bigger;
        o->files_size += n + 1;
        o->n_files++;
        return 1;
}

static int read_files(sd_bus_message *m, void *ret, sd_bus_error *e) {
        RunOptions *o = ret;
        int r;

        if (o->files)
                return option_refuse(&run_options, "files", "is given twice", e);
        r = sd_bus_message_enter_container(m, 'a', "ay");
        while (r > 0)
                r = read_file(m, o, e);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_follow(sd_bus_message *m, void *ret, sd_bus_error *e) {
        RunOptions *o = ret;

        return sd_bus_message_read_basic(m, 'b', &o->follow);
}

static int read_now(sd_bus_message *m, void *ret, sd_bus_error *e) {
        RunOptions *o = ret;

        return sd_bus_message_read_basic(m, 'b', &o->now);
}

static const OptionTable run_options = {
        .kind = "Option",
        .method = "Run",
        .list = "the options are 'follow' and 'now', both booleans, and 'files', an array of absolute paths, each an "
                "array of bytes without NUL",
        .options = (const Option[]){ { "follow", "b", read_follow },
                                     { "now", "b", read_now },
                                     { "files", "aay", read_files } },
        .n = 3,
};

static int read_run(sd_bus_message *m, const char **ret_job, RunOptions *ret_options, sd_bus_error *e) {
        int r;

        r = api_read_job_name(m, ret_job, e);
        return r < 0 ? r : options_read(m, &run_options, ret_options, e);
}

/* Whether output will arrive: that of a unit goes to the journal, and so that a client takes no place for nothing. */
static bool may_be_followed(const Connection *c, const RunOptions *o) {
        return o->follow && streq(manager_executor(c->api->manager), "child");
}

static int run_authorized(Connection *c, sd_bus_message *m, sd_bus_error *e) {
        const RunRecord *record;
        char path[OBJECT_PATH_MAX];
        _cleanup_(run_options_done) RunOptions o = {};
        const char *job;
        int r;

        r = read_run(m, &job, &o, e);
        if (r < 0)
                return r;
        o.follow = may_be_followed(c, &o);
        if (o.follow && followers_are_full(c->api->followers))
                return sd_bus_error_set(e, ERROR_LIMIT_REACHED,
                                        "Too many clients follow runs already; run the job without 'follow'.");
        r = manager_request(c->api->manager, job,
                            &(RunRequest){ .cause = RUN_CAUSE_MANUAL,
                                           .trigger = o.now ? RUN_TRIGGER_NOW : RUN_TRIGGER_NONE,
                                           .follow = o.follow,
                                           .files = o.files,
                                           .files_size = o.files_size,
                                           .n_files = o.n_files },
                            &record);
        if (r < 0)
                return api_job_error(c, r, job, e);
        if (o.follow && record->state != RUN_DONE) {
                r = followers_add(c->api->followers, c, m, record->id);
                if (r < 0)
                        return r;
        }
        return sd_bus_reply_method_return(m, "to", record->id, run_object_path(path, record->id));
}

/* What a run needs. The right to run a job is the right to have it run as its file says. A caller that names files,
 * does not wait for WaitFor=, or makes a new instance of a template, manages it. The output that a client can follow
 * is for root and the user of the daemon only (in units, it goes to the journal); and so is a call with more files
 * than are to be kept while polkit is asked. */
static const char *action_of_run(const Connection *c, const Job *j, const RunOptions *o) {
        if (o->files_size > FILES_KEPT_MAX || may_be_followed(c, o))
                return NULL;
        return o->files || o->now || !j ? ACTION_MANAGE : ACTION_RUN;
}

static int method_run(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        _cleanup_(run_options_done) RunOptions o = {};
        const Connection *c = userdata;
        const char *name;
        const Job *j;
        int r;

        r = read_run(m, &name, &o, e);
        if (r >= 0)
                r = sd_bus_message_rewind(m, /* complete= */ true);
        if (r < 0)
                return r;
        j = job_table_get(manager_jobs(c->api->manager), name);
        if (!j && !(job_name_is_valid(name) && strchr(name, '@'))) /* polkit is not asked about it */
                return api_job_error(c, -ENOENT, name, e);
        return authorize(userdata, m,
                         &(Permission){ .action = action_of_run(c, j, &o),
                                        .job = name,
                                        .def = j ? j->def : NULL,
                                        .of_def = true,
                                        .next = run_authorized },
                         e);
}

/* --- the other changes --- */

static int cancel_authorized(Connection *c, sd_bus_message *m, sd_bus_error *e) {
        uint64_t id;
        int r;

        r = sd_bus_message_read_basic(m, 't', &id);
        if (r < 0)
                return r;
        r = manager_cancel(c->api->manager, id);
        if (r < 0)
                return error_about_run(e, r, id);
        return sd_bus_reply_method_return(m, NULL);
}

/* Who may run a job may cancel its runs. A number that was given once belongs to this run for good. */
static int method_cancel(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        const Connection *c = userdata;
        const RunRecord *run;
        uint64_t id;
        int r;

        r = sd_bus_message_read_basic(m, 't', &id);
        if (r >= 0)
                r = sd_bus_message_rewind(m, /* complete= */ true);
        if (r < 0)
                return r;
        run = manager_get_run(c->api->manager, id);
        if (!run)
                return error_about_run(e, -ENOENT, id);
        return authorize(userdata, m,
                         &(Permission){ .action = ACTION_RUN, .job = run->job, .next = cancel_authorized }, e);
}

/* The methods that change one job, or all of them, without further arguments. */
static const struct {
        const char *member;
        int (*one)(Manager *m, const char *job);
        int (*all)(Manager *m);
} changes[] = {
        { "Pause", .one = manager_pause },
        { "Resume", .one = manager_resume },
        { "ResetFailed", .one = manager_reset_failed },
        { "PauseAll", .all = manager_pause_all },
        { "ResumeAll", .all = manager_resume_all },
};

static int change_authorized(Connection *c, sd_bus_message *m, sd_bus_error *e) {
        const char *member = sd_bus_message_get_member(m), *job;
        size_t i = 0;
        int r;

        while (!streq(changes[i].member, member))
                i++;
        if (changes[i].all) {
                r = changes[i].all(c->api->manager);
                return r < 0 ? sd_bus_error_set_errnof(e, r, "Cannot change all jobs at once: %m")
                             : sd_bus_reply_method_return(m, NULL);
        }
        r = api_read_job_name(m, &job, e);
        if (r < 0)
                return r;
        r = changes[i].one(c->api->manager, job);
        return r < 0 ? api_job_error(c, r, job, e) : sd_bus_reply_method_return(m, NULL);
}

static int pause_until_authorized(Connection *c, sd_bus_message *m, sd_bus_error *e) {
        const char *job;
        usec_t until;
        int r;

        r = api_read_job_name(m, &job, e);
        if (r >= 0)
                r = sd_bus_message_read_basic(m, 't', &until);
        if (r < 0)
                return r;
        r = manager_pause_until(c->api->manager, job, until);
        if (r == -EINVAL)
                return sd_bus_error_set(
                        e, ERROR_BAD_OPTION,
                        "A pause must end in the future, but this time is in the past; times are in µs since 1970.");
        if (r < 0)
                return api_job_error(c, r, job, e);
        return sd_bus_reply_method_return(m, NULL);
}

static int skip_authorized(Connection *c, sd_bus_message *m, sd_bus_error *e) {
        const char *job;
        uint32_t count;
        int r;

        r = api_read_job_name(m, &job, e);
        if (r >= 0)
                r = sd_bus_message_read_basic(m, 'u', &count);
        if (r < 0)
                return r;
        r = manager_skip(c->api->manager, job, count);
        if (r == -ERANGE)
                return sd_bus_error_setf(e, ERROR_LIMIT_REACHED,
                                         "At most %d occurrences can be skipped; pause the job instead.",
                                         MANAGER_SKIP_MAX);
        if (r < 0)
                return api_job_error(c, r, job, e);
        return sd_bus_reply_method_return(m, NULL);
}

int api_authorize_job(Connection *c, sd_bus_message *m, const char *action, AuthorizedFunc next, sd_bus_error *e) {
        const char *job;
        int r;

        r = api_read_job_name(m, &job, e);
        if (r >= 0)
                r = sd_bus_message_rewind(m, /* complete= */ true);
        if (r < 0)
                return r;
        if (!job_table_get(manager_jobs(c->api->manager), job)) /* polkit is not asked about it */
                return api_job_error(c, -ENOENT, job, e);
        return authorize(c, m, &(Permission){ .action = action, .job = job, .next = next }, e);
}

static int method_change(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return api_authorize_job(userdata, m, ACTION_MANAGE, change_authorized, e);
}

static int method_change_all(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return authorize(userdata, m, &(Permission){ .action = ACTION_MANAGE, .next = change_authorized }, e);
}

static int method_pause_until(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return api_authorize_job(userdata, m, ACTION_MANAGE, pause_until_authorized, e);
}

static int method_skip(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return api_authorize_job(userdata, m, ACTION_MANAGE, skip_authorized, e);
}

/* trusted: the caller may see what private files say. */
static int reload_and_reply(Connection *c, sd_bus_message *m, bool trusted, sd_bus_error *e) {
        sd_bus_message *reply;
        int r;

        r = c->api->reload ? c->api->reload(c->api->userdata) : manager_reload(c->api->manager);
        if (r == -ESHUTDOWN)
                return sd_bus_error_set(
                        e, ERROR_SHUTTING_DOWN,
                        "The files are not read because vaktd is shutting down; it reads all files when it is back.");
        if (r < 0)
                return sd_bus_error_set_errnof(e, r,
                                               "Cannot read the files, so the previous versions stay in use: %m");
        r = sd_bus_message_new_method_return(m, &reply);
        return r < 0 ? r : send_diagnostics(c, reply, NULL, trusted);
}

static int reload_authorized(Connection *c, sd_bus_message *m, sd_bus_error *e) {
        return reload_and_reply(c, m, /* trusted= */ true, e);
}

static int reload_by_polkit(Connection *c, sd_bus_message *m, sd_bus_error *e) {
        return reload_and_reply(c, m, /* trusted= */ false, e);
}

static int method_reload(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return authorize(userdata, m,
                         &(Permission){ .action = ACTION_MANAGE,
                                        .next = reload_authorized,
                                        .next_by_polkit = reload_by_polkit },
                         e);
}

/* --- properties --- */

static int get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        return sd_bus_message_append_basic(reply, 's', VAKT_VERSION);
}

static int get_started_at(sd_bus *bus, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Connection *c = userdata;

        return sd_bus_message_append(reply, "t", manager_started_at(c->api->manager));
}

/* Jobs, Running and Queued. */
static int get_number(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        Manager *m = ((const Connection *)userdata)->api->manager;
        size_t n = streq(property, "PID")       ? (size_t)getpid()
                   : streq(property, "Jobs")    ? job_table_size(manager_jobs(m))
                   : streq(property, "Running") ? manager_n_running(m)
                                                : manager_n_queued(m);

        return sd_bus_message_append(reply, "u", (uint32_t)n);
}

/* Files on disk that are newer than this are not in force. */
static int get_loaded_at(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Connection *c = userdata;

        return sd_bus_message_append(reply, "t", manager_loaded_at(c->api->manager));
}

static int get_directories(sd_bus *bus, const char *path, const char *interface, const char *property,
                           sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Connection *c = userdata;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        STRV_FOREACH(directory, manager_options(c->api->manager)->job_dirs)
                if (r >= 0)
                        r = text_append(reply, *directory, TEXT_MAX);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_unchanged(const char *path, dev_t device, ino_t inode, bool has_dropins, void *userdata) {
        _cleanup_free_ char *copy = NULL;
        const char *text = text_fit(path, TEXT_MAX, &copy);

        return text ? MIN(sd_bus_message_append(userdata, "(sttb)", text, (uint64_t)device, (uint64_t)inode,
                                                (int)has_dropins),
                          0)
                    : -ENOMEM;
}

static int get_unchanged(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Connection *c = userdata;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(sttb)");
        if (r >= 0)
                r = manager_unchanged_directories(c->api->manager, append_unchanged, reply);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_state_directory(sd_bus *bus, const char *path, const char *interface, const char *property,
                               sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Connection *c = userdata;

        return text_append(reply, manager_options(c->api->manager)->state_dir, TEXT_MAX);
}

static int get_paused(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Connection *c = userdata;

        return sd_bus_message_append(reply, "b", (int)manager_is_paused(c->api->manager));
}

static int get_executor(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *e) {
        const Connection *c = userdata;

        return sd_bus_message_append_basic(reply, 's', manager_executor(c->api->manager));
}

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),

        SD_BUS_METHOD_WITH_ARGS("ListJobs", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sssstttto)", jobs), method_list_jobs,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("QueryJobs", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(" QUERY_JOBS_TYPES ")", jobs),
                                method_query_jobs, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetJob", SD_BUS_ARGS("s", job), SD_BUS_RESULT("o", object), method_get_job,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetRun", SD_BUS_ARGS("t", id), SD_BUS_RESULT("o", object), method_get_run,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Run", SD_BUS_ARGS("s", job, "a{sv}", options), SD_BUS_RESULT("t", id, "o", run),
                                method_run, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Cancel", SD_BUS_ARGS("t", id), SD_BUS_NO_RESULT, method_cancel,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Pause", SD_BUS_ARGS("s", job), SD_BUS_NO_RESULT, method_change,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Resume", SD_BUS_ARGS("s", job), SD_BUS_NO_RESULT, method_change,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("PauseUntil", SD_BUS_ARGS("s", job, "t", until), SD_BUS_NO_RESULT, method_pause_until,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Skip", SD_BUS_ARGS("s", job, "u", count), SD_BUS_NO_RESULT, method_skip,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("PauseAll", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_change_all,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ResumeAll", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_change_all,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ResetFailed", SD_BUS_ARGS("s", job), SD_BUS_NO_RESULT, method_change,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("NextElapses", SD_BUS_ARGS("s", job, "u", n), SD_BUS_RESULT("at", elapses),
                                method_next_elapses, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("CreateOnce", SD_BUS_ARGS("s", name, "t", at, "s", text),
                                SD_BUS_RESULT("s", job, "t", next), method_create_once, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("RemoveOnce", SD_BUS_ARGS("s", job), SD_BUS_NO_RESULT, method_remove_once,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListDefinitions", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(st)", definitions),
                                method_list_definitions, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetDefinition", SD_BUS_ARGS("s", job), SD_BUS_RESULT("s", file, "s", text),
                                method_get_definition, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Explain", SD_BUS_ARGS("s", job), SD_BUS_RESULT("a(ss)", messages), method_explain,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ExplainPath", SD_BUS_ARGS("s", job, "ay", path), SD_BUS_RESULT("a(ss)", messages),
                                method_explain_path, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Plan", SD_BUS_ARGS("s", job, "u", limit), SD_BUS_RESULT("aay", paths, "t", total),
                                method_plan, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sus)", diagnostics), method_reload,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Diagnostics", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sus)", diagnostics),
                                method_diagnostics, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListRuns", SD_BUS_ARGS("s", job, "t", before, "u", limit),
                                SD_BUS_RESULT("a" LIST_RUNS_ROW, runs), method_list_runs, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("QueryRuns", SD_BUS_ARGS("a{sv}", filter, "t", before, "u", limit),
                                SD_BUS_RESULT("a" QUERY_RUNS_ROW, runs, "t", next), method_query_runs,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListLiveRuns", SD_BUS_ARGS("u", limit), SD_BUS_RESULT("a" LIVE_RUNS_ROW, runs),
                                method_list_live_runs, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListAlarms", SD_BUS_ARGS("s", job), SD_BUS_RESULT("a(sstts)", alarms),
                                method_list_alarms, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListPools", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(suuu)", pools), method_list_pools,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListValues", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(ssbxxtsb)", values), method_list_values,
                                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("QueryValues", SD_BUS_ARGS("s", probe, "t", since, "t", until, "t", grain),
                                SD_BUS_RESULT("a(ttxdxs)", buckets, "t", grain, "s", unit), method_query_values,
                                SD_BUS_VTABLE_UNPRIVILEGED),

        SD_BUS_SIGNAL_WITH_ARGS("JobNew", SD_BUS_ARGS("s", job, "o", object), 0),
        SD_BUS_SIGNAL_WITH_ARGS("JobRemoved", SD_BUS_ARGS("s", job, "o", object), 0),
        SD_BUS_SIGNAL_WITH_ARGS("RunStarted", SD_BUS_ARGS("t", id, "s", job, "o", run), 0),
        SD_BUS_SIGNAL_WITH_ARGS("RunFinished",
                                SD_BUS_ARGS("t", id, "s", job, "o", run, "s", result, "i", code, "s", reason), 0),
        SD_BUS_SIGNAL_WITH_ARGS("RunOutput", SD_BUS_ARGS("t", id, "u", stream, "ay", line), 0),
        SD_BUS_SIGNAL_WITH_ARGS("AlarmRaised", SD_BUS_ARGS("s", job, "s", key, "t", run, "s", message), 0),
        SD_BUS_SIGNAL_WITH_ARGS("AlarmCleared", SD_BUS_ARGS("s", job, "s", key), 0),
        SD_BUS_SIGNAL_WITH_ARGS("Reloaded", SD_BUS_ARGS("u", problems), 0),
        SD_BUS_SIGNAL_WITH_ARGS("ValuesChanged", SD_BUS_NO_ARGS, 0),

        SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("StartedAt", "t", get_started_at, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Executor", "s", get_executor, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("PID", "u", get_number, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("LoadedAt", "t", get_loaded_at, 0, 0),
        SD_BUS_PROPERTY("JobDirectories", "as", get_directories, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("UnchangedDirectories", "a(sttb)", get_unchanged, 0, 0),
        SD_BUS_PROPERTY("StateDirectory", "s", get_state_directory, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Jobs", "u", get_number, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Running", "u", get_number, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Queued", "u", get_number, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Paused", "b", get_paused, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),

        SD_BUS_VTABLE_END,
};

int api_manager_add(Connection *c) {
        return sd_bus_add_object_vtable(c->bus, NULL, MANAGER_PATH, "org.vaktd1.Manager", manager_vtable, c);
}
