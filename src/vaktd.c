/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The daemon: arguments, directories, signals, one event loop, and what it tells the service manager. Everything that
 * it does for its users is in core/ and below; who talks to it comes in through bus/.
 *
 * Start: settings, jobs and ledger are read, the listener and the bus client are opened, then READY=1 and only then
 * the first trigger. Stop: no new run, own children are ended, clients that have begun are answered, then the loop
 * ends. */

#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <sys/un.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "bus/bus.h"
#include "config.h"
#include "core/manager.h"
#include "trigger/kinds.h"
#include "util/file.h"
#include "util/log-messages.h"
#include "util/log.h"
#include "util/nofile.h"
#include "util/notify.h"
#include "util/places.h"
#include "util/strv.h"
#include "util/turn.h"

#define STATUS_INTERVAL_USEC USEC_PER_SEC /* between two STATUS= messages */
#define STOP_AGAIN_USEC      USEC_PER_SEC /* a signal to stop that comes later than this is meant as a second one */

/* Larger blocks of memory, as for the reply that lists all jobs, go back to the system when they are freed. */
#define LARGE_BLOCK (64 * 1024)

typedef struct Daemon {
        /* arguments */
        bool user;
        bool no_bus;
        bool check;
        int executor;
        char *config_path, *state_dir, *socket_path, *runtime_dir;
        char **job_dirs;

        sd_event *event;
        Manager *manager;
        Bus *bus;
        int listen_fd;
        Notifier *notifier; /* NULL: there is no $NOTIFY_SOCKET */
        sd_event_source *status_source;
        bool is_ready, stopping, bus_drained, runs_ended;
        usec_t stop_monotonic;
} Daemon;

/* --- arguments --- */

static void print_help(void) {
        printf("vaktd [OPTIONS...]\n\n"
               "Run jobs when they are due, or when files change.\n\n"
               "  -h --help             Show this help\n"
               "     --version          Show the version\n"
               "     --user             Run as the daemon of a user, with the directories of the user\n"
               "     --config=FILE      Read settings from FILE and FILE.d/*.conf\n"
               "     --jobs-dir=DIR     Read job files from DIR; repeatable, earlier ones take precedence\n"
               "     --state-dir=DIR    Keep persistent state in DIR\n"
               "     --socket=PATH      Listen on the control socket PATH\n"
               "     --no-bus           Serve the control socket only\n"
               "     --executor=WHICH   How runs are started: auto, unit, child\n"
               "     --check            Check settings and job files, print all problems, and exit\n\n"
               "Signals: SIGTERM and SIGINT exit, SIGHUP reads the files again, SIGUSR1 logs the state.\n"
               "Exit status: 0 success, 64 invalid command line, 69 the control socket or bus name is in\n"
               "use, 70 the event loop failed, 71 an operation of the system failed, 73 a directory could\n"
               "not be created, 78 --check found problems. See vaktd(8).\n");
}

enum {
        ARG_VERSION = 0x100,
        ARG_USER,
        ARG_CONFIG,
        ARG_JOBS_DIR,
        ARG_STATE_DIR,
        ARG_SOCKET,
        ARG_NO_BUS,
        ARG_EXECUTOR,
        ARG_CHECK,
};

static const struct option options[] = {
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, ARG_VERSION },
        { "user", no_argument, NULL, ARG_USER },
        { "config", required_argument, NULL, ARG_CONFIG },
        { "jobs-dir", required_argument, NULL, ARG_JOBS_DIR },
        { "state-dir", required_argument, NULL, ARG_STATE_DIR },
        { "socket", required_argument, NULL, ARG_SOCKET },
        { "no-bus", no_argument, NULL, ARG_NO_BUS },
        { "executor", required_argument, NULL, ARG_EXECUTOR },
        { "check", no_argument, NULL, ARG_CHECK },
        {},
};

/* A path from the command line, made absolute so that it means the same wherever the daemon goes. */
static int take_path(char **ret, const char *path) {
        _cleanup_free_ char *directory = NULL;
        char *absolute;

        if (isempty(path)) {
                fprintf(stderr, "vaktd: an option that requires a path has an empty one.\n");
                return -EINVAL;
        }
        if (path[0] == '/')
                absolute = strdup(path);
        else {
                directory = getcwd(NULL, 0);
                if (!directory || asprintf(&absolute, "%s/%s", directory, path) < 0)
                        absolute = NULL;
        }
        if (!absolute)
                return -ENOMEM;
        free(*ret);
        *ret = absolute;
        return 0;
}

