/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The fields that the journal itself adds say whose a line is: the units of the runs, and for runs that are children,
 * the unit of the daemon. ssh hands its arguments to a shell, so they are quoted for it. */

#include "ctl/remote-log.h"

#include "ctl/alloc.h"
#include "util/strv.h"

/* 'it'\''s' */
static char *quote_for_shell(const char *s) {
        char *quoted = alloc_array(NULL, 4 * strlen(s) + 3, 1), *t = quoted;

        *t++ = '\'';
        for (; *s; s++)
                t = *s == '\'' ? stpcpy(t, "'\\''") : (*t = *s, t + 1);
        *t++ = '\'';
        *t = '\0';
        return quoted;
}

/* The way to the journal: a container of this machine, or "[USER@]HOST[:PORT][/CONTAINER]". The journal of a container
 * is read without the user on whose bus the daemon is. */
static char **reach(const Ctl *c) {
        const char *slash = c->host ? strchr(c->host, '/') : NULL, *at = c->machine ? strrchr(c->machine, '@') : NULL;
        const char *machine = slash ? slash + 1 : at ? at + 1 : strempty(c->machine);
        char **argv = NULL;

        if (c->host) {
                size_t n = slash ? (size_t)(slash - c->host) : strlen(c->host);
                const char *colon = memrchr(c->host, ':', n);
                bool has_port = colon && colon + 1 < c->host + n &&
                                strspn(colon + 1, "0123456789") == (size_t)(c->host + n - colon - 1);

                alloc_extendf(&argv, "ssh");
                if (c->terminal)
                        alloc_extendf(&argv, "-t");
                if (has_port)
                        alloc_extendf(&argv, "-p%.*s", (int)(c->host + n - colon - 1), colon + 1);
                alloc_extendf(&argv, "--");
                alloc_extendf(&argv, "%.*s", (int)(has_port ? colon - c->host : (ptrdiff_t)n), c->host);
        }
        alloc_extendf(&argv, "journalctl");
        if (!isempty(machine) && !streq(machine, ".host")) {
                _cleanup_free_ char *quoted = c->host ? quote_for_shell(machine) : NULL;

                alloc_extendf(&argv, "--machine=%s", quoted ?: machine);
        }
        return argv;
}

/* What the units of all runs have written, and the daemon for runs that are its children; with --all, also what is
 * said about them. The lines of a process that ended at once, and those of a user, do not have the field of the job.
 */
static void match_all_runs(char ***argv, const Ctl *c, const char *job) {
        const char *option = c->user ? "--user-unit" : "--unit";

        alloc_extendf(argv, "%s=vaktd.service", option);
        alloc_extendf(argv, "%s=vakt-%s-*.service", option, job);
        alloc_extendf(argv, "%s=vakt-%s.runner-*.service", option, job);
        alloc_extendf(argv, c->all && !c->user ? "VAKT_JOB=%s" : "SYSLOG_IDENTIFIER=%s", job);
}

static void match_run(char ***argv, const Ctl *c, const char *job, const RunView *run) {
        const char *unit = c->user ? "USER_UNIT" : "UNIT";
        bool is_warm = strstr(run->unit, ".runner-"); /* the unit has other runs, and lines have their numbers */
        /* and of Unit= otherwise, which has other runs */
        bool is_own = startswith(run->unit, "vakt-") && !is_warm;

        if (!isempty(run->invocation)) {
                alloc_extendf(argv, "_SYSTEMD_INVOCATION_ID=%s", run->invocation);
                alloc_extendf(argv, "+");
        }
        if (is_own) {
                alloc_extendf(argv, "_SYSTEMD_%s=%s", unit, run->unit);
                alloc_extendf(argv, "+");
        }
        if (is_own && c->all) {
                alloc_extendf(argv, "%s=%s", unit, run->unit);
                alloc_extendf(argv, "%s", c->user ? "_SYSTEMD_USER_UNIT=init.scope" : "_PID=1");
                alloc_extendf(argv, "+");
        }
        if (is_warm) {
                alloc_extendf(argv, "_SYSTEMD_%s=%s", unit, run->unit);
                alloc_extendf(argv, "VAKT_RUN=%" PRIu64, run->id);
                alloc_extendf(argv, "+");
        }
        alloc_extendf(argv, "_SYSTEMD_%s=vaktd.service", unit);
        alloc_extendf(argv, "VAKT_JOB=%s", job);
        alloc_extendf(argv, "VAKT_RUN=%" PRIu64, run->id);
        if (!c->all)
                alloc_extendf(argv, "SYSLOG_IDENTIFIER=%s", job);
}

int remote_log(Ctl *c, const char *job, const RunView *run, bool all_runs, usec_t since, usec_t until) {
        _cleanup_(strv_freep) char **argv = reach(c), **options = NULL;

        if (c->json) {
                ctl_complain(_("The journal of another machine is shown by its journalctl, and not with --json."));
                return CTL_USAGE;
        }
        if (c->no_pager)
                alloc_extendf(&options, "--no-pager");
        if (c->follow)
                alloc_extendf(&options, "--follow");
        if (c->lines > 0)
                alloc_extendf(&options, "--lines=%u", c->lines);
        if (c->output)
                alloc_extendf(&options, "--output=%s", c->output);
        if (since > 0)
                alloc_extendf(&options, "--since=@%" PRIu64, since / USEC_PER_SEC);
        if (until > 0)
                alloc_extendf(&options, "--until=@%" PRIu64, until / USEC_PER_SEC);
        if (c->priority)
                alloc_extendf(&options, "--priority=%s", c->priority);
        if (c->pattern)
                alloc_extendf(&options, "--grep=%s", c->pattern);
        if (all_runs)
                match_all_runs(&options, c, job);
        else
                match_run(&options, c, job, run);
        STRV_FOREACH(o, options) {
                _cleanup_free_ char *quoted = c->host ? quote_for_shell(*o) : NULL;

                alloc_extendf(&argv, "%s", quoted ?: *o);
        }
        (void)fflush(stdout);
        (void)execvp(argv[0], argv);
        ctl_complain(_("Cannot execute %s: %s."), argv[0], strerror(errno));
        return CTL_FAILED;
}
