/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl import-…: prints job files that do what the configuration of another program says, or writes them to a
 * directory. What could not be translated goes to standard error, each with its line, so that the job files can be
 * piped. */

#include <time.h>

#include "client/daemon-view.h"
#include "ctl/alloc.h"
#include "ctl/crontab-import.h"
#include "ctl/ctl.h"
#include "ctl/import-write.h"
#include "ctl/incron-import.h"
#include "ctl/logrotate-import.h"
#include "ctl/monit-import.h"
#include "ctl/text.h"
#include "ctl/tmpfiles-import.h"
#include "ctl/unit-import.h"
#include "ctl/view-json.h"
#include "ctl/view-text.h"
#include "util/file.h"
#include "util/places.h"
#include "util/strv.h"

/* When in a minute one is handed over: not when cron or vaktd may be at it. */
#define SECOND_FIRST 3
#define SECOND_LAST  50

#define INCRON_SYSTEM "/etc/incron.d"
#define INCRON_USERS  "/var/spool/incron"
#define NAME_TABLES   "Name files, or write either -u NAME or --system."

static void print_job(const Ctl *c, const ImportJob *job) {
        _cleanup_free_ char *text = NULL;

        if (c->terminal)
                text = text_escape_n(job->text, strlen(job->text), TEXT_KEEP_LINES);
        printf("# %s.job\n%s\n", job->name, text ?: job->text);
}

/* file: what was written; source_file and source_line: what the job was made of. */
static void print_json(const Ctl *c, const Import *i) {
        json_object *o = json_new_object(), *jobs = json_new_array(), *notes = json_new_array();

        for (size_t k = 0; k < i->n_jobs; k++) {
                _cleanup_free_ char *file = c->output ? alloc_format("%s/%s.job", c->output, i->jobs[k].name) : NULL;
                json_object *job = json_new_object();

                json_add_string(job, "job", i->jobs[k].name);
                json_add_string(job, "file", file);
                json_add_string(job, "content", i->jobs[k].text);
                json_add_word(job, "source_file", i->jobs[k].file);
                json_add_known(job, "source_line", i->jobs[k].line ?: UINT64_MAX);
                json_append(jobs, job);
        }
        for (size_t k = 0; k < i->n_notes; k++) {
                const DiagnosticView note = { i->notes[k].file, i->notes[k].line, i->notes[k].text };

                json_append(notes, row_json(&note, "a(sus)", (const char *const[]){ "file", "line", "message" }));
        }
        json_add(o, "jobs", jobs);
        json_add(o, "remarks", notes);
        json_print(o);
}

/* Writes the jobs, and does what the options say about what they were made of. A negative errno. */
static int write_jobs(Ctl *c, const Import *i, ImportSource source) {
        _cleanup_(rows_done) Rows problems = { 0 };
        int r = import_write(i, c->output);

        if (r < 0 || !c->disable_source)
                return r;
        r = import_turn_off(i, source, c->output, c->user, c->quiet);
        if (diagnostic_views_get(c->connection, /* reload= */ true, &c->error, &problems) < 0) {
                ctl_complain(
                        _("The jobs are written, and what they were made of is turned off, but vaktd has not read "
                          "them. Run 'vaktctl reload'."));
                r = -EIO;
        }
        return r;
}

/* Remarks and, unless there was an error, jobs, a summary, and what is to be known about these jobs. Returns an
 * exit status. */
static int finish(Ctl *c, const Import *i, int error, const char *hint, ImportSource source) {
        _cleanup_free_ char *made = alloc_format(ngettext("%zu job made", "%zu jobs made", i->n_jobs), i->n_jobs);

        for (size_t k = 0; !c->json && k < i->n_notes; k++) {
                const ImportNote *n = &i->notes[k];

                diagnostic_print(stderr, &(DiagnosticView){ n->file, n->line, n->text });
        }
        if (error >= 0 && c->output && i->n_jobs > 0)
                error = write_jobs(c, i, source);
        if (c->json && error >= 0)
                print_json(c, i);
        for (size_t k = 0; k < i->n_jobs && error >= 0 && !c->output && !c->json; k++)
                print_job(c, &i->jobs[k]);
        if (error >= 0)
                ctl_say(c, stderr, ngettext("%s, %zu remark.", "%s, %zu remarks.", i->n_notes), made, i->n_notes);
        if (error >= 0 && c->write && !c->disable_source && i->n_jobs > 0)
                ctl_say(c, stderr,
                        ngettext("It is in %s. Read it, and run 'vaktctl%s reload'.",
                                 "They are in %s. Read them, and run 'vaktctl%s reload'.", i->n_jobs),
                        c->output, c->user ? " --user" : "");
        if (error >= 0 && hint && !c->disable_source && i->n_jobs > 0)
                ctl_say(c, stderr, "%s", hint);
        return error >= 0 && i->n_notes == 0 ? CTL_DONE : CTL_FAILED;
}