static int take_executor(Daemon *d, const char *word) {
        d->executor = executor_choice_from_string(word);
        if (d->executor < 0)
                fprintf(stderr, "vaktd: --executor= takes 'auto', 'unit' or 'child', not '%s'.\n", word);
        return d->executor;
}

static int take_option(Daemon *d, int option, const char *value) {
        char *dir = NULL;
        int r;

        switch (option) {
        case ARG_USER:
                d->user = true;
                return 0;
        case ARG_NO_BUS:
                d->no_bus = true;
                return 0;
        case ARG_CHECK:
                d->check = true;
                return 0;
        case ARG_CONFIG:
                return take_path(&d->config_path, value);
        case ARG_STATE_DIR:
                return take_path(&d->state_dir, value);
        case ARG_SOCKET:
                return take_path(&d->socket_path, value);
        case ARG_JOBS_DIR:
                r = take_path(&dir, value);
                return r < 0 ? r : strv_consume(&d->job_dirs, dir);
        case ARG_EXECUTOR:
                return take_executor(d, value);
        default:
                return -EINVAL; /* getopt said what is wrong */
        }
}

/* 0 = go on, 1 = done, negative = usage. */
static int parse_arguments(Daemon *d, int argc, char *argv[]) {
        int c, r;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
                if (c == 'h') {
                        print_help();
                        return 1;
                }
                if (c == ARG_VERSION) {
                        puts("vaktd " VAKT_VERSION);
                        return 1;
                }
                r = take_option(d, c, optarg);
                if (r < 0)
                        return r;
        }
        if (optind < argc) {
                fprintf(stderr, "vaktd: unexpected argument '%s'; see vaktd --help.\n", argv[optind]);
                return -EINVAL;
        }
        return 0;
}

/* --- directories --- */

/* Where the arguments say nothing. */
static int find_directories(Daemon *d) {
        const char *state = d->user ? NULL : getenv("STATE_DIRECTORY");
        int r = 0;

        if (!d->job_dirs)
                r = places_job_dirs(d->user, &d->job_dirs);
        if (r >= 0 && !d->config_path)
                r = places_settings(d->user, &d->config_path);
        if (r >= 0 && !d->state_dir)
                r = state ? take_path(&d->state_dir, state) : places_state_dir(d->user, &d->state_dir);
        if (r >= 0 && !d->socket_path)
                r = places_socket(d->user, &d->socket_path);
        if (r == -ENXIO)
                fputs("vaktd: " PLACES_NO_HOME "\n", stderr);
        return r;
}

static int prepare_directories(Daemon *d) {
        _cleanup_free_ char *socket_directory = strdup(d->socket_path);
        int r;

        if (!socket_directory)
                return -ENOMEM;
        *strrchr(socket_directory, '/') = '\0';
        d->runtime_dir = strdup(socket_directory[0] != '\0' ? socket_directory : "/");
        if (!d->runtime_dir)
                return -ENOMEM;
        r = make_directories(d->state_dir, 0700);
        if (r < 0)
                return log_error_errno(r, "Cannot create the state directory %s: %m", d->state_dir);
        if (d->listen_fd < 0 && socket_directory[0] != '\0') {
                r = make_directories(socket_directory, 0755);
                if (r < 0)
                        return log_error_errno(r, "Cannot create the directory of the control socket, %s: %m",
                                               socket_directory);
        }
        return 0;
}

/* --- what the service manager is told --- */

static int on_status(sd_event_source *s, uint64_t usec, void *userdata) {
        Daemon *d = userdata;
        char status[MANAGER_STATUS_MAX];

        if (!d->stopping)
                notifier_send_status(d->notifier, manager_status(d->manager, status, now_realtime()));
        return 0;
}

/* The numbers change with every run; the service manager is told once a second at most. */
static void status_changed(void *userdata) {
        Daemon *d = userdata;
        int enabled;

        if (!d->status_source || !d->is_ready || sd_event_source_get_enabled(d->status_source, &enabled) < 0 ||
            enabled != SD_EVENT_OFF)
                return;
        if (sd_event_source_set_time_relative(d->status_source, STATUS_INTERVAL_USEC) >= 0)
                (void)sd_event_source_set_enabled(d->status_source, SD_EVENT_ONESHOT);
}

/* It may be next, or was, or has failed no more. */
static void job_changed(void *userdata, const Job *job) {
        status_changed(userdata);
}

static int add_status_source(Daemon *d) {
        return !d->notifier ? 0
                            : event_add_timer(d->event, &d->status_source, "status", CLOCK_MONOTONIC,
                                              STATUS_INTERVAL_USEC / 4, on_status, d);
}

