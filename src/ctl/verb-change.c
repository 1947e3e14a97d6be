/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl cancel, pause, resume, reset-failed, skip, reload: verbs that change something and do not wait. With several
 * jobs each is tried; the exit status is that of the first one that failed. */

#include <poll.h>
#include <pthread.h>
#include <sys/pidfd.h>

#include "client/daemon-view.h"
#include "client/job-view.h"
#include "client/once.h"
#include "client/run-view.h"
#include "ctl/alloc.h"
#include "ctl/json.h"
#include "ctl/local-zone.h"
#include "ctl/relative-time.h"
#include "ctl/view-json.h"
#include "ctl/view-text.h"

/* What is done for one argument; its result is appended for --json. */
typedef int (*ArgumentFunction)(Ctl *c, const char *argument, json_object *array, void *userdata);

static int for_each_argument(Ctl *c, char **args, ArgumentFunction f, void *userdata) {
        _cleanup_(json_putp) json_object *array = json_new_array();
        int ret = CTL_DONE;

        for (; *args; args++) {
                int r;

                ctl_about_argument(*args);
                r = f(c, *args, array, userdata);
                ctl_error_ends(r);
                ret = ret ?: r;
                if (r == CTL_NO_DAEMON)
                        return r;
        }
        if (c->json)
                json_print(json_object_get(array));
        return ret;
}

static void append_pause(json_object *array, const char *job, bool paused, usec_t until) {
        json_object *o = json_new_object();

        json_add_string(o, "job", job);
        json_add_bool(o, "paused", paused);
        json_add_time(o, "until_usec", until);
        json_append(array, o);
}

/* until: µs of CLOCK_REALTIME, USEC_INFINITY: until it is resumed. */
static int pause_job(Ctl *c, const char *job, json_object *array, void *until_usec) {
        static const MethodCall pause_now = { .member = "Pause", .changes = true };
        static const MethodCall pause_until = { .member = "PauseUntil", .changes = true };
        _cleanup_free_ char *look_at = alloc_format("vaktctl status %s", job);
        usec_t until = *(const usec_t *)until_usec;
        char when[LOCAL_TIME_TEXT_MAX];
        int r;

        r = until == USEC_INFINITY ? ctl_call(c, &pause_now, look_at, "s", job)
                                   : ctl_call(c, &pause_until, look_at, "st", job, until);
        if (r != 0)
                return r;
        append_pause(array, job, /* paused= */ true, until);
        if (until == USEC_INFINITY)
                ctl_say(c, stdout, _("Job %s is paused: no trigger starts it until 'vaktctl resume %s'."), job, job);
        else
                ctl_say(c, stdout, _("Job %s is paused until %s; use 'vaktctl resume %s' to end the pause earlier."),
                        job, local_time_format(when, until), job);
        return 0;
}

static int resume_job(Ctl *c, const char *job, json_object *array, void *all_paused) {
        static const MethodCall resume = { .member = "Resume", .changes = true };
        _cleanup_free_ char *look_at = alloc_format("vaktctl status %s", job);
        int r;

        r = ctl_call(c, &resume, look_at, "s", job);
        if (r != 0)
                return r;
        append_pause(array, job, /* paused= */ false, USEC_INFINITY);
        if (!*(const bool *)all_paused)
                ctl_say(c, stdout, _("Job %s is no longer paused."), job);
        else
                ctl_say(c, stdout,
                        _("Job %s is no longer paused by name, but all jobs are paused: no trigger starts it until "
                          "'vaktctl resume --all'."),
                        job);
        return 0;
}

/* The end of a pause, which must be in the future. Returns an exit status. */
static int parse_until(const char *text, usec_t *ret) {
        usec_t now = now_realtime(), until;
        int r = local_zone_parse_time(NULL, "--until", text, now, &until);

        if (r != CTL_DONE)
                return r;
        if (until <= now) {
                char when[LOCAL_TIME_TEXT_MAX];

                ctl_complain(_("A pause must end in the future; '%s' (%s) is in the past."), text,
                             local_time_format(when, until));
                return CTL_USAGE;
        }
        *ret = until;
        return CTL_DONE;
}

static int pause_or_resume_all(Ctl *c, bool pause) {
        const MethodCall change = { .member = pause ? "PauseAll" : "ResumeAll", .changes = true };
        int r;

        r = ctl_call(c, &change, "vaktctl status", NULL);
        if (r != 0)
                return r;
        if (c->json) {
                json_object *array = json_new_array();

                append_pause(array, /* job= */ NULL, pause, USEC_INFINITY);
                return json_print(array);
        }
        ctl_say(c, stdout, "%s",
                translated(pause ? DAEMON_PAUSED
                                 : N_("All jobs are resumed; jobs that were paused by name stay paused.")));
        return CTL_DONE;
}

