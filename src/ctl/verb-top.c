/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl top: a screen that follows what vaktd does. Signals of the daemon say which lists are to be read again; a
 * signal is only a hint, so that signals that are missed, or sent by somebody else, do no harm. After a reading, the
 * next one waits ten times as long as that one took, so that a busy daemon with many jobs is left nine tenths of the
 * time. Nothing is polled: a timer runs to the second at which a text on the screen becomes another one, and the
 * kernel tells when something stalls (Documentation/accounting/psi.rst).
 *
 * Calls block until the daemon replies. That is a moment, except when it hangs, which is waited for only so long; the
 * keys that send signals work meanwhile (screen.c). The daemon of another machine may be far away. */

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "client/signal-watch.h"
#include "condition/condition.h"
#include "ctl/alloc.h"
#include "ctl/screen.h"
#include "ctl/top-frame.h"
#include "ctl/view-text.h"
#include "job/run.h"
#include "util/file.h"

#define PAUSE_MIN      (20 * USEC_PER_MSEC) /* signals come in groups */
#define PAUSE_FACTOR   10
#define CONNECT_PAUSE  USEC_PER_SEC
#define PING_TIMEOUT   USEC_PER_SEC
#define PATIENCE       (5 * USEC_PER_SEC)
#define FAILURES       50
#define MONITORS_MAX   50                    /* raised ones that are looked at */
#define PAGE           10                    /* rows */
#define STALL_TRIGGER  "some 100000 2000000" /* µs of a window of two seconds; longer ones need no capability */
#define PRESSURE_FILES 3

/* What is to be read again. */
typedef enum TopNews {
        NEWS_RUNS = 1 << 0,
        NEWS_FAILED = 1 << 1,
        NEWS_JOBS = 1 << 2,
        NEWS_VALUES = 1 << 3,
        NEWS_DAEMON = 1 << 4,
        NEWS_ALL = (1 << 5) - 1,
} TopNews;

/* What a key asks for, of the row that was selected then. */
typedef struct TopAction {
        int key;
        char *job;
        uint64_t run;
} TopAction;

typedef struct Top {
        Ctl *ctl;
        TopModel model;
        Rows jobs;
        sd_event *event;
        sd_event_source *clock;   /* at what the frame says */
        sd_event_source *refresh; /* reads, or connects again */
        SignalWatch *watch;
        unsigned news;
        usec_t pause;    /* before the next reading */
        bool drawn;      /* nothing has changed since */
        TopAction asked; /* waits for an answer */
        pid_t child;     /* has the terminal; 0: there is none */
} Top;

/* --- reading --- */

static void arm(sd_event_source *s, usec_t after) {
        if (sd_event_source_get_enabled(s, NULL) > 0)
                return;
        if (sd_event_source_set_time_relative(s, after) < 0 || sd_event_source_set_enabled(s, SD_EVENT_ONESHOT) < 0)
                alloc_failed();
}

static void add_news(Top *t, unsigned news) {
        t->news |= news;
        if (t->model.lost == 0)
                arm(t->refresh, t->pause);
}

static void lose(Top *t, const char *why) {
        if (t->model.lost == 0)
                t->model.lost = now_realtime();
        top_say(&t->model.message, "%s", why);
        t->drawn = false;
        (void)sd_event_source_set_enabled(t->refresh, SD_EVENT_OFF);
        arm(t->refresh, CONNECT_PAUSE);
}

static int add_live(const RunView *v, void *userdata) {
        top_add_live(userdata, v);
        return 0;
}

static int add_failed(const RunView *v, void *userdata) {
        char outcome[RUN_OUTCOME_MAX];

        top_add_failed(userdata, v, run_view_outcome(v, outcome));
        return 0;
}

static int read_runs(Top *t) {
        top_clear(&t->model, TOP_RUNNING);
        top_clear(&t->model, TOP_QUEUED);
        return run_view_list_live(t->ctl->connection, 2 * TOP_ROWS_MAX, add_live, &t->model, &t->ctl->error);
}

static int read_failed(Top *t) {
        char *results[_RUN_RESULT_MAX + 1] = { NULL };
        size_t n = 0;

        for (RunResult i = 0; i < _RUN_RESULT_MAX; i++)
                if (run_result_is_failure(i))
                        results[n++] = (char *)run_result_to_string(i);
        top_clear(&t->model, TOP_FAILED);
        return run_view_list(t->ctl->connection, &(RunFilter){ .results = results }, FAILURES, add_failed, &t->model,
                             &t->ctl->error);
}

