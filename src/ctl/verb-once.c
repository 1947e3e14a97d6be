/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl once: a command that runs one time, at a time, when a condition holds, or both, like at(1) and systemd-run.
 * vaktd writes it down as a job and removes the job afterwards; it runs in the directory and environment of the
 * caller. Without a command: the jobs that have not run yet. */

#include <pwd.h>
#include <sys/stat.h>

#include "client/job-view.h"
#include "client/once.h"
#include "client/run-view.h"
#include "client/signal-watch.h"
#include "condition/condition.h"
#include "ctl/alloc.h"
#include "ctl/command-text.h"
#include "ctl/import.h"
#include "ctl/json.h"
#include "ctl/local-zone.h"
#include "ctl/progress-line.h"
#include "ctl/relative-time.h"
#include "ctl/view-json.h"
#include "ctl/view-text.h"
#include "util/ascii.h"

/* --- the job --- */

/* Variables of a session, of a terminal, or of a shell, which mean nothing later. A star ends a prefix. */
static bool is_passing(const char *variable) {
        static const char *const names[] = {
                "_=",
                "BASH*",
                "COLUMNS=",
                "DBUS_SESSION_BUS_ADDRESS=",
                "DISPLAY=",
                "INVOCATION_ID=",
                "JOURNAL_*",
                "LINES=",
                "LISTEN_*",
                "NOTIFY_SOCKET=",
                "OLDPWD=",
                "PWD=",
                "SHELLOPTS=",
                "SHLVL=",
                "SSH_*",
                "SUDO_*",
                "SYSTEMD_*",
                "TERM*",
                "TMUX*",
                "VAKT*",
                "WAYLAND_DISPLAY=",
                "WINDOWID=",
                "XAUTHORITY=",
                "XDG_RUNTIME_DIR=",
                "XDG_SEAT*",
                "XDG_SESSION_*",
                "XDG_VTNR=",
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                size_t n = strlen(names[i]);

                if (strncmp(variable, names[i], names[i][n - 1] == '*' ? n - 1 : n) == 0)
                        return true;
        }
        return false;
}

static bool is_variable(const char *s) {
        size_t n = strcspn(s, "=");

        for (size_t i = 0; i < n; i++)
                if (s[i] != '_' && !is_alphanumeric(s[i]))
                        return false;
        return n > 0 && s[n] == '=' && !(s[0] >= '0' && s[0] <= '9') && text_is_utf8(s);
}

/* As whom, where and with which environment the caller would have run it. */
static int put_caller(FILE *f, const Ctl *c) {
        _cleanup_free_ char *directory = getcwd(NULL, 0);
        const struct passwd *user = c->user || c->socket || getuid() == 0 ? NULL : getpwuid(getuid());
        mode_t mask = umask(0);

        (void)umask(mask);
        if (!directory) {
                ctl_complain(_("Cannot determine the working directory: %s."), strerror(errno));
                return CTL_FAILED;
        }
        fputs("[Service]\n", f);
        if (user)
                import_put(f, "User", user->pw_name);
        import_put(f, "WorkingDirectory", directory);
        fprintf(f, "UMask=%04o\n", mask);
        for (char **variable = environ; *variable; variable++)
                if (is_variable(*variable) && !is_passing(*variable))
                        import_put_assignment(f, *variable);
        return CTL_DONE;
}

static int make_text(const Ctl *c, char **words, char **ret) {
        _cleanup_free_ char *text = NULL, *command = NULL, *description = ctl_join(words);
        bool uses_shell;
        size_t size;
        FILE *f = alloc_stream_open(&text, &size);
        int r;

        command = command_text(words, &uses_shell);
        for (char *p = description; *p; p++)
                *p = (unsigned char)*p < ' ' ? ' ' : *p;
        fputs("[Job]\n", f);
        import_put(f, "Description", description);
        fputs("[Run]\n", f);
        import_put(f, uses_shell ? "Shell" : "Exec", command);
        if (c->when)
                fprintf(f, "WaitFor=%s\n", c->when); /* a percent sign of a limit needs no second one */
        r = put_caller(f, c);
        alloc_stream_close(f);
        if (r == CTL_DONE)
                *ret = TAKE_PTR(text);
        return r;
}

