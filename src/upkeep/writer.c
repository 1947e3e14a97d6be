/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A signal to a number in a file may hit anybody; the service manager knows the main process of a unit, and tells how
 * a reload went. The wait for it has an end, because a job of a unit may take as long as it likes. */

#include "upkeep/writer.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-login.h>

#include "systemd/unit-connection.h"
#include "util/strv.h"

#define TELL_WAIT       (90 * USEC_PER_SEC)
#define ARGUMENTS_BYTES ((size_t)512 * 1024) /* of one execution: a fourth of what execve(2) takes */

typedef struct Talk {
        sd_event *event;
        UnitConnection *connection;
        sd_bus_slot *call;
        const RotateDef *def;
        bool is_reload, is_over;
        bool is_search; /* is there a file of the unit that could not be signalled? */
        uint32_t job;   /* of the reload; 0 until the manager has answered */
        int error;
        char **reterr;
} Talk;

static void end(Talk *t, int error, const char *unit, const char *reason) {
        t->is_over = true;
        t->error = error;
        if (error < 0)
                (void)string_format(t->reterr, "%s of %s: %s", t->is_reload ? "The reload" : "The signal", unit,
                                    reason);
}

static void next_call(Talk *t);
static void search_unit(Talk *t);

/* What the errors say about a unit that is not running. */
static bool is_not_running(const sd_bus_error *e) {
        return sd_bus_error_has_name(e, "org.freedesktop.systemd1.NoSuchProcess") ||
               sd_bus_error_has_name(e, "org.freedesktop.systemd1.UnitInactive");
}

static int on_reply(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        const char *unit, *path = NULL, *number;
        Talk *t = userdata;

        unit = t->is_reload ? t->def->reload_unit : t->def->signal_unit;
        t->call = sd_bus_slot_unref(t->call);
        if (sd_bus_message_is_method_error(m, NULL)) {
                const sd_bus_error *e = sd_bus_message_get_error(m);

                if (is_not_running(e))
                        next_call(t);
                else if (!t->is_reload && !t->is_search &&
                         sd_bus_error_has_name(e, "org.freedesktop.systemd1.NoSuchUnit"))
                        search_unit(t); /* it is not loaded: it was never started, or there is none */
                else
                        end(t, -EREMOTEIO, unit, t->is_search ? "there is no such unit" : strempty(e->message));
                return 0;
        }
        if (!t->is_reload) {
                next_call(t);
                return 0;
        }
        if (sd_bus_message_read(m, "o", &path) <= 0 || !(number = strrchr(path, '/')))
                end(t, -EBADMSG, unit, "the service manager gave no valid answer");
        else
                t->job = (uint32_t)strtoul(number + 1, NULL, 10);
        return 0;
}

/* "invalid": the unit is not active, and has no log open. */
static void on_job_removed(void *userdata, const char *unit, uint32_t job, const char *result) {
        Talk *t = userdata;

        if (t->is_over || !t->is_reload || job != t->job)
                return;
        if (streq(result, "done") || streq(result, "invalid") || streq(result, "skipped"))
                next_call(t);
        else
                end(t, -EREMOTEIO, unit, result);
}

static void call(Talk *t, const char *member, const char *unit, bool is_reload) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        t->is_reload = is_reload;
        r = is_reload ? unit_connection_new_call(t->connection, &m, MANAGER_OBJECT, MANAGER_INTERFACE, member, "ss",
                                                 unit, "replace")
                      : unit_connection_new_call(t->connection, &m, MANAGER_OBJECT, MANAGER_INTERFACE, member, "ssi",
                                                 unit, "main", (int32_t)t->def->signal);
        if (r >= 0)
                r = unit_connection_call(t->connection, &t->call, m, on_reply, t);
        if (r < 0)
                end(t, r, unit, strerror(-r));
}

static void search_unit(Talk *t) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        t->is_search = true;
        r = unit_connection_new_call(t->connection, &m, MANAGER_OBJECT, MANAGER_INTERFACE, "GetUnitFileState", "s",
                                     t->def->signal_unit);
        if (r >= 0)
                r = unit_connection_call(t->connection, &t->call, m, on_reply, t);
        if (r < 0)
                end(t, r, t->def->signal_unit, strerror(-r));
}