static int read_jobs(Top *t) {
        Rows jobs = { 0 };
        int r;

        r = job_rows_get(t->ctl->connection, &t->ctl->error, &jobs);
        if (r < 0)
                return r;
        rows_done(&t->jobs);
        t->jobs = jobs;
        top_set_jobs(&t->model, &t->jobs);
        return 0;
}

/* The monitors that are raised now, with their conditions. */
typedef struct RaisedMonitors {
        JobView jobs[MONITORS_MAX];
        Condition *conditions[MONITORS_MAX];
        size_t n;
} RaisedMonitors;

static void raised_monitors_done(RaisedMonitors *m) {
        for (size_t i = 0; i < m->n; i++) {
                job_view_done(&m->jobs[i]);
                condition_free(m->conditions[i]);
        }
}

static int read_raised(Top *t, RaisedMonitors *ret) {
        for (size_t i = 0; i < t->jobs.n_items && ret->n < MONITORS_MAX; i++) {
                JobView *v = &ret->jobs[ret->n];
                int r;

                if (!streq(t->jobs.jobs[i].state, "raised"))
                        continue;
                r = job_view_get_object(t->ctl->connection, t->jobs.jobs[i].object, &t->ctl->error, v);
                if (r == -ENOENT || r == -EIO) { /* it is gone by now */
                        sd_bus_error_free(&t->ctl->error);
                        continue;
                }
                if (r < 0)
                        return r;
                for (const PropertyWatch *w = v->watches; w && w->key && !ret->conditions[ret->n]; w++)
                        if (streq(w->key, "Monitor"))
                                (void)condition_parse(w->path, &ret->conditions[ret->n], NULL);
                ret->n++;
        }
        return 0;
}

/* "raised: disk-full", if a test of a raised monitor is true of the value; the caller frees it, NULL: none is. */
static char *raised_text(const RaisedMonitors *m, const Question *q, const ValueView *v) {
        const Reading reading = { .is_known = v->is_known, .value = v->value, .whole = v->whole };
        char limit[CONDITION_VALUE_MAX];

        for (size_t i = 0; i < m->n; i++)
                for (size_t k = 0; m->conditions[i] && k < condition_n_tests(m->conditions[i]); k++) {
                        const ConditionTest *test = condition_test(m->conditions[i], k);

                        if (question_compare(&test->question, q) == 0 &&
                            condition_test_truth(test, &reading) == TRUTH_TRUE)
                                return test->op == CONDITION_IS
                                               ? alloc_format(_("raised: %s"), m->jobs[i].name)
                                               : alloc_format(_("raised: %s (limit %s)"), m->jobs[i].name,
                                                              limit_format(limit, test));
                }
        return NULL;
}

static int read_values(Top *t) {
        _cleanup_(raised_monitors_done) RaisedMonitors raised = { .n = 0 };
        _cleanup_(rows_done) Rows values = { 0 };
        int r;

        r = value_views_get(t->ctl->connection, &t->ctl->error, &values);
        if (r >= 0)
                r = read_raised(t, &raised);
        if (r < 0)
                return r;
        top_clear(&t->model, TOP_VALUES);
        for (size_t i = 0; i < values.n_items; i++) {
                const ValueView *v = &values.values[i];
                _cleanup_free_ char *value = value_view_text(v), *text = NULL;
                Question q;

                if (!v->is_used)
                        continue;
                if (question_parse(v->probe, &q, NULL) >= 0) {
                        text = raised_text(&raised, &q, v);
                        question_done(&q);
                }
                top_add_value(&t->model, v, value, text);
        }
        return 0;
}

static int read_daemon(Top *t) {
        _cleanup_(daemon_view_done) DaemonView v = { 0 };
        int r;

        r = daemon_view_get(t->ctl->connection, &t->ctl->error, &v);
        if (r >= 0)
                top_set_daemon(&t->model, &v);
        return r;
}

