/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl new: a job file with comments, from options or from the answers to three questions on a terminal. It is
 * checked before it is written by the code that the daemon uses, appears as a whole or not at all, and replaces
 * nothing. */

#include <fcntl.h>
#include <sys/stat.h>

#include "config/job-file.h"
#include "config/job-scan.h"
#include "ctl/alloc.h"
#include "ctl/command-text.h"
#include "ctl/expression.h"
#include "ctl/file-name.h"
#include "ctl/import.h"
#include "ctl/job-advice.h"
#include "ctl/json.h"
#include "ctl/local-zone.h"
#include "ctl/relative-time.h"
#include "ctl/view-text.h"
#include "util/file.h"
#include "util/places.h"
#include "util/strv.h"

#define ELAPSES_SHOWN 3

typedef struct NewJob {
        const char *name;
        ZoneCache *zones;
        usec_t now;
        const char *when_key; /* NULL: nothing starts it but a person */
        char *when, *command, *user;
        bool uses_shell;
} NewJob;

static void new_job_done(NewJob *n) {
        free(n->when);
        free(n->command);
        free(n->user);
        zone_cache_free(n->zones);
}

/* --- when --- */

/* Takes what a person writes as an answer: a path, "every 10min", a time, or a condition. */
static bool take_when(NewJob *n, const char *text) {
        _cleanup_(expression_done) Expression e = { 0 };
        _cleanup_(condition_freep) Condition *condition = NULL;
        TimeError time_error = { .column = 1, .message = "it is invalid" };
        ConditionError condition_error = { 0 };
        const char *span = startswith(text, "every ");

        if (isempty(text))
                return true;
        if (text[0] == '/')
                n->when_key = "PathChanged";
        else if (span)
                n->when_key = "OnInterval";
        else if (expression_parse(text, n->zones, /* cron= */ true, n->now, &e, &time_error) >= 0)
                n->when_key = e.cron ? "OnCron" : "OnCalendar";
        else if (condition_parse(text, &condition, &condition_error) >= 0)
                n->when_key = "When";
        else {
                ctl_complain(_("'%s' is no time (%s) and no condition (%s)."), text, time_error.message,
                             condition_error.message);
                return false;
        }
        n->when = alloc_string(span ?: text);
        return true;
}

static int take_options(const Ctl *c, NewJob *n) {
        if (!!c->calendar + !!c->path + !!c->when > 1) {
                ctl_complain(_("Only one of --calendar=, --path= and --when= can be given; add others to the file."));
                return CTL_USAGE;
        }
        if (c->calendar)
                n->when_key = expression_looks_like_cron(c->calendar) ? "OnCron" : "OnCalendar";
        else if (c->path)
                n->when_key = "PathChanged";
        else if (c->when)
                n->when_key = "When";
        if (c->path)
                n->when = file_name_from_argument(c->path);
        else if (n->when_key)
                n->when = alloc_string(c->calendar ?: c->when);
        if (n->when_key && !n->when) {
                ctl_complain("%s.", strerror(errno));
                return CTL_FAILED;
        }
        return CTL_DONE;
}

/* --- questions --- */

/* Reads an answer without blanks at its ends. NULL at the end of the input; the caller frees it. */
static char *ask(const char *question) {
        char *line = NULL;
        size_t size = 0;
        ssize_t n;

        printf("%s ", question);
        fflush(stdout);
        n = getline(&line, &size, stdin);
        if (n < 0) {
                putchar('\n');
                return mfree(line);
        }
        while (n > 0 && strchr(" \t\r\n", line[n - 1]))
                line[--n] = '\0';
        memmove(line, line + strspn(line, " \t"), strlen(line + strspn(line, " \t")) + 1);
        return line;
}

/* At most three questions; one whose answer means nothing is repeated. */
static bool ask_all(const Ctl *c, NewJob *n) {
        bool has_when = n->when_key, is_known = has_when;

        while (isempty(n->command)) {
                free(n->command);
                n->command = ask(_("What is to be run (a command)?"));
                if (!n->command)
                        return false;
        }
        n->uses_shell = command_wants_shell(n->command);
        while (!is_known) {
                _cleanup_free_ char *answer =
                        ask(_("When (Mon 05:30; every 10min; /a/path; load1 > 8; empty: by hand)?"));

                if (!answer)
                        return false;
                is_known = take_when(n, answer);
        }
        if (!c->user)
                n->user = ask(_("As which user (empty: root)?"));
        return c->user || n->user;
}