static void notify_ready(Daemon *d) {
        char status[MANAGER_STATUS_MAX];

        notifier_send(d->notifier, "READY=1\nSTATUS=%s", manager_status(d->manager, status, now_realtime()));
        if (d->status_source) /* this said it all */
                (void)sd_event_source_set_enabled(d->status_source, SD_EVENT_OFF);
}

/* Every reload is told of from its beginning to its end, whatever comes of it. */
static int daemon_reload(void *userdata) {
        Daemon *d = userdata;
        int r;

        notifier_send(d->notifier, "RELOADING=1\nMONOTONIC_USEC=%" PRI_USEC "\nSTATUS=Reading job files…",
                      now_clock(CLOCK_MONOTONIC));
        r = manager_reload(d->manager);
        if (d->is_ready)
                notify_ready(d);
        return r;
}

/* --- stop --- */

static void maybe_exit(Daemon *d) {
        LogContext c = { .message_id = MESSAGE_STOPPED };

        if (!d->bus_drained || !d->runs_ended)
                return;
        log_message(LOG_INFO, &c, "Stopped.");
        (void)sd_event_exit(d->event, EX_OK);
}

static void on_runs_ended(void *userdata) {
        Daemon *d = userdata;

        d->runs_ended = true;
        maybe_exit(d);
}

static void on_bus_drained(void *userdata) {
        Daemon *d = userdata;

        d->bus_drained = true;
        maybe_exit(d);
}

static int on_stop_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata) {
        Daemon *d = userdata;

        if (d->stopping) {
                /* A terminal's Ctrl-C may come as SIGINT and, by a wrapper, as SIGTERM: that is once. */
                if (now_clock(CLOCK_MONOTONIC) < usec_add(d->stop_monotonic, STOP_AGAIN_USEC))
                        return 0;
                log_notice("Received a second signal to stop, exiting at once.");
                return sd_event_exit(d->event, EX_OK);
        }
        d->stopping = true;
        d->stop_monotonic = now_clock(CLOCK_MONOTONIC);
        /* What is known of files is written at the end, in no turn of the loop: TimeoutStopSec= is its bound, and the
         * watchdog, which a stop does not end, is not. */
        notifier_send(d->notifier, "WATCHDOG_USEC=0\nSTOPPING=1\nSTATUS=Ending runs…");
        log_debug("Got SIG%s, stopping.", strempty(sigabbrev_np((int)si->ssi_signo)));
        manager_stop(d->manager, on_runs_ended, d);
        bus_drain(d->bus, on_bus_drained, d);
        return 0;
}

static int on_reload_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata) {
        (void)daemon_reload(userdata);
        return 0;
}

static int on_dump_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata) {
        Daemon *d = userdata;

        manager_dump(d->manager);
        return 0;
}

static int add_signals(Daemon *d) {
        static const struct {
                int signal;
                sd_event_signal_handler_t handler;
        } table[] = {
                { SIGTERM, on_stop_signal },
                { SIGINT, on_stop_signal },
                { SIGHUP, on_reload_signal },
                { SIGUSR1, on_dump_signal },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                sd_event_source *s = NULL;
                int r;

                r = sd_event_add_signal(d->event, &s, table[i].signal, table[i].handler, d);
                if (r < 0)
                        return log_error_errno(r, "Cannot wait for SIG%s: %m", sigabbrev_np(table[i].signal));
                (void)sd_event_source_set_description(s, sigabbrev_np(table[i].signal));
                (void)sd_event_source_set_floating(s, true);
                sd_event_source_unref(s);
        }
        return 0;
}

/* Before anything else: a signal that comes early must wait for its handler, and a child must not be missed. */
static void block_signals(void) {
        static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD };
        sigset_t set;

        (void)sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                (void)sigaddset(&set, signals[i]);
        (void)sigprocmask(SIG_BLOCK, &set, NULL);
        (void)signal(SIGPIPE, SIG_IGN);
}

/* --- start --- */

/* The listening socket that the service manager made for us, if it did. */
static int inherited_socket(void) {
        int n = sd_listen_fds(/* unset_environment= */ true), found = -EBADF;

        for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + n; fd++) {
                if (found < 0 && sd_is_socket(fd, AF_UNIX, SOCK_STREAM, /* listening= */ 1) > 0)
                        found = fd;
                else
                        (void)close(fd);
        }
        return found;
}