/* Whether the daemon replies: in one try, so that the screen lives meanwhile. */
static int ping(Top *t) {
        const MethodCall call = {
                .interface = "org.freedesktop.DBus.Peer",
                .member = "Ping",
                .once = true,
                .timeout = PING_TIMEOUT,
        };

        return connection_call(t->ctl->connection, &call, &t->ctl->error, NULL, NULL);
}

static int read_news(Top *t) {
        static const struct {
                TopNews news;
                int (*read)(Top *t);
        } readers[] = {
                { NEWS_JOBS, read_jobs },     { NEWS_VALUES, read_values }, { NEWS_RUNS, read_runs },
                { NEWS_FAILED, read_failed }, { NEWS_DAEMON, read_daemon },
        };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(readers); i++)
                if (t->news & readers[i].news) {
                        t->news &= ~(unsigned)readers[i].news;
                        r = readers[i].read(t);
                }
        return MIN(r, 0);
}

static int on_refresh(sd_event_source *s, uint64_t usec, void *userdata) {
        usec_t begin = now_clock(CLOCK_MONOTONIC), took;
        Top *t = userdata;
        int r;

        r = t->model.lost > 0 ? ping(t) : 0;
        if (r >= 0 && t->model.lost > 0) {
                t->model.lost = 0;
                t->news = NEWS_ALL;
                top_say(&t->model.message, _("Connected again."));
        }
        if (r >= 0)
                r = read_news(t);
        t->drawn = false;
        top_settle(&t->model);
        if (r < 0) {
                lose(t, t->ctl->error.message);
                sd_bus_error_free(&t->ctl->error);
                return 0;
        }
        took = now_clock(CLOCK_MONOTONIC) - begin;
        t->pause = MAX(PAUSE_FACTOR * took, PAUSE_MIN);
        return 0;
}

/* --- signals --- */

static void on_signal(sd_bus_message *m, void *userdata) {
        static const struct {
                const char *member, *path; /* NULL: any */
                unsigned news;
        } table[] = {
                { "PropertiesChanged", VAKTD_PATH "/run/", NEWS_RUNS },
                { "PropertiesChanged", VAKTD_PATH "/job/", NEWS_JOBS | NEWS_VALUES },
                { "PropertiesChanged", NULL, NEWS_DAEMON },
                { "RunStarted", NULL, NEWS_RUNS },
                { "RunFinished", NULL, NEWS_RUNS | NEWS_FAILED },
                { "JobNew", NULL, NEWS_JOBS },
                { "JobRemoved", NULL, NEWS_JOBS },
                { "Reloaded", NULL, NEWS_JOBS | NEWS_VALUES },
                { "ValuesChanged", NULL, NEWS_VALUES },
        };
        const char *path = strempty(sd_bus_message_get_path(m));

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (streq_ptr(sd_bus_message_get_member(m), table[i].member) &&
                    (!table[i].path || startswith(path, table[i].path))) {
                        add_news(userdata, table[i].news);
                        return;
                }
}

static void on_lost(void *userdata) {
        lose(userdata, _("The connection to vaktd was lost."));
}

/* --- pressure --- */

static const char *const pressure_files[PRESSURE_FILES] = {
        "/proc/pressure/cpu",
        "/proc/pressure/io",
        "/proc/pressure/memory",
};

static void read_pressure(TopModel *m) {
        m->has_pressure = true;
        for (size_t i = 0; i < PRESSURE_FILES; i++) {
                _cleanup_close_ int fd = open(pressure_files[i], O_RDONLY | O_CLOEXEC);
                char text[256] = "";
                double average;

                if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 || sscanf(text, "some avg10=%lf", &average) != 1)
                        m->has_pressure = false;
                else
                        m->pressure[i] = (int)average;
        }
}

static int on_stall(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Top *t = userdata;

        if (revents & (EPOLLERR | EPOLLHUP))
                return sd_event_source_set_enabled(s, SD_EVENT_OFF);
        t->drawn = false;
        return 0;
}

