/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl import-monit: prints job files for the checks of monit control files, or writes them to a directory. What
 * could not be translated goes to standard error, each with its line, so that the job files can be piped. */

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "ctl/alloc.h"
#include "ctl/ctl.h"
#include "ctl/monit-import.h"
#include "ctl/text.h"
#include "ctl/view-text.h"
#include "util/file.h"

#define FILE_MAX (1024 * 1024) /* bytes of a control file */

static int import_file(MonitImport *m, const char *path) {
        _cleanup_free_ char *text = alloc_array(NULL, FILE_MAX + 1, 1);
        size_t n_notes = m->n_notes;
        ssize_t n = file_read(AT_FDCWD, path, text, FILE_MAX + 1);

        if (n < 0) {
                ctl_complain("Cannot read %s: %s.", path, strerror((int)-n));
                return CTL_FAILED;
        }
        monit_import(m, path, text, (size_t)n);
        for (size_t i = n_notes; i < m->n_notes; i++) {
                DiagnosticView v = { path, m->notes[i].line, m->notes[i].text };

                diagnostic_print(stderr, &v);
        }
        return CTL_DONE;
}

/* An existing file is never overwritten: it may be a job that was written by hand. */
static int write_job(const char *directory, const MonitJob *job) {
        _cleanup_free_ char *path = alloc_format("%s/%s.job", directory, job->name);
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        int r = fd < 0 ? -errno : fd_write_all(fd, job->text, strlen(job->text));

        if (r >= 0)
                return CTL_DONE;
        ctl_complain("Cannot write %s: %s.", path, strerror(-r));
        return CTL_FAILED;
}

static int put_job(const Ctl *c, const MonitJob *job) {
        _cleanup_free_ char *text = NULL;

        if (c->output)
                return write_job(c->output, job);
        text = c->terminal ? text_escape_n(job->text, strlen(job->text), TEXT_KEEP_LINES) : alloc_string(job->text);
        printf("# %s.job\n%s\n", job->name, text);
        return CTL_DONE;
}

int verb_import_monit(Ctl *c, char **args) {
        _cleanup_(monit_import_done) MonitImport m = { 0 };
        int r = CTL_DONE;

        for (char **path = args; *path && r == CTL_DONE; path++)
                r = import_file(&m, *path);
        for (size_t i = 0; i < m.n_jobs && r == CTL_DONE; i++)
                r = put_job(c, &m.jobs[i]);
        if (r != CTL_DONE)
                return r;
        ctl_say(c, stderr, "%zu job%s made, %zu remark%s.", m.n_jobs, PLURAL(m.n_jobs), m.n_notes, PLURAL(m.n_notes));
        return m.n_notes > 0 ? CTL_FAILED : CTL_DONE;
}