/* Either jobs or --all. */
static int check_all(const Ctl *c, char **args, const char *verb) {
        if (c->all != !!args[0])
                return CTL_DONE;
        ctl_complain(_("Write 'vaktctl %s JOB...' or 'vaktctl %s --all'; see 'vaktctl --help'."), verb, verb);
        return CTL_USAGE;
}

int verb_pause(Ctl *c, char **args) {
        usec_t until = USEC_INFINITY;
        int r = check_all(c, args, "pause");

        if (r == CTL_DONE && c->all && c->until) {
                ctl_complain(_("--until requires the names of jobs and cannot be combined with --all."));
                r = CTL_USAGE;
        }
        if (r == CTL_DONE && c->until)
                r = parse_until(c->until, &until);
        if (r != CTL_DONE)
                return r;
        return c->all ? pause_or_resume_all(c, /* pause= */ true) : for_each_argument(c, args, pause_job, &until);
}

int verb_resume(Ctl *c, char **args) {
        _cleanup_(daemon_view_done) DaemonView daemon = { 0 };
        int r = check_all(c, args, "resume");
        bool all_paused;

        if (r != CTL_DONE)
                return r;
        if (c->all)
                return pause_or_resume_all(c, /* pause= */ false);
        /* A daemon that is started now, or does not tell, has the jobs that the calls below tell about. */
        if (daemon_view_get(c->connection, &c->error, &daemon) < 0)
                sd_bus_error_free(&c->error);
        all_paused = daemon.paused;
        return for_each_argument(c, args, resume_job, &all_paused);
}

static int reset_job(Ctl *c, const char *job, json_object *array, void *userdata) {
        static const MethodCall reset_failed = { .member = "ResetFailed", .changes = true };
        _cleanup_free_ char *look_at = alloc_format("vaktctl status %s", job);
        json_object *o;
        int r;

        r = ctl_call(c, &reset_failed, look_at, "s", job);
        if (r != 0)
                return r;
        o = json_new_object();
        json_add_string(o, "job", job);
        json_append(array, o);
        ctl_say(c, stdout, _("Job %s: its failure, alarms and waiting retries are cleared."), job);
        return 0;
}

int verb_reset_failed(Ctl *c, char **args) {
        return for_each_argument(c, args, reset_job, NULL);
}

static int parse_count(const char *text, uint32_t *ret) {
        unsigned long long n;

        errno = 0;
        n = strtoull(text, NULL, 10);
        if (isempty(text) || strspn(text, "0123456789") != strlen(text) || errno != 0 || n > UINT32_MAX) {
                ctl_complain(_("The number of occurrences to skip must be at least 0, not '%s'."), text);
                return CTL_USAGE;
        }
        *ret = (uint32_t)n;
        return CTL_DONE;
}

int verb_skip(Ctl *c, char **args) {
        static const MethodCall skip = { .member = "Skip", .changes = true };
        _cleanup_free_ char *look_at = alloc_format("vaktctl status %s", args[0]);
        const char *job = args[0];
        uint32_t count = 1;
        int r = args[1] ? parse_count(args[1], &count) : CTL_DONE;

        if (r != CTL_DONE)
                return r;
        r = ctl_call(c, &skip, look_at, "su", job, count);
        if (r != 0)
                return r;
        if (c->json) {
                json_object *o = json_new_object();

                json_add_string(o, "job", job);
                json_add_number(o, "skip", count);
                return json_print(o);
        }
        if (count == 0)
                ctl_say(c, stdout, _("Job %s skips nothing."), job);
        else if (count == 1)
                ctl_say(c, stdout, _("Job %s skips its next occurrence; use 'vaktctl skip %s 0' to cancel that."), job,
                        job);
        else
                ctl_say(c, stdout,
                        _("Job %s skips its next %" PRIu32 " occurrences; use 'vaktctl skip %s 0' to cancel that."),
                        job, count, job);
        return CTL_DONE;
}

static int cancel_run(Ctl *c, uint64_t id, json_object *array) {
        static const MethodCall cancel = { .member = "Cancel", .changes = true };
        json_object *o;
        int r;

        r = ctl_call(c, &cancel, "vaktctl history", "t", id);
        if (r != 0)
                return r;
        o = json_new_object();
        json_add_number(o, "run", id);
        json_append(array, o);
        ctl_say(c, stdout, _("Run %" PRIu64 " is being cancelled."), id);
        return 0;
}

/* The unfinished runs of a job; the list is read completely before the first one is cancelled. */
typedef struct LiveRuns {
        uint64_t *ids;
        size_t n_ids;
        size_t n_expected;
} LiveRuns;

static int collect_live(const RunView *v, void *userdata) {
        LiveRuns *live = userdata;

        if (!run_view_is_done(v)) {
                live->ids = alloc_array(live->ids, live->n_ids + 1, sizeof(uint64_t));
                live->ids[live->n_ids++] = v->id;
        }
        return live->n_ids >= live->n_expected;
}