/* Without permission, or on an old kernel, the pressure is that of the last change on the screen. */
static void watch_pressure(Top *t) {
        for (size_t i = 0; i < PRESSURE_FILES; i++) {
                int fd = open(pressure_files[i], O_RDWR | O_NONBLOCK | O_CLOEXEC);
                sd_event_source *s = NULL;

                if (fd < 0)
                        continue;
                if (write(fd, STALL_TRIGGER, sizeof(STALL_TRIGGER)) < 0 ||
                    sd_event_add_io(t->event, &s, fd, EPOLLPRI, on_stall, t) < 0) {
                        (void)close(fd);
                        continue;
                }
                (void)sd_event_source_set_io_fd_own(s, true);
                (void)sd_event_source_set_floating(s, true);
                sd_event_source_unref(s);
        }
}

/* --- actions --- */

static void action_done(TopAction *a) {
        free(a->job);
        *a = (TopAction){ 0 };
}

/* Reports how an action went; done: what to say if it succeeded. */
static void report(Top *t, int r, const char *done) {
        if (r < 0)
                top_say(&t->model.message, "%s", t->ctl->error.message);
        else
                top_say(&t->model.message, "%s", done);
        sd_bus_error_free(&t->ctl->error);
}

static void do_run(Top *t, const TopAction *a) {
        _cleanup_free_ char *object = NULL, *done = NULL;
        uint64_t id = 0;
        int r;

        r = run_view_request(t->ctl->connection, a->job, NULL, /* follow= */ false, /* now= */ false, &t->ctl->error,
                             &id, &object);
        done = alloc_format(_("Run %" PRIu64 " of job %s was requested."), id, a->job);
        report(t, r, done);
}

static void do_cancel(Top *t, const TopAction *a) {
        const MethodCall call = { .member = "Cancel", .changes = true };
        _cleanup_free_ char *done = alloc_format(_("Run %" PRIu64 " of job %s is cancelled."), a->run, a->job);

        report(t, connection_call(t->ctl->connection, &call, &t->ctl->error, NULL, "t", a->run), done);
}

/* A job that runs, for example, does not show in its state that it is paused. */
static void do_pause(Top *t, const char *job) {
        _cleanup_(job_view_done) JobView v = { 0 };
        _cleanup_free_ char *done = NULL;
        MethodCall call = { .changes = true };
        int r;

        r = job_view_get(t->ctl->connection, job, &t->ctl->error, &v);
        if (r >= 0) {
                call.member = v.paused ? "Resume" : "Pause";
                done = alloc_format(v.paused ? _("Job %s is resumed.") : _("Job %s is paused."), job);
                r = connection_call(t->ctl->connection, &call, &t->ctl->error, NULL, "s", job);
        }
        report(t, r, done);
}

static void do_why(Top *t, const char *job) {
        _cleanup_(rows_done) Rows pairs = { 0 };
        int r;

        r = job_explanation_get(t->ctl->connection, job, NULL, &t->ctl->error, &pairs);
        if (r < 0)
                report(t, r, NULL);
        else
                top_open_pane(&t->model, job, &pairs);
}

/* The other program has ended; a key brings the screen back, so that its last lines can be read. */
static int on_child(sd_event_source *s, const siginfo_t *si, void *userdata) {
        Top *t = userdata;
        bool closed;

        (void)si;
        t->child = 0;
        (void)signal(SIGINT, SIG_DFL);
        (void)signal(SIGQUIT, SIG_DFL);
        fputs(_("\nPress Enter to go back to vaktctl top."), stdout);
        fflush(stdout);
        while (getchar() != '\n' && !feof(stdin))
                ;
        if (feof(stdin) || screen_open() < 0)
                return sd_event_exit(t->event, CTL_DONE);
        while (screen_read_key(&closed) != KEY_NONE)
                ;
        t->drawn = false;
        sd_event_source_unref(s);
        return 0;
}

