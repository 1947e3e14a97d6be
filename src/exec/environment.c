/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A run of the system instance starts from a small known environment, as a service of the service manager does, and
 * not from whatever the daemon was started with: what works from a shell and fails at night is the oldest complaint
 * about schedulers. */

#include "exec/environment.h"

#include <pwd.h>

#include "util/strv.h"

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Variables that speak of the daemon itself and would mislead a run. */
static const char *const private_names[] = {
        "NOTIFY_SOCKET",  "WATCHDOG_PID",     "WATCHDOG_USEC",   "LISTEN_PID",        "LISTEN_FDS",
        "LISTEN_FDNAMES", "MAINPID",          "JOURNAL_STREAM",  "INVOCATION_ID",     "FDSTORE",
        "MANAGERPID",     "SYSTEMD_EXEC_PID", "STATE_DIRECTORY", "RUNTIME_DIRECTORY",
};

static bool name_is_private(const char *assignment) {
        for (size_t i = 0; i < ELEMENTSOF(private_names); i++) {
                const char *rest = startswith(assignment, private_names[i]);

                if (rest && *rest == '=')
                        return true;
        }
        return startswith(assignment, "VAKT_");
}

static int add_inherited(char ***l, const char *prefix) {
        STRV_FOREACH(s, environ) {
                int r;

                if (name_is_private(*s) || !startswith(*s, prefix))
                        continue;
                r = strv_extend(l, *s);
                if (r < 0)
                        return r;
        }
        return 0;
}

bool shell_is_usable(const char *shell) {
        static const char *const closed[] = { "nologin", "false", "true" };
        const char *name = strrchr(shell, '/');

        for (size_t i = 0; name && i < ELEMENTSOF(closed); i++)
                if (streq(name + 1, closed[i]))
                        return false;
        return shell[0] == '/';
}

/* Once at start: the name service is never asked while the loop runs. */
int environment_add_user(char ***l, uid_t uid) {
        const struct passwd *pw = getpwuid(uid);
        int r;

        if (!pw)
                return strv_extend(l, "HOME=/");
        r = strv_extendf(l, "HOME=%s", pw->pw_dir);
        if (r >= 0)
                r = strv_extendf(l, "USER=%s", pw->pw_name);
        if (r >= 0)
                r = strv_extendf(l, "LOGNAME=%s", pw->pw_name);
        if (r >= 0 && shell_is_usable(pw->pw_shell))
                r = strv_extendf(l, "SHELL=%s", pw->pw_shell);
        return r;
}