/* A job that was to run once, and has not begun to. */
static int remove_once(Ctl *c, const char *job, json_object *array) {
        json_object *o;
        int r = once_remove(c->connection, job, &c->error);

        if (r < 0)
                return ctl_failed(c, r, "vaktctl once");
        o = json_new_object();
        json_add(o, "run", NULL);
        json_add_string(o, "job", job);
        json_append(array, o);
        ctl_say(c, stdout, _("Job %s is removed and does not run."), job);
        return 0;
}

static int cancel_job(Ctl *c, const char *job, json_object *array) {
        _cleanup_(job_view_done) JobView v = { 0 };
        _cleanup_free_ uint64_t *ids = NULL;
        LiveRuns live = { 0 };
        int r, ret = CTL_DONE;

        r = job_view_get(c->connection, job, &c->error, &v);
        live.n_expected = (size_t)v.running + v.queued;
        if (r >= 0 && live.n_expected > 0)
                r = run_view_list(c->connection, &(RunFilter){ .job = job }, UINT32_MAX, collect_live, &live,
                                  &c->error);
        ids = live.ids;
        if (r < 0)
                return ctl_failed(c, r, NULL);
        if (live.n_ids == 0 && once_is_file(v.fragment))
                return remove_once(c, job, array);
        if (live.n_ids == 0)
                ctl_say(c, stdout, _("No run of job %s is active or waiting."), job);
        for (size_t i = 0; i < live.n_ids; i++) { /* newest first: no waiting run starts in between */
                r = cancel_run(c, ids[i], array);
                ret = ret ?: r;
        }
        return ret;
}

static int cancel_argument(Ctl *c, const char *argument, json_object *array, void *userdata) {
        return ctl_is_run_number(argument) ? cancel_run(c, strtoull(argument, NULL, 10), array)
                                           : cancel_job(c, argument, array);
}

int verb_cancel(Ctl *c, char **args) {
        return for_each_argument(c, args, cancel_argument, NULL);
}

/* The daemon that is being reloaded, for a thread that may live until the end of the program. */
static struct {
        unsigned pid;
        int fd; /* of its process */
} watched;

static int daemon_has_ended(void) {
        ctl_complain(_("vaktd (process %u) has exited; it reads all files when it is started."), watched.pid);
        ctl_error_ends(CTL_NO_DAEMON);
        return CTL_NO_DAEMON;
}

/* The thread that exits the program when the daemon exits. */
static void *watch_daemon(void *userdata) {
        struct pollfd p = { .fd = watched.fd, .events = POLLIN };

        while (poll(&p, 1, -1) <= 0)
                ;
        _exit(daemon_has_ended());
}

/* ExecReload= blocks the service manager: while it waits for a daemon that is dead, it does not start another one, and
 * the call waits in the socket for the next one. */
static int start_watching_daemon(const Ctl *c) {
        pthread_t thread;
        int r;

        if (c->daemon_pid == 0)
                return 0;
        watched.pid = c->daemon_pid;
        watched.fd = pidfd_open((pid_t)c->daemon_pid, 0);
        if (watched.fd < 0 && errno == ESRCH)
                return daemon_has_ended();
        r = watched.fd < 0 ? errno : pthread_create(&thread, NULL, watch_daemon, NULL);
        if (r > 0)
                ctl_complain(_("Cannot watch process %u: %s, ignoring."), c->daemon_pid, strerror(r));
        else
                (void)pthread_detach(thread);
        return 0;
}

int verb_reload(Ctl *c, char **args) {
        _cleanup_(rows_done) Rows d = { 0 };
        int r;

        r = start_watching_daemon(c);
        if (r != 0)
                return r;
        r = diagnostic_views_get(c->connection, /* reload= */ true, &c->error, &d);
        if (r < 0)
                return ctl_failed(c, r, "vaktctl status");
        if (c->json)
                json_print(diagnostics_json(d.diagnostics));
        /* ExecReload= writes to the log to which the daemon has written them. */
        for (size_t i = 0; !c->json && c->daemon_pid == 0 && i < d.n_items; i++)
                diagnostic_print(stderr, &d.diagnostics[i]);
        if (d.n_items > 0) {
                if (!c->json && c->daemon_pid == 0)
                        ctl_complain(
                                ngettext(
                                        "Reloaded with %zu problem: fix the files and reload again; previous versions "
                                        "stay in use until then.",
                                        "Reloaded with %zu problems: fix the files and reload again; previous "
                                        "versions stay in use until then.",
                                        d.n_items),
                                d.n_items);
                return CTL_FAILED;
        }
        ctl_say(c, stdout, _("Reloaded."));
        return CTL_DONE;
}