/* Shows the output of a run with vaktctl log, which gets the terminal. */
static void do_follow(Top *t, const char *job, uint64_t run) {
        _cleanup_free_ char *what = run > 0 ? alloc_format("%" PRIu64, run) : alloc_string(job);
        const Ctl *c = t->ctl;
        _cleanup_free_ char *where = c->socket    ? alloc_format("--socket=%s", c->socket)
                                     : c->host    ? alloc_format("--host=%s", c->host)
                                     : c->machine ? alloc_format("--machine=%s", c->machine)
                                                  : NULL;
        char *argv[8] = { (char *)"vaktctl", (char *)"--follow" };
        size_t n = 2;
        posix_spawnattr_t attr;
        sigset_t none;
        int r;

        if (c->user)
                argv[n++] = (char *)"--user";
        if (where)
                argv[n++] = where;
        argv[n++] = (char *)"log";
        argv[n++] = what;
        screen_close();
        (void)signal(SIGINT, SIG_IGN); /* they end that program only */
        (void)signal(SIGQUIT, SIG_IGN);
        (void)sigemptyset(&none);
        (void)posix_spawnattr_init(&attr);
        (void)posix_spawnattr_setsigmask(&attr, &none);
        (void)sigaddset(&none, SIGINT);
        (void)sigaddset(&none, SIGQUIT);
        (void)posix_spawnattr_setsigdefault(&attr, &none);
        (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        r = posix_spawn(&t->child, "/proc/self/exe", NULL, &attr, argv, environ);
        (void)posix_spawnattr_destroy(&attr);
        if (r == 0 && sd_event_add_child(t->event, NULL, t->child, WEXITED, on_child, t) >= 0)
                return;
        t->child = 0;
        (void)screen_open();
        top_say(&t->model.message, _("Cannot start vaktctl log: %s."), strerror(r));
}

/* --- keys --- */

static void ask(Top *t, int key, const TopRow *row) {
        action_done(&t->asked);
        t->asked = (TopAction){ .key = key, .job = alloc_string(row->name), .run = row->run };
        if (key == 'c')
                top_say(&t->model.question, _("Cancel run %" PRIu64 " of job %s?"), row->run, row->name);
        else
                top_say(&t->model.question, _("Run job %s now?"), row->name);
}

static void answer(Top *t, int key) {
        if (key == 'y' || key == 'Y') {
                if (t->asked.key == 'c')
                        do_cancel(t, &t->asked);
                else
                        do_run(t, &t->asked);
        }
        action_done(&t->asked);
        top_say(&t->model.question, NULL);
}

/* Of the selected row. */
static void act(Top *t, int key) {
        const TopRow *row = top_selected(&t->model);

        if (!row || t->model.section == TOP_VALUES || t->model.lost > 0)
                return;
        switch (key) {
        case 'r':
                ask(t, key, row);
                break;
        case 'c':
                if (t->model.section == TOP_RUNNING || t->model.section == TOP_QUEUED)
                        ask(t, key, row);
                else
                        top_say(&t->model.message, _("Only a run that goes on or waits can be cancelled."));
                break;
        case 'p':
                do_pause(t, row->name);
                break;
        case 'f':
                do_follow(t, row->name, row->run);
                break;
        case 'w':
        case '\n':
        case '\r':
                do_why(t, row->name);
                break;
        default:
                break;
        }
}

static void on_key(Top *t, int key) {
        static const struct {
                int key;
                long by;
        } moves[] = {
                { KEY_UP, -1 },         { 'k', -1 },
                { KEY_DOWN, 1 },        { 'j', 1 },
                { KEY_PAGE_UP, -PAGE }, { KEY_PAGE_DOWN, PAGE },
                { KEY_HOME, -100000 },  { KEY_END, 100000 },
        };

        t->drawn = false;
        if (t->model.question) {
                answer(t, key);
                return;
        }
        if (t->model.lost == 0)
                top_say(&t->model.message, NULL);
        for (size_t i = 0; i < ELEMENTSOF(moves); i++)
                if (key == moves[i].key) {
                        top_move(&t->model, moves[i].by);
                        return;
                }
        if (t->model.pane_title && (key == 'q' || key == KEY_ESCAPE || key == 'w' || key == '\n' || key == '\r'))
                top_close_pane(&t->model);
        else if (key == 'q')
                (void)sd_event_exit(t->event, CTL_DONE);
        else if (!t->model.pane_title)
                act(t, key);
}

static int on_input(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        bool closed = false;
        Top *t = userdata;
        int key;

        while (t->child == 0 && (key = screen_read_key(&closed)) != KEY_NONE)
                on_key(t, key);
        return closed || (revents & EPOLLHUP) ? sd_event_exit(t->event, CTL_DONE) : 0;
}

/* --- drawing --- */

/* SIGWINCH and SIGCONT. */
static int on_screen_changed(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata) {
        Top *t = userdata;

        screen_forget();
        t->drawn = false;
        return 0;
}

static int on_clock(sd_event_source *s, uint64_t usec, void *userdata) {
        Top *t = userdata;

        t->drawn = false;
        return 0;
}

static void draw(Top *t) {
        TopStyle style = { .color = t->ctl->style.color, .utf8 = t->ctl->shows_bars };
        usec_t now = now_realtime();
        TopFrame frame;

        t->drawn = true;
        if (!ctl_is_remote(t->ctl)) /* it is that of this machine */
                read_pressure(&t->model);
        screen_size(&style.rows, &style.columns);
        top_frame_compose(&t->model, &style, now, &frame);
        screen_draw(frame.lines, frame.n);
        (void)sd_event_source_set_enabled(t->clock, SD_EVENT_OFF);
        if (frame.changes < USEC_INFINITY)
                arm(t->clock, usec_sub(frame.changes, now));
        top_frame_done(&frame);
}

/* --- the verb --- */

static int prepare(Top *t) {
        const SignalWatchOptions options = { .signalled = on_signal, .lost = on_lost, .userdata = t };
        sigset_t mask;
        int r;

        (void)sigemptyset(&mask);
        (void)sigaddset(&mask, SIGCHLD); /* as sd_event_add_child(3) requires */
        (void)sigprocmask(SIG_BLOCK, &mask, NULL);
        r = sd_event_new(&t->event);
        if (r >= 0)
                r = sd_event_add_time_relative(t->event, &t->clock, CLOCK_MONOTONIC, 0, 1, on_clock, t);
        if (r >= 0)
                r = sd_event_add_time_relative(t->event, &t->refresh, CLOCK_MONOTONIC, 0, 1, on_refresh, t);
        if (r >= 0)
                r = sd_event_source_set_enabled(t->refresh, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_io(t->event, NULL, STDIN_FILENO, EPOLLIN, on_input, t);
        if (r >= 0)
                r = sd_event_add_signal(t->event, NULL, SIGWINCH | SD_EVENT_SIGNAL_PROCMASK, on_screen_changed, t);
        if (r >= 0)
                r = sd_event_add_signal(t->event, NULL, SIGCONT | SD_EVENT_SIGNAL_PROCMASK, on_screen_changed, t);
        if (r >= 0)
                r = signal_watch_new(t->ctl->connection, t->event, &options, &t->watch);
        if (r >= 0 && !ctl_is_remote(t->ctl))
                watch_pressure(t);
        return r;
}

/* Returns the exit status. */
static int follow_daemon(Top *t) {
        int r, code = CTL_DONE;

        r = screen_open();
        while (r >= 0 && sd_event_get_exit_code(t->event, &code) < 0) {
                if (!t->drawn && t->child == 0)
                        draw(t);
                r = sd_event_run(t->event, UINT64_MAX);
        }
        screen_close();
        if (r >= 0)
                return code;
        ctl_complain(_("Cannot show the screen: %s."), strerror(-r));
        return CTL_FAILED;
}

static void top_done(Top *t) {
        t->watch = signal_watch_free(t->watch);
        t->clock = sd_event_source_disable_unref(t->clock);
        t->refresh = sd_event_source_disable_unref(t->refresh);
        t->event = sd_event_unref(t->event);
        rows_done(&t->jobs);
        action_done(&t->asked);
        top_model_done(&t->model);
}

int verb_top(Ctl *c, char **args) {
        _cleanup_(top_done) Top t = { .ctl = c, .news = NEWS_ALL, .pause = PAUSE_MIN };
        const char *problem = c->json ? _("A screen is no JSON.") : screen_problem();
        int r;

        if (problem) {
                ctl_complain(_("%s Use 'vaktctl list', 'vaktctl status' and 'vaktctl history' instead."), problem);
                return CTL_FAILED;
        }
        connection_set_interaction(c->connection, NULL, NULL); /* a question would go over the screen */
        if (!ctl_is_remote(c))
                connection_set_patience(c->connection, PATIENCE);
        r = prepare(&t);
        if (r < 0) {
                ctl_complain(_("Cannot prepare the screen: %s."), strerror(-r));
                return CTL_FAILED;
        }
        r = read_news(&t); /* before the screen is taken: if there is no daemon, that is all there is to say */
        if (r < 0)
                return ctl_failed(c, r, NULL);
        top_settle(&t.model);
        return follow_daemon(&t);
}