/* Cron starts what is due in the first second of a minute, and so does vaktd. What is handed over between two minutes
 * is started by exactly one of them. */
static void wait_for_middle_of_minute(void) {
        struct timespec now = { 0 };

        (void)clock_gettime(CLOCK_REALTIME, &now);
        if (now.tv_sec % 60 >= SECOND_FIRST && now.tv_sec % 60 <= SECOND_LAST)
                return;
        now.tv_sec +=
                now.tv_sec % 60 < SECOND_FIRST ? SECOND_FIRST - now.tv_sec % 60 : 60 + SECOND_FIRST - now.tv_sec % 60;
        (void)clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &now, NULL);
}

/* What --write and --disable-source mean, before anything is read. Nothing is turned off while no vaktd takes it over.
 * Returns an exit status. */
static int begin(Ctl *c) {
        _cleanup_(daemon_view_done) DaemonView daemon = { 0 };
        int r;

        if (c->write && c->output) {
                ctl_complain(_("--write has its own directory. Remove it, or --output=."));
                return CTL_USAGE;
        }
        if (c->disable_source && !c->write) {
                ctl_complain(_("--disable-source requires --write."));
                return CTL_USAGE;
        }
        if (!c->write)
                return CTL_DONE;
        r = places_job_dirs(c->user, &c->job_dirs);
        if (r < 0) {
                ctl_complain("%s", r == -ENOMEM ? strerror(ENOMEM) : PLACES_NO_HOME);
                return CTL_FAILED;
        }
        c->output = c->job_dirs[0];
        if (make_directories(c->output, 0755) < 0)
                errno = 0; /* opening it tells */
        if (!c->disable_source)
                return CTL_DONE;
        r = daemon_view_get(c->connection, &c->error, &daemon);
        return r < 0 ? ctl_failed(c, r, NULL) : CTL_DONE;
}

/* Reports an error of a file that is read, and returns it. */
static int check_read(const char *path, int error) {
        if (error < 0)
                ctl_complain(_("Cannot read %s: %s."), path, import_reason(error));
        return error;
}

/* The crontab of a user is where crontab(1) of Debian, or that of cronie, keeps it. */
static int read_crontab_of(Crontab *t, const char *user) {
        _cleanup_free_ char *path = alloc_format("/var/spool/cron/crontabs/%s", user),
                            *other = alloc_format("/var/spool/cron/%s", user);
        int r = strchr(user, '/') ? -EINVAL : crontab_read(t, path);

        if (r == -ENOENT)
                r = crontab_read(t, other);
        if (r < 0)
                ctl_complain(_("Cannot read the crontab of %s: %s."), user, import_reason(r));
        return r;
}

static int read_crontabs(Crontab *t, char *const *paths, bool is_optional) {
        int r = 0;

        for (; *paths && r >= 0; paths++) {
                r = crontab_read(t, *paths);
                r = r == -ENOENT && is_optional ? 0 : check_read(*paths, r);
        }
        return r;
}

int verb_import_crontab(Ctl *c, char **args) {
        static const char *const usual[] = { "/etc/crontab", "/etc/cron.d", "/etc/anacrontab", NULL };
        Crontab t = { .owner = c->owner, .is_user_instance = c->user };
        int r;

        if (c->system ? *args || c->owner : !*args && !c->owner) {
                ctl_complain(NAME_TABLES);
                return CTL_USAGE;
        }
        r = begin(c);
        if (r != CTL_DONE)
                return r;
        if (c->disable_source)
                wait_for_middle_of_minute();
        r = c->system ? read_crontabs(&t, (char *const *)usual, /* is_optional= */ true)
            : *args   ? read_crontabs(&t, args, /* is_optional= */ false)
                      : read_crontab_of(&t, c->owner);
        r = finish(c, &t.out, r, "Cron runs these as well until their lines are removed there.", IMPORT_SOURCE_LINES);
        crontab_done(&t);
        return r;
}