/* 0: as soon as the condition holds. */
static int find_time(const Ctl *c, usec_t *ret) {
        usec_t now = now_realtime(), span;
        bool is_clock = c->at && c->at[strspn(c->at, "0123456789:")] == '\0';
        char when[LOCAL_TIME_TEXT_MAX];
        int r;

        *ret = 0;
        if ((c->at && c->in) || (!c->at && !c->in && !c->when)) {
                ctl_complain(_("Say when it is to run: one of --at=TIME and --in=SPAN, or --when=CONDITION."));
                return CTL_USAGE;
        }
        if (c->in && (span_parse(c->in, &span) < 0 || span >= USEC_INFINITY - now)) {
                ctl_complain(
                        _("--in requires a time span such as '5min' or '1h 30min', see systemd.time(7), not '%s'."),
                        c->in);
                return CTL_USAGE;
        }
        if (c->in)
                *ret = now + span;
        r = c->at ? local_zone_parse_time(NULL, "--at", c->at, now, ret) : CTL_DONE;
        if (r == CTL_DONE && c->at && *ret <= now) {
                ctl_complain(_("'%s' (%s) is in the past%s%s%s."), c->at, local_time_format(when, *ret),
                             is_clock ? _("; for the next day write 'tomorrow ") : "", is_clock ? c->at : "",
                             is_clock ? "'" : "");
                return CTL_USAGE;
        }
        return r;
}

/* Here and not by the daemon, which would name a line of a text that the caller has not written. */
static int check_condition(const char *text) {
        _cleanup_(condition_freep) Condition *condition = NULL;
        ConditionError problem;
        int r = condition_parse(text, &condition, &problem);

        if (r == -ENOMEM)
                alloc_failed();
        if (r >= 0)
                return CTL_DONE;
        ctl_complain(_("Invalid condition of --when (column %zu): %s"), problem.column, problem.message);
        ctl_print_caret(text, problem.column);
        return CTL_USAGE;
}

/* --- waiting --- */

typedef struct OnceWait {
        Ctl *ctl;
        sd_event *event;
        SignalWatch *watch;
        const char *job;
        uint64_t run; /* that has begun last; 0: none */
        bool changed; /* its progress, perhaps */
        bool look;    /* something has happened */
        int result;
} OnceWait;

static void once_wait_done(OnceWait *w) {
        signal_watch_free(w->watch);
        sd_event_unref(w->event);
}

static void on_signal(sd_bus_message *m, void *userdata) {
        OnceWait *w = userdata;
        const char *job, *path = strempty(sd_bus_message_get_path(m));
        uint64_t run;

        w->look = w->look || sd_bus_message_is_signal(m, VAKTD_MANAGER, "JobRemoved") > 0;
        if (sd_bus_message_is_signal(m, VAKTD_MANAGER, "RunStarted") > 0 &&
            sd_bus_message_read(m, "ts", &run, &job) >= 0 && streq(job, strempty(w->job)))
                w->run = run;
        else if (!startswith(path, VAKTD_PATH "/run/") ||
                 strtoull(path + strlen(VAKTD_PATH "/run/"), NULL, 10) != w->run)
                return;
        w->changed = true;
}

static void show_progress(OnceWait *w) {
        _cleanup_(run_view_done) RunView v = { 0 };

        w->changed = false;
        if (run_view_get(w->ctl->connection, w->run, &w->ctl->error, &v) >= 0)
                progress_line_show(w->ctl, &v);
        else /* it has ended, or the daemon is gone, which is heard of */
                sd_bus_error_free(&w->ctl->error);
}

static void on_lost(void *userdata) {
        OnceWait *w = userdata;

        w->look = true;
}

static int once_wait_begin(OnceWait *w) {
        const SignalWatchOptions options = { .signalled = on_signal, .lost = on_lost, .userdata = w };
        int r = sd_event_new(&w->event);

        if (r >= 0)
                r = ctl_end_on_interrupt(w->event);
        if (r >= 0)
                r = signal_watch_new(w->ctl->connection, w->event, &options, &w->watch);
        if (r >= 0)
                return CTL_DONE;
        ctl_complain(_("Cannot wait for a run: %s."), strerror(-r));
        return CTL_FAILED;
}

static int report_run(const RunView *v, void *userdata) {
        OnceWait *w = userdata;
        _cleanup_free_ char *message = run_view_message(v);

        w->result = run_view_is_success(v) ? CTL_DONE : CTL_RUN_FAILED;
        if (w->ctl->json)
                json_print(run_view_json(v, /* with_object= */ true));
        if (w->result == CTL_DONE)
                ctl_say(w->ctl, stdout, "%s", message);
        else
                ctl_complain("%s", message);
        return 1;
}