int environment_base(char ***ret, bool user_instance) {
        _cleanup_(strv_freep) char **l = NULL;
        int r = 0;

        if (user_instance)
                r = add_inherited(&l, "");
        else {
                /* Of a service manager it is the one that it gives to all units. */
                if (getenv("INVOCATION_ID"))
                        r = add_inherited(&l, "PATH=");
                if (r >= 0)
                        r = add_inherited(&l, "LANG");
                if (r >= 0)
                        r = add_inherited(&l, "LC_");
                if (r >= 0)
                        r = environment_add_user(&l, getuid());
        }
        if (r < 0)
                return r;
        if (!strv_env_get(l, "PATH", strlen("PATH"))) {
                r = strv_extend(&l, DEFAULT_PATH);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(l);
        return 0;
}

int environment_add_time(char ***l, const char *name, usec_t realtime) {
        time_t seconds = (time_t)(realtime / USEC_PER_SEC);
        unsigned fraction = (unsigned)(realtime % USEC_PER_SEC);
        char text[sizeof("-9223372036854775808-01-01T00:00:00")], digits[8] = "";
        struct tm tm;

        if (!gmtime_r(&seconds, &tm) || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
                return 0;
        if (fraction > 0)
                (void)snprintf(digits, sizeof(digits), ".%06u", fraction);
        return strv_extendf(l, "%s=%s%sZ", name, text, digits);
}

static int add_optional(char ***l, const char *name, const char *value) {
        return value ? strv_extendf(l, "%s=%s", name, value) : 0;
}

/* As $MONITOR_EXIT_STATUS in systemd.exec(5): the exit status, or the name of the signal. */
static int add_parent(char ***l, const RunRecord *parent) {
        int r = parent ? strv_extendf(l, "VAKT_PARENT_RESULT=%s", run_result_to_string(parent->result)) : 0;

        if (r < 0 || !parent)
                return r;
        if (parent->result == RUN_RESULT_SUCCESS || parent->result == RUN_RESULT_EXIT)
                return strv_extendf(l, "VAKT_PARENT_EXIT=%d", parent->code);
        return parent->result == RUN_RESULT_SIGNAL ? add_optional(l, "VAKT_PARENT_EXIT", sigabbrev_np(parent->code))
                                                   : 0;
}

static int add_variables(char ***l, char *const *variables) {
        int r = 0;

        STRV_FOREACH(s, variables)
                r = r < 0 ? r : strv_extend(l, *s);
        return r;
}

int environment_for_run(char ***ret, char *const *base, const ExecutionRequest *request, const char *list) {
        _cleanup_(strv_freep) char **l = NULL;
        const RunRecord *run = request->run;
        int r;

        if (base) {
                l = strv_copy(base);
                if (!l && base[0])
                        return -ENOMEM;
        }
        r = strv_extendf(&l, "VAKT_JOB=%s", run->job);
        if (r >= 0)
                r = strv_extendf(&l, "VAKT_RUN=%" PRIu64, run->id);
        if (r >= 0)
                r = strv_extendf(&l, "VAKT_CAUSE=%s", run_cause_to_string(run->cause));
        if (r >= 0)
                r = strv_extendf(&l, "VAKT_ATTEMPT=%u", run->attempt);
        if (r >= 0)
                r = environment_add_time(&l, "VAKT_SCHEDULED", run->scheduled);
        if (r >= 0 && run->parent > 0)
                r = strv_extendf(&l, "VAKT_PARENT_RUN=%" PRIu64, run->parent);
        if (r >= 0)
                r = add_optional(&l, "VAKT_PARENT_JOB", run->parent_job);
        if (r >= 0)
                r = add_parent(&l, request->parent);
        if (r >= 0)
                r = add_optional(&l, "VAKT_ALARM", run->alarm);
        if (r >= 0)
                r = add_optional(&l, "VAKT_PATHS", list);
        if (r >= 0 && request->paths && request->one_path)
                /* Whatever bytes it is made of; the precision is for who forgot the NUL. */
                r = strv_extendf(&l, "VAKT_PATH=%.*s", (int)strnlen(request->paths, request->paths_size),
                                 request->paths);
        if (r >= 0)
                r = add_variables(&l, request->variables);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l);
        return 0;
}

static usec_t read_time(const char *text) {
        unsigned fraction = 0;
        struct tm tm = {};
        const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
        time_t seconds = rest ? timegm(&tm) : -1;

        if (seconds < 0 || (*rest == '.' && sscanf(rest, ".%6u", &fraction) != 1))
                return 0;
        return (usec_t)seconds * USEC_PER_SEC + fraction;
}

void environment_read_run(char *const *environment, RunRecord *run) {
        STRV_FOREACH(s, environment) {
                const char *value;
                int cause;

                if ((value = startswith(*s, "VAKT_CAUSE=")) && (cause = run_cause_from_string(value)) >= 0)
                        run->cause = (RunCause)cause;
                else if ((value = startswith(*s, "VAKT_ATTEMPT=")))
                        run->attempt = (unsigned)MAX(strtoul(value, NULL, 10), 1UL);
                else if ((value = startswith(*s, "VAKT_SCHEDULED=")))
                        run->scheduled = read_time(value);
                else if ((value = startswith(*s, "VAKT_PARENT_RUN=")))
                        run->parent = strtoull(value, NULL, 10);
                else if ((value = startswith(*s, "VAKT_PARENT_JOB=")))
                        run->parent_job = value;
                else if ((value = startswith(*s, "VAKT_ALARM=")))
                        run->alarm = value;
                else if ((value = startswith(*s, "VAKT_PATH=")))
                        run->payload = value;
                else if (startswith(*s, "VAKT_PATHS="))
                        run->payload = "files that are no longer known";
        }
}