/* --- the file --- */

static const char *section_of(const char *when_key) {
        return streq(when_key, "PathChanged") ? "Path" : streq(when_key, "When") ? "Monitor" : "Timer";
}

static void put_when(FILE *f, const NewJob *n) {
        const char *section = section_of(n->when_key);

        fprintf(f, "\n[%s]\n", section);
        if (streq(section, "Monitor")) /* a percent sign of a limit needs no second one */
                fprintf(f, "%s=%s\n# It must hold for so long:\n#ForSec=1min\n", n->when_key, n->when);
        else {
                import_put(f, n->when_key, n->when);
                fputs(streq(section, "Path") ? "# Wait until changes have settled, so that they are one run:\n"
                                               "#SettleSec=2s\n"
                                             : "# Run once if the machine was off at that time:\n#CatchUp=once\n",
                      f);
        }
}

/* The caller frees it. */
static char *make_text(const NewJob *n, const char *path) {
        char *text = NULL;
        size_t size;
        FILE *f = alloc_stream_open(&text, &size);

        fprintf(f,
                "# Made by 'vaktctl new'; vaktd.job(5) describes all keys. After a change of this file:\n"
                "#   vaktctl check %s\n#   vaktctl reload\n\n"
                "[Job]\n#Description=What it is for\n# A job to run when this one has failed:\n#OnFailure=NAME\n",
                path);
        if (n->when_key)
                put_when(f, n);
        fputs("\n[Run]\n", f);
        import_put(f, n->uses_shell ? "Shell" : "Exec", n->command);
        fputs("# End a run that takes longer:\n#TimeoutSec=1h\n# Try again after a failure:\n#Retry=3\n", f);
        if (!isempty(n->user)) {
                fputs("\n[Service]\n", f);
                import_put(f, "User", n->user);
        }
        alloc_stream_close(f);
        return text;
}

/* Reports what is wrong with the text. Returns an exit status. */
static int check_text(const Ctl *c, NewJob *n, char *path, char *text, JobDef **ret) {
        _cleanup_(diagnostics_done) Diagnostics d = { 0 };
        JobFileContext context = {
                .host = "localhost",
                .zones = n->zones,
                .now = n->now,
                .target = c->user ? LOADER_FOR_USER_UNITS : LOADER_FOR_ANY,
        };
        JobText job = { .path = path, .bytes = text, .n = strlen(text) };

        if (job_file_build(n->name, &context, &job, 1, &d, ret) == -ENOMEM)
                alloc_failed();
        for (size_t i = 0; i < d.n_items; i++)
                ctl_complain("%s", d.items[i].message);
        if (!*ret)
                ctl_complain(_("Nothing was written."));
        return *ret ? CTL_DONE : CTL_FAILED;
}

/* Whether a job has that name in any of the directories; the first one is looked at when it is written. */
static bool name_is_taken(const Ctl *c, const char *name, const char *directory) {
        _cleanup_(strv_freep) char **dirs = NULL;

        if (places_job_dirs(c->user, &dirs) == -ENOMEM)
                alloc_failed();
        STRV_FOREACH(d, dirs) {
                _cleanup_free_ char *path = alloc_format("%s/%s" JOB_SUFFIX, *d, name);

                if (!c->output && !streq(*d, directory) && access(path, F_OK) >= 0) {
                        ctl_complain(_("There is a job %s already: %s. Choose another name."), name, path);
                        return true;
                }
        }
        return false;
}

static int write_job(const NewJob *n, const char *directory, const char *path, const char *text) {
        _cleanup_free_ char *name = alloc_format("%s" JOB_SUFFIX, n->name), *reason = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r = make_directories(directory, 0755);

        if (r >= 0)
                r = fd = directory_open(AT_FDCWD, directory, getuid(), &reason);
        if (r >= 0)
                r = file_create(fd, name, 0644, text, strlen(text));
        if (r >= 0)
                return CTL_DONE;
        if (r == -EEXIST)
                ctl_complain(_("%s exists already and was not changed. Choose another name."), path);
        else
                ctl_complain(_("Cannot write %s: %s%s"), path, reason ?: strerror(-r), reason ? "" : ".");
        return r == -EACCES || r == -EPERM ? CTL_NOT_PERMITTED : CTL_FAILED;
}

/* --- what comes next --- */