static void next_call(Talk *t) {
        if (t->is_reload && t->def->signal > 0)
                call(t, "KillUnit", t->def->signal_unit, /* is_reload= */ false);
        else
                end(t, 0, NULL, NULL);
}

static void on_opened(void *userdata) {
        Talk *t = userdata;

        if (t->def->reload_unit)
                call(t, "ReloadUnit", t->def->reload_unit, /* is_reload= */ true);
        else
                call(t, "KillUnit", t->def->signal_unit, /* is_reload= */ false);
}

static void on_closed(void *userdata) {
        Talk *t = userdata;

        t->call = sd_bus_slot_unref(t->call);
        end(t, -ECONNRESET, t->is_reload ? t->def->reload_unit : t->def->signal_unit,
            "the service manager closed the connection");
}

static void on_properties_changed(void *userdata, const char *unit, bool is_last, sd_bus_message *m) {
}

static void on_unit_removed(void *userdata, const char *unit) {
}

static int on_timeout(sd_event_source *s, uint64_t usec, void *userdata) {
        Talk *t = userdata;

        end(t, -ETIMEDOUT, t->def->reload_unit ?: t->def->signal_unit, "no answer of the service manager in 90 s");
        return 0;
}

static int talk(Talk *t) {
        static const UnitConnectionHandler handler = {
                .opened = on_opened,
                .closed = on_closed,
                .properties_changed = on_properties_changed,
                .job_removed = on_job_removed,
                .unit_removed = on_unit_removed,
        };
        UnitConnectionOptions options = { .is_quiet = true };
        _cleanup_free_ char *unit = NULL;
        int r;

        /* A job of the system may have User=, and still means a unit of the system. */
        options.user_instance = sd_pid_get_user_unit(0, &unit) >= 0;

        r = sd_event_new(&t->event);
        if (r >= 0)
                r = unit_connection_new(&t->connection, t->event, &options, &handler, t);
        if (r >= 0)
                r = sd_event_add_time_relative(t->event, NULL, CLOCK_MONOTONIC, TELL_WAIT, 0, on_timeout, t);
        if (r < 0)
                return r;
        unit_connection_open(t->connection);
        while (r >= 0 && !t->is_over)
                r = sd_event_run(t->event, UINT64_MAX);
        return r < 0 ? r : t->error;
}

int writer_tell(const RotateDef *def, char **reterr) {
        Talk t = { .def = def, .is_reload = def->reload_unit, .reterr = reterr };
        int r = 0;

        if (sd_booted() > 0)
                r = talk(&t);
        else
                end(&t, -EHOSTDOWN, def->reload_unit ?: def->signal_unit, "systemd does not run here");

        sd_bus_slot_unref(t.call);
        unit_connection_free(t.connection);
        sd_event_unref(t.event);
        return MIN(r, t.error);
}

/* --- scripts --- */

static int execute(const char *script, char *const *logs, size_t n, char **reterr) {
        _cleanup_free_ const char **argv = calloc(n + 5, sizeof(char *));
        posix_spawn_file_actions_t actions;
        int status = 0, r;
        pid_t pid;

        if (!argv || posix_spawn_file_actions_init(&actions) != 0)
                return -ENOMEM;
        argv[0] = "/bin/sh";
        argv[1] = "-c";
        argv[2] = script;
        argv[3] = "vakt-rotate";
        memcpy(argv + 4, logs, n * sizeof(char *));
        r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (r == 0)
                r = posix_spawn(&pid, argv[0], &actions, NULL, (char *const *)argv, environ);
        (void)posix_spawn_file_actions_destroy(&actions);
        if (r != 0)
                return -r;
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return 0;
        (void)string_format(reterr,
                            WIFEXITED(status) ? "Its script ended with exit status %d"
                                              : "Its script was killed by signal %d",
                            WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
        return -EREMOTEIO;
}

int writer_run_script(const char *script, char *const *logs, char **reterr) {
        int r = 0;

        (void)fflush(stdout); /* what it prints comes behind what we have printed */
        while (r >= 0 && *logs) {
                size_t n = 0, bytes = 0;

                while (logs[n] && (n == 0 || bytes + strlen(logs[n]) < ARGUMENTS_BYTES))
                        bytes += strlen(logs[n++]) + 1 + sizeof(char *);
                r = execute(script, logs, n, reterr);
                logs += n;
        }
        return r;
}