/* The tables of the system, those that are named, or that of a user. */
static int read_incrontabs(Incrontab *t, const Ctl *c, char **args) {
        _cleanup_free_ char *of_user = c->owner ? alloc_format(INCRON_USERS "/%s", c->owner) : NULL;
        char *const one[] = { c->system ? (char *)INCRON_SYSTEM : of_user, NULL };
        int r = 0;

        if (c->owner && strchr(c->owner, '/'))
                return check_read(c->owner, -EINVAL);
        for (char *const *path = *args ? args : one; *path && r >= 0; path++)
                r = check_read(*path, incrontab_read(t, *path));
        return r;
}

int verb_import_incrontab(Ctl *c, char **args) {
        Incrontab t = { .owner = c->owner, .is_user_instance = c->user };
        int r;

        if (c->system ? *args || c->owner : !*args && !c->owner) {
                ctl_complain(NAME_TABLES);
                return CTL_USAGE;
        }
        r = begin(c);
        if (r != CTL_DONE)
                return r;
        r = read_incrontabs(&t, c, args);
        r = finish(c, &t.out, r, "Incron runs these as well until their lines are removed there.",
                   IMPORT_SOURCE_LINES);
        incrontab_done(&t);
        return r;
}

int verb_import_monit(Ctl *c, char **args) {
        MonitImport m = { 0 };
        int r = begin(c);

        if (r != CTL_DONE)
                return r;

        for (char **path = args; *path && r >= 0; path++)
                r = check_read(*path, monit_read(&m, *path));
        r = finish(c, &m.out, r, NULL, IMPORT_SOURCE_NONE);
        import_done(&m.out);
        return r;
}

int verb_import_logrotate(Ctl *c, char **args) {
        Logrotate l = { .take = logrotate_import };
        int r = begin(c);

        if (r != CTL_DONE)
                return r;

        for (char **path = args; *path && r >= 0; path++)
                r = check_read(*path, logrotate_read(&l, *path));
        r = finish(c, &l.out, r, NULL, IMPORT_SOURCE_NONE);
        logrotate_done(&l);
        return r;
}

static int import_units(Ctl *c, char **args, UnitKind kind) {
        _cleanup_(strv_freep) char **all = c->all ? unit_import_list(kind, c->user) : NULL;
        Import i = { 0 };
        int r = 0;

        if (c->all ? *args != NULL : !*args) {
                ctl_complain(kind == UNIT_TIMER ? _("Name timers, or write --all.")
                                                : _("Name path units, or write --all."));
                return CTL_USAGE;
        }
        r = begin(c);
        if (r != CTL_DONE)
                return r;
        for (char **name = c->all ? all : args; name && *name && r >= 0; name++) {
                r = unit_import(&i, kind, *name, c->user);
                if (r == -EINVAL && c->all) {
                        import_note(&i, *name, 0,
                                    "An instance of a template, or an escaped name, cannot be imported.");
                        r = 0;
                }
                if (r == -EINVAL)
                        ctl_complain(
                                kind == UNIT_TIMER
                                        ? _("%s is no timer that can be imported. Write a name such as fstrim.timer.")
                                        : _("%s is no path unit that can be imported. Write a name such as "
                                            "cups.path."),
                                *name);
                else if (r == -ENOENT)
                        ctl_complain(kind == UNIT_TIMER
                                             ? _("There is no timer '%s' in the directories of systemd.unit(5).")
                                             : _("There is no path unit '%s' in the directories of systemd.unit(5)."),
                                     *name);
                else
                        (void)check_read(*name, r);
        }
        r = finish(c, &i, r, _("The service manager starts these units as well until they are disabled there."),
                   IMPORT_SOURCE_UNITS);
        import_done(&i);
        return r;
}

int verb_import_timer(Ctl *c, char **args) {
        return import_units(c, args, UNIT_TIMER);
}

int verb_import_path(Ctl *c, char **args) {
        return import_units(c, args, UNIT_PATH);
}

int verb_import_tmpfiles(Ctl *c, char **args) {
        Tmpfiles t = { 0 };
        const char *path = NULL;
        int r = begin(c);

        if (r != CTL_DONE)
                return r;
        r = tmpfiles_read(&t, args, &path);
        if (check_read(path, r) >= 0)
                tmpfiles_import(&t);
        r = finish(c, &t.out, r, NULL, IMPORT_SOURCE_NONE);
        if (t.n_others > 0)
                ctl_say(c, stderr,
                        ngettext("%u line without an age remains the business of systemd-tmpfiles(8).",
                                 "%u lines without an age remain the business of systemd-tmpfiles(8).", t.n_others),
                        t.n_others);
        tmpfiles_done(&t);
        return r;
}