static size_t next_elapses(const NewJob *n, const JobDef *d, usec_t ret[static ELAPSES_SHOWN]) {
        const TriggerDef *t = d->n_triggers > 0 ? d->triggers : NULL;
        usec_t at = n->now;
        size_t found = 0;

        for (; t && trigger_def_has_times(t) && found < ELAPSES_SHOWN; ret[found++] = at)
                if ((t->type == TRIGGER_CALENDAR ? calendar_next(t->calendar, &d->rare->timer.dst, at, &at)
                                                 : cron_next(t->cron, &d->rare->timer.dst, at, &at)) < 0)
                        break;
        return found;
}

static int tell_next(Ctl *c, const NewJob *n, const JobDef *d, const char *path) {
        usec_t elapses[ELAPSES_SHOWN];
        size_t n_elapses = next_elapses(n, d, elapses);
        json_object *array, *o;

        if (c->json) {
                o = json_new_object();
                array = json_new_array();
                json_add_string(o, "job", n->name);
                json_add_string(o, "file", path);
                for (size_t i = 0; i < n_elapses; i++)
                        json_append_number(array, elapses[i]);
                json_add(o, "elapses_usec", array);
                return json_print(o);
        }
        ctl_say(c, stdout, _("Created %s."), path);
        for (size_t i = 0; i < n_elapses; i++) {
                char when[LOCAL_TIME_TEXT_MAX], from_now[RELATIVE_TIME_MAX];

                ctl_say(c, stdout, _("It elapses at %s (%s)."), local_time_format(when, elapses[i]),
                        relative_time_format(from_now, elapses[i], n->now));
        }
        if (n_elapses == 0 && n->when_key)
                ctl_say(c, stdout, _("It runs by %s=%s."), n->when_key, n->when);
        if (c->reload)
                return verb_reload(c, NULL);
        ctl_say(c, stdout, _("It takes effect with 'vaktctl%s reload'; try it then with 'vaktctl%s run %s --follow'."),
                c->user ? " --user" : "", c->user ? " --user" : "", n->name);
        return CTL_DONE;
}

/* The directory that it is written to; NULL after a message. The caller frees it. */
static char *find_directory(const Ctl *c) {
        _cleanup_(strv_freep) char **dirs = NULL;
        int r = c->output ? 0 : places_job_dirs(c->user, &dirs);
        char *directory;

        if (r == -ENOMEM)
                alloc_failed();
        directory = r < 0 ? NULL : file_name_from_argument(c->output ?: dirs[0]);
        if (!directory)
                ctl_complain("%s", r < 0 ? PLACES_NO_HOME : strerror(errno));
        return directory;
}

static int make(Ctl *c, NewJob *n) {
        _cleanup_free_ char *directory = find_directory(c), *path = NULL, *text = NULL;
        _cleanup_(job_def_unrefp) JobDef *d = NULL;
        int r;

        if (!directory || name_is_taken(c, n->name, directory))
                return CTL_FAILED;
        path = alloc_format("%s/%s" JOB_SUFFIX, directory, n->name);
        text = make_text(n, path);
        r = check_text(c, n, path, text, &d);
        if (r == CTL_DONE)
                r = write_job(n, directory, path, text);
        if (r != CTL_DONE)
                return r;
        job_print_warnings(d, (char *[]){ directory, NULL }, n->now);
        return tell_next(c, n, d, path);
}

int verb_new(Ctl *c, char **args) {
        _cleanup_(new_job_done) NewJob n = { .name = args[0], .now = now_realtime() };
        int r;

        if (!job_name_is_valid(n.name) || strchr(n.name, '@')) {
                ctl_complain(_("'%s' is no name of a job: use letters, digits, '_', '.' and '-', at most %d."), n.name,
                             JOB_NAME_MAX);
                return CTL_USAGE;
        }
        if (c->json && c->reload) {
                ctl_complain(_("--json and --reload cannot be combined."));
                return CTL_USAGE;
        }
        r = local_zone_open(NULL, &n.zones);
        if (r == CTL_DONE)
                r = take_options(c, &n);
        if (r != CTL_DONE)
                return r;
        if (args[1])
                n.command = command_text(args + 1, &n.uses_shell);
        else if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
                ctl_complain(_("Write 'vaktctl new NAME [--calendar=|--path=|--when=...] -- COMMAND...', or answer "
                               "questions on a terminal."));
                return CTL_USAGE;
        } else if (!ask_all(c, &n)) {
                ctl_complain(_("Nothing was written."));
                return CTL_FAILED;
        }
        return make(c, &n);
}
