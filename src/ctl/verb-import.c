/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl import-…: prints job files that do what the configuration of another program says, or writes them to a
 * directory. What could not be translated goes to standard error, each with its line, so that the job files can be
 * piped. */

#include <fcntl.h>
#include <sys/stat.h>

#include "ctl/alloc.h"
#include "ctl/crontab-import.h"
#include "ctl/ctl.h"
#include "ctl/logrotate-import.h"
#include "ctl/monit-import.h"
#include "ctl/text.h"
#include "ctl/timer-import.h"
#include "ctl/tmpfiles-import.h"
#include "ctl/view-text.h"
#include "util/file.h"
#include "util/strv.h"

/* An existing file is never overwritten: it may be a job that was written by hand. */
static int write_job(const char *directory, const ImportJob *job) {
        _cleanup_free_ char *path = alloc_format("%s/%s.job", directory, job->name);
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        int r = fd < 0 ? -errno : fd_write_all(fd, job->text, strlen(job->text));

        if (r >= 0)
                return CTL_DONE;
        ctl_complain("Cannot write %s: %s.", path, strerror(-r));
        return CTL_FAILED;
}

static int put_job(const Ctl *c, const ImportJob *job) {
        _cleanup_free_ char *text = NULL;

        if (c->output)
                return write_job(c->output, job);
        text = c->terminal ? text_escape_n(job->text, strlen(job->text), TEXT_KEEP_LINES) : alloc_string(job->text);
        printf("# %s.job\n%s\n", job->name, text);
        return CTL_DONE;
}

static void put_notes(const Import *i, size_t first) {
        for (size_t k = first; k < i->n_notes; k++) {
                DiagnosticView v = { i->notes[k].file, i->notes[k].line, i->notes[k].text };

                diagnostic_print(stderr, &v);
        }
}

/* Jobs and summary; the notes are printed. */
static int put_jobs(const Ctl *c, const Import *i) {
        int r = CTL_DONE;

        for (size_t k = 0; k < i->n_jobs && r == CTL_DONE; k++)
                r = put_job(c, &i->jobs[k]);
        if (r != CTL_DONE)
                return r;
        ctl_say(c, stderr, "%zu job%s made, %zu remark%s.", i->n_jobs, PLURAL(i->n_jobs), i->n_notes,
                PLURAL(i->n_notes));
        return i->n_notes > 0 ? CTL_FAILED : CTL_DONE;
}

/* The crontab of a user is where crontab(1) of Debian, or that of cronie, keeps it. */
static int read_crontab_of(Crontab *t, const char *user) {
        _cleanup_free_ char *path = alloc_format("/var/spool/cron/crontabs/%s", user),
                            *other = alloc_format("/var/spool/cron/%s", user);
        int r = strchr(user, '/') ? -EINVAL : crontab_read(t, path);

        if (r == -ENOENT)
                r = crontab_read(t, other);
        if (r < 0)
                ctl_complain("Cannot read the crontab of %s: %s.", user, import_reason(r));
        return r;
}

static int read_crontabs(Crontab *t, char *const *paths, bool is_optional) {
        int r = 0;

        for (; *paths && r >= 0; paths++) {
                r = crontab_read(t, *paths);
                if (r == -ENOENT && is_optional)
                        r = 0;
                if (r < 0)
                        ctl_complain("Cannot read %s: %s.", *paths, import_reason(r));
        }
        return r;
}

int verb_import_crontab(Ctl *c, char **args) {
        static const char *const usual[] = { "/etc/crontab", "/etc/cron.d", "/etc/anacrontab", NULL };
        Crontab t = { .owner = c->owner, .is_user_instance = c->user };
        int r;

        if (c->system ? *args || c->owner : !*args && !c->owner) {
                ctl_complain("Name files, or write either -u NAME or --system.");
                return CTL_USAGE;
        }
        r = c->system ? read_crontabs(&t, (char *const *)usual, /* is_optional= */ true)
            : *args   ? read_crontabs(&t, args, /* is_optional= */ false)
                      : read_crontab_of(&t, c->owner);
        put_notes(&t.out, 0);
        r = r < 0 ? CTL_FAILED : put_jobs(c, &t.out);
        if (t.out.n_jobs > 0 && r != CTL_USAGE)
                ctl_say(c, stderr, "Cron runs these as well until their lines are removed there.");
        crontab_done(&t);
        return r;
}

int verb_import_monit(Ctl *c, char **args) {
        MonitImport m = { 0 };
        int r = 0;

        for (char **path = args; *path && r >= 0; path++) {
                _cleanup_free_ char *text = NULL;
                size_t n_notes = m.out.n_notes;

                r = import_read(*path, &text);
                if (r >= 0)
                        monit_import(&m, *path, text, strlen(text));
                put_notes(&m.out, n_notes);
                if (r < 0)
                        ctl_complain("Cannot read %s: %s.", *path, import_reason(r));
        }
        r = r < 0 ? CTL_FAILED : put_jobs(c, &m.out);
        import_done(&m.out);
        return r;
}

int verb_import_logrotate(Ctl *c, char **args) {
        Logrotate l = { .take = logrotate_import };
        int r = 0;

        for (char **path = args; *path && r >= 0; path++) {
                r = logrotate_read(&l, *path);
                if (r < 0)
                        ctl_complain("Cannot read %s: %s.", *path, import_reason(r));
        }
        put_notes(&l.out, 0);
        r = r < 0 ? CTL_FAILED : put_jobs(c, &l.out);
        logrotate_done(&l);
        return r;
}

int verb_import_timer(Ctl *c, char **args) {
        _cleanup_(strv_freep) char **all = c->all ? timer_import_list(c->user) : NULL;
        Import i = { 0 };
        int r = 0;

        if (c->all ? *args != NULL : !*args) {
                ctl_complain("Name timers, or write --all.");
                return CTL_USAGE;
        }
        for (char **name = c->all ? all : args; name && *name && r >= 0; name++) {
                r = timer_import(&i, *name, c->user);
                if (r == -EINVAL && c->all) {
                        import_note(&i, *name, 0,
                                    "An instance of a template, or an escaped name, cannot be imported.");
                        r = 0;
                }
                if (r == -EINVAL)
                        ctl_complain("%s is no timer that can be imported. Write a name such as fstrim.timer.", *name);
                else if (r < 0)
                        ctl_complain("Cannot read %s: %s.", *name, import_reason(r));
        }
        put_notes(&i, 0);
        r = r < 0 ? CTL_FAILED : put_jobs(c, &i);
        if (i.n_jobs > 0)
                ctl_say(c, stderr, "The timers start their units as well until they are disabled.");
        import_done(&i);
        return r;
}

int verb_import_tmpfiles(Ctl *c, char **args) {
        Tmpfiles t = { 0 };
        const char *path = NULL;
        int r = tmpfiles_read(&t, args, &path);

        if (r < 0)
                ctl_complain("Cannot read %s: %s.", path, import_reason(r));
        else
                tmpfiles_import(&t);
        put_notes(&t.out, 0);
        r = r < 0 ? CTL_FAILED : put_jobs(c, &t.out);
        if (t.n_others > 0)
                ctl_say(c, stderr, "%u line%s without an age remain%s the business of systemd-tmpfiles(8).",
                        t.n_others, PLURAL(t.n_others), t.n_others == 1 ? "s" : "");
        tmpfiles_done(&t);
        return r;
}