static void on_ready(void *userdata, int error) {
        Daemon *d = userdata;
        LogContext c = { .message_id = MESSAGE_STARTED };
        size_t n_jobs;
        int r;

        if (d->stopping)
                return;
        if (error < 0) {
                (void)sd_event_exit(d->event, EX_UNAVAILABLE);
                return;
        }
        r = manager_start(d->manager);
        if (r < 0) {
                log_error_errno(r, "Cannot schedule the jobs: %m");
                (void)sd_event_exit(d->event, EX_OSERR);
                return;
        }
        d->is_ready = true;
        n_jobs = job_table_size(manager_jobs(d->manager));
        log_message(LOG_INFO, &c, "vaktd " VAKT_VERSION " is up: %zu job%s, control socket %s.", n_jobs,
                    PLURAL(n_jobs), d->socket_path);
        notify_ready(d);
}

static int open_manager(Daemon *d) {
        ManagerOptions o = {
                .job_dirs = d->job_dirs,
                .state_dir = d->state_dir,
                .config_path = d->config_path,
                .owner = getuid(),
                .executor = d->executor,
                .log_level = -1,
                .user_instance = d->user,
                .runtime_dir = d->runtime_dir,
                .triggers = trigger_kinds,
        };

        return manager_new(&d->manager, d->event, &o);
}

static int open_bus(Daemon *d) {
        BusOptions o = {
                .choice = d->no_bus ? BUS_NONE
                          : d->user ? BUS_USER
                                    : BUS_SYSTEM,
                .listen_fd = d->listen_fd,
                .socket_path = d->socket_path,
                .owner = getuid(),
                .ready = on_ready,
                .reload = daemon_reload,
                .userdata = d,
        };
        ManagerObserver observer = { .summary_changed = status_changed, .job_changed = job_changed, .userdata = d };
        int r;

        r = bus_new(&d->bus, d->event, d->manager, &o);
        if (r < 0)
                return r;
        d->listen_fd = -EBADF;
        return manager_observe(d->manager, &observer);
}

static int daemon_open(Daemon *d) {
        int r;

        r = sd_event_default(&d->event);
        if (r >= 0)
                r = add_signals(d);
        if (r >= 0)
                r = notifier_new(&d->notifier, d->event);
        if (r >= 0)
                r = add_status_source(d);
        if (r < 0) {
                log_error_errno(r, "Cannot set up the event loop: %m");
                return EX_OSERR;
        }
        d->listen_fd = inherited_socket();
        if (prepare_directories(d) < 0)
                return EX_CANTCREAT;
        r = open_manager(d);
        if (r < 0)
                return r == -EBUSY ? EX_UNAVAILABLE : EX_OSERR;
        return open_bus(d) < 0 ? EX_UNAVAILABLE : EX_OK;
}

static void daemon_close(Daemon *d) {
        bus_free(d->bus);
        manager_free(d->manager);
        sd_event_source_disable_unref(d->status_source);
        notifier_free(d->notifier);
        sd_event_unref(d->event);
        safe_close(d->listen_fd);
        strv_free(d->job_dirs);
        free(d->config_path);
        free(d->state_dir);
        free(d->socket_path);
        free(d->runtime_dir);
}

static int daemon_run(Daemon *d) {
        int r;

        block_signals();
        nofile_limit_raise();
        (void)mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
        log_open(LOG_TARGET_AUTO);
        r = daemon_open(d);
        if (r != EX_OK)
                return r;
        r = sd_event_loop(d->event);
        if (r < 0) {
                log_error_errno(r, "The event loop failed: %m");
                return EX_SOFTWARE;
        }
        return r;
}

/* --- check --- */

static int daemon_check(const Daemon *d) {
        _cleanup_(diagnostics_done) Diagnostics problems = {};
        int n_jobs = job_files_check(d->job_dirs, d->config_path, getuid(), NULL, NULL, &problems);

        for (size_t i = 0; i < problems.n_items; i++)
                fprintf(stderr, "%s:%u: %s\n", problems.items[i].file, problems.items[i].line,
                        problems.items[i].message);
        if (n_jobs < 0) {
                fprintf(stderr, "vaktd: cannot read the job files: %s.\n", strerror(-n_jobs));
                return EX_OSERR;
        }
        printf("%d job%s, %zu problem%s.\n", n_jobs, PLURAL(n_jobs), problems.n_items, PLURAL(problems.n_items));
        return problems.n_items > 0 ? EX_CONFIG : EX_OK;
}

int main(int argc, char *argv[]) {
        Daemon d = { .executor = -1, .listen_fd = -EBADF };
        int r;

        r = parse_arguments(&d, argc, argv);
        if (r == 0)
                r = find_directories(&d);
        else if (r > 0)
                r = -ECANCELED; /* help or version was printed */
        if (r == -ECANCELED)
                r = EX_OK;
        else if (r < 0)
                r = r == -EINVAL ? EX_USAGE : EX_OSERR;
        else
                r = d.check ? daemon_check(&d) : daemon_run(&d);
        daemon_close(&d);
        return r;
}