/* The job is gone when its last run, which may be a retry, has ended. */
static int wait_for_job(OnceWait *w, const char *job) {
        Ctl *c = w->ctl;
        int r, code = CTL_FAILED;

        w->job = job;
        for (;;) {
                _cleanup_(job_view_done) JobView v = { 0 };

                w->look = false;
                r = job_view_get(c->connection, job, &c->error, &v);
                if (r < 0)
                        break;
                while (!w->look) {
                        if (w->changed && progress_is_wanted(c))
                                show_progress(w);
                        if (sd_event_get_exit_code(w->event, &code) >= 0 || sd_event_run(w->event, UINT64_MAX) < 0) {
                                progress_line_clear();
                                ctl_complain(_("Job %s stays; use 'vaktctl cancel %s' to remove it."), job, job);
                                return code;
                        }
                }
        }
        progress_line_clear();
        if (r != -ENOENT)
                return ctl_failed(c, r, NULL);
        sd_bus_error_free(&c->error);
        w->result = CTL_RUN_FAILED;
        r = run_view_list(c->connection, &(RunFilter){ .job = job }, 1, report_run, w, &c->error);
        return r < 0 ? ctl_failed(c, r, NULL) : w->result;
}

/* --- the verb --- */

static void report_job(const Ctl *c, const char *job, usec_t next) {
        char when[LOCAL_TIME_TEXT_MAX], from_now[RELATIVE_TIME_MAX];

        if (c->json && !c->wait) {
                json_object *o = json_new_object();

                json_add_string(o, "job", job);
                json_add_time(o, "next_usec", next);
                json_print(o);
        } else if (c->quiet && !c->json) {
                ctl_print_colored(c, COLOR_NONE, job);
                putchar('\n');
        }
        if (c->when && !c->at && !c->in)
                ctl_say(c, stdout, _("Job %s runs when %s; use 'vaktctl cancel %s' to remove it."), job, c->when, job);
        else
                ctl_say(c, stdout, _("Job %s runs at %s (%s)%s%s; use 'vaktctl cancel %s' to remove it."), job,
                        local_time_format(when, next), relative_time_format(from_now, next, now_realtime()),
                        c->when ? _(", when ") : "", strempty(c->when), job);
        fflush(stdout);
}

static int list_once(Ctl *c) {
        static const TableColumn columns[] = { { .title = N_("JOB") },
                                               { .title = N_("NEXT") },
                                               { .title = N_("STATE") },
                                               { .title = N_("COMMAND"), .shrink = SHRINK_FIRST } };
        _cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns));
        _cleanup_(rows_done) Rows rows = { 0 };
        json_object *array = json_new_array();
        int r = job_rows_get(c->connection, &c->error, &rows);

        for (size_t i = 0; r >= 0 && i < rows.n_items; i++) {
                const JobRow *row = &rows.jobs[i];
                char when[LOCAL_TIME_TEXT_MAX];
                json_object *o;

                if (!once_is_file(row->fragment))
                        continue;
                table_add(t, (const TableCell[]){ { row->name, COLOR_NONE },
                                                  { local_time_format(when, row->next), COLOR_NONE },
                                                  { row->state, job_state_color(row->state) },
                                                  { row->description, COLOR_NONE } });
                o = json_new_object();
                json_add_string(o, "job", row->name);
                json_add_time(o, "next_usec", row->next);
                json_add_string(o, "state", row->state);
                json_add_word(o, "description", row->description);
                json_append(array, o);
        }
        if (r >= 0 && c->json)
                return json_print(array);
        json_object_put(array);
        if (r < 0)
                return ctl_failed(c, r, NULL);
        if (table_size(t) > 0)
                table_print(t, stdout, &c->style);
        else
                ctl_say(c, stdout, _("No job is to run once."));
        return CTL_DONE;
}

int verb_once(Ctl *c, char **args) {
        _cleanup_(once_wait_done) OnceWait w = { .ctl = c };
        _cleanup_free_ char *text = NULL, *job = NULL;
        usec_t at, next;
        int r;

        if (!args[0] && !c->at && !c->in && !c->when && !c->name && !c->wait)
                return list_once(c);
        r = find_time(c, &at);
        if (r == CTL_DONE && !args[0]) {
                ctl_complain(_("Write the command behind '--'."));
                r = CTL_USAGE;
        }
        if (r == CTL_DONE && c->when)
                r = check_condition(c->when);
        if (r == CTL_DONE)
                r = make_text(c, args, &text);
        if (r == CTL_DONE && c->wait)
                r = once_wait_begin(&w);
        if (r != CTL_DONE)
                return r;
        r = once_create(c->connection, strempty(c->name), at, text, &c->error, &job, &next);
        if (r < 0)
                return ctl_failed(c, r, "vaktctl once");
        report_job(c, job, next);
        return c->wait ? wait_for_job(&w, job) : CTL_DONE;
}
