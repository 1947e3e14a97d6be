/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl edit: a drop-in of a job, or with --full a whole copy of its file, in the first directory of jobs. What the
 * editor gets is a draft beside it, which the daemon passes over because its name begins with a dot. It takes the
 * place of the file only when the code of the daemon has found the job valid with it, and when the file is still what
 * it was at the beginning. Whatever else happens, the draft stays, and its path is told.
 *
 * Lines that begin with MARK tell the person something: which file it is, what the other files of the job say, and
 * what is wrong with the line below. They are not part of the file. */

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "client/definition-view.h"
#include "config/job-scan.h"
#include "config/job-texts.h"
#include "ctl/alloc.h"
#include "ctl/editor.h"
#include "ctl/job-advice.h"
#include "ctl/job-diff.h"
#include "ctl/view-text.h"
#include "util/file.h"
#include "util/places.h"
#include "util/strv.h"

#define MARK   "#>"
#define DROPIN "override.conf"

typedef struct Edit {
        Ctl *ctl;
        const char *name;
        bool is_template;

        DaemonView daemon; /* version is NULL: there is none */
        char **dirs;
        JobDiffContext context;
        char host[HOST_SIZE];

        JobText *texts; /* on disk, at first */
        size_t n_texts;
        size_t at;       /* where the draft stands among them, */
        bool replaces;   /* instead of the one that is there */
        char *file;      /* in the directory, */
        char *path;      /* and as a whole */
        int directory;   /* fd of the first of dirs */
        struct stat old; /* of the file; st_ino 0: it is not there */

        char *draft, *draft_path; /* NULL: there is none any more */
        char *before;             /* what it had at first, */
        char *content;            /* and what it has, without what is marked */
        size_t n_content;
        unsigned *lines; /* in the draft, of each line of the content */
        size_t n_lines;
        Diagnostics problems;
        JobDef *def; /* of the draft; NULL of a template */
} Edit;

static void edit_done(Edit *e) {
        job_def_unref(e->def);
        diagnostics_done(&e->problems);
        job_texts_free(e->texts);
        zone_cache_free(e->context.file.zones);
        if (e->daemon.directories != e->dirs)
                strv_free(e->dirs);
        daemon_view_done(&e->daemon);
        (void)safe_close(e->directory);
        free(e->file);
        free(e->path);
        free(e->draft);
        free(e->draft_path);
        free(e->before);
        free(e->content);
        free(e->lines);
}

/* --- what is there --- */

static int find_instance(Edit *e) {
        Ctl *c = e->ctl;
        int r = daemon_view_get(c->connection, &c->error, &e->daemon);

        if (r < 0 && r != -EHOSTDOWN)
                return ctl_failed(c, r, NULL);
        sd_bus_error_free(&c->error);
        e->dirs = e->daemon.directories;
        r = r < 0 ? places_job_dirs(c->user, &e->dirs) : 0;
        if (r == -ENOMEM)
                alloc_failed();
        if (r < 0 || !e->dirs || !e->dirs[0]) {
                ctl_complain("%s", r < 0 ? PLACES_NO_HOME : _("vaktd has no directory of jobs."));
                return CTL_FAILED;
        }
        r = job_diff_context_init(&e->context, c->user, e->daemon.message ? &e->daemon : NULL, e->host);
        if (r < 0)
                ctl_complain(_("Cannot read the time zones of the system: %s."), strerror(-r));
        return r < 0 ? CTL_FAILED : CTL_DONE;
}

static int read_job(Edit *e) {
        _cleanup_free_ char *mask = NULL;
        Diagnostics d = { 0 };
        int r = job_texts_read(e->dirs, e->name, getuid(), &e->texts, &mask, &d);

        if (r == -ENOMEM)
                alloc_failed();
        for (size_t i = 0; i < d.n_items; i++)
                diagnostic_complain(&(DiagnosticView){ d.items[i].file, d.items[i].line, d.items[i].message });
        diagnostics_done(&d);
        if (r > 0) {
                e->n_texts = (size_t)r;
                return CTL_DONE;
        }
        if (r < 0)
                return CTL_FAILED;
        if (mask)
                ctl_complain(_("Job %s is masked by %s; remove that first."), e->name, mask);
        else
                ctl_complain(_("There is no file of a job '%s'; use 'vaktctl new %s' to write one."), e->name,
                             e->name);
        return CTL_NO_SUCH_JOB;
}

/* The file name of a drop-in of the job itself, and not of its template; NULL: it is none. */
static const char *own_dropin(const Edit *e, const char *path) {
        _cleanup_free_ char *directory = alloc_format("/%s" JOB_DROPINS_SUFFIX "/", e->name);
        const char *p = strstr(path, directory);

        return p ? p + strlen(directory) : NULL;
}

/* Where the draft stands among the texts, which are in the order in which they are merged. */
static void find_place(Edit *e) {
        e->replaces = e->ctl->full;
        if (e->ctl->full)
                return;
        for (e->at = 1; e->at < e->n_texts; e->at++) {
                const char *name = own_dropin(e, e->texts[e->at].path);
                int order = name ? strcmp(name, DROPIN) : -1;

                e->replaces = order == 0;
                if (order >= 0)
                        return;
        }
}

static int open_file(Edit *e) {
        _cleanup_free_ char *reason = NULL;
        int r = make_directories(e->dirs[0], 0755);

        if (r >= 0)
                r = e->directory = directory_open(AT_FDCWD, e->dirs[0], getuid(), &reason);
        if (r >= 0 && fstatat(e->directory, e->file, &e->old, AT_SYMLINK_NOFOLLOW) < 0) {
                e->old = (struct stat){ 0 };
                r = errno == ENOENT ? 0 : -errno;
        }
        if (r < 0) {
                ctl_complain(_("Cannot write to %s: %s%s"), e->dirs[0], reason ?: strerror(-r), reason ? "" : ".");
                return r == -EACCES || r == -EPERM ? CTL_NOT_PERMITTED : CTL_FAILED;
        }
        if (e->old.st_ino == 0 || S_ISREG(e->old.st_mode))
                return CTL_DONE;
        ctl_complain(S_ISLNK(e->old.st_mode) ? _("%s is a link. Edit the file itself, or remove it.")
                                             : _("%s is no regular file. Edit the file itself, or remove it."),
                     e->path);
        return CTL_FAILED;
}

static int begin(Edit *e) {
        int r = find_instance(e);

        if (r == CTL_DONE)
                r = read_job(e);
        if (r != CTL_DONE)
                return r;
        e->file = e->ctl->full ? alloc_format("%s" JOB_SUFFIX, e->name)
                               : alloc_format("%s" JOB_DROPINS_SUFFIX "/" DROPIN, e->name);
        e->path = alloc_format("%s/%s", e->dirs[0], e->file);
        find_place(e);
        return open_file(e);
}

/* --- the draft --- */

static void say_kept(const Edit *e) {
        if (e->draft)
                ctl_complain(_("The draft is kept in %s."), e->draft_path);
}

static void drop_draft(Edit *e) {
        if (e->draft)
                (void)unlinkat(e->directory, e->draft, 0);
        e->draft = mfree(e->draft);
}

static void put_problems(FILE *f, const Edit *e, unsigned line) {
        for (size_t i = 0; i < e->problems.n_items; i++) {
                const Diagnostic *d = &e->problems.items[i];
                bool is_here = streq(d->file, e->path);

                if (is_here ? d->line == line : line == 0)
                        fprintf(f, MARK " PROBLEM: %s%s%s\n", is_here ? "" : d->file, is_here ? "" : ": ", d->message);
        }
}

/* Prints the lines of a text, each behind a prefix, and behind what is wrong with it if it is the content. */
static void put_lines(FILE *f, const char *bytes, size_t n, const char *prefix, const Edit *with_problems) {
        const char *end = bytes + n;
        unsigned line = 1;

        for (const char *p = bytes; p < end; line++) {
                const char *newline = memchr(p, '\n', (size_t)(end - p));
                size_t length = (size_t)((newline ?: end) - p);

                if (with_problems)
                        put_problems(f, with_problems, line);
                fprintf(f, "%s%.*s\n", prefix, (int)length, p);
                p += length + 1;
        }
}

/* The caller frees the text. */
static void make_draft(const Edit *e, const char *content, size_t n, char **ret, size_t *ret_n) {
        FILE *f = alloc_stream_open(ret, ret_n);

        fprintf(f,
                MARK " %s, %s of job %s.\n" MARK " Lines that begin with " MARK
                     " are not part of it. vaktd.job(5) describes all keys.\n",
                e->path, e->ctl->full ? "the file" : "a drop-in", e->name);
        if (!e->ctl->full)
                fputs(MARK " It is read after the files below; an empty value takes away what they say.\n", f);
        put_problems(f, e, 0);
        put_lines(f, content, n, "", e);
        if (n == 0)
                fputs("\n\n", f);
        for (size_t i = 0; !e->ctl->full && i < e->n_texts; i++) {
                if (i == e->at && e->replaces)
                        continue;
                fprintf(f, MARK "\n" MARK " %s:\n", e->texts[i].path);
                put_lines(f, e->texts[i].bytes, e->texts[i].n, MARK " ", NULL);
        }
        alloc_stream_close(f);
}

/* Where the work is in a draft: at the first problem, or at the first line of the content. From 1. */
static unsigned find_work(const char *draft, bool has_problems) {
        unsigned line = 1;

        for (const char *p = draft; *p; p = strchr(p, '\n') + 1, line++) {
                if (startswith(p, MARK " PROBLEM: "))
                        has_problems = false;
                else if (!has_problems && !startswith(p, MARK))
                        break;
        }
        return line;
}

/* The content of a draft, and which line of it each of its lines is. Blank lines at both ends do not count. */
static void take_content(Edit *e, const char *text, size_t n) {
        unsigned line = 1;
        size_t used = 0;

        e->content = alloc_array(e->content, n + 2, 1);
        e->n_lines = 0;
        for (const char *p = text, *end = text + n; p < end; line++) {
                const char *newline = memchr(p, '\n', (size_t)(end - p));
                size_t length = (size_t)((newline ?: end) - p);

                if ((length < strlen(MARK) || memcmp(p, MARK, strlen(MARK)) != 0) && (used > 0 || length > 0)) {
                        memcpy(e->content + used, p, length);
                        used += length;
                        e->content[used++] = '\n';
                        e->lines = alloc_array(e->lines, e->n_lines + 1, sizeof(unsigned));
                        e->lines[e->n_lines++] = line;
                }
                p += length + 1;
        }
        while (used > 1 && e->content[used - 1] == '\n' && e->content[used - 2] == '\n')
                used--;
        e->n_content = used;
        e->content[used] = '\0';
}

static int write_draft(Edit *e, const char *content, size_t n, unsigned *ret_line) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        if (!e->draft) {
                e->draft = alloc_format(".%s.%d.conf", e->name, (int)getpid());
                e->draft_path = alloc_format("%s/%s", e->dirs[0], e->draft);
        }
        make_draft(e, content, n, &text, &size);
        *ret_line = find_work(text, e->problems.n_items > 0);
        r = file_write_atomically(e->directory, e->draft, 0600, text, size);
        if (r >= 0)
                return CTL_DONE;
        ctl_complain(_("Cannot write to %s: %s."), e->dirs[0], strerror(-r));
        if (faccessat(e->directory, e->draft, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                e->draft = mfree(e->draft);
        return r == -EACCES || r == -EPERM ? CTL_NOT_PERMITTED : CTL_FAILED;
}

static int read_draft(Edit *e) {
        const Directory directory = { .path = e->dirs[0], .fd = e->directory };
        _cleanup_(job_text_done) JobText text = { 0 };
        _cleanup_free_ char *reason = NULL;
        FileStamp stamp = { 0 };
        int r = source_read(&directory, e->draft, getuid(), &text, &stamp, &reason);

        if (r == -ENOMEM)
                alloc_failed();
        if (r < 0) {
                ctl_complain("%s: %s", e->draft_path, reason);
                return CTL_FAILED;
        }
        take_content(e, text.bytes, text.n);
        return CTL_DONE;
}

/* --- the check --- */

/* The texts of the job with the content of the draft; the caller frees the array only. */
static JobText *texts_with_draft(const Edit *e, size_t *ret_n) {
        JobText *texts = alloc_array(NULL, e->n_texts + 2, sizeof(JobText));
        size_t n_after = e->n_texts - e->at - e->replaces;

        memcpy(texts, e->texts, e->at * sizeof(JobText));
        texts[e->at] = (JobText){ .path = e->path, .bytes = e->content, .n = e->n_content };
        memcpy(texts + e->at + 1, e->texts + e->at + e->replaces, n_after * sizeof(JobText));
        *ret_n = e->at + 1 + n_after;
        texts[*ret_n] = (JobText){ 0 };
        return texts;
}

static void check_draft(Edit *e) {
        JobFileContext context = e->context.file;
        size_t n;
        _cleanup_free_ JobText *texts = texts_with_draft(e, &n);
        int r;

        diagnostics_done(&e->problems);
        e->problems = (Diagnostics){ 0 };
        e->def = job_def_unref(e->def);
        r = e->is_template ? job_file_check_template(e->name, &context, texts, n, &e->problems)
                           : job_file_build(e->name, &context, texts, n, &e->problems, &e->def);
        if (r == -ENOMEM)
                alloc_failed();
}

static void print_problems(const Edit *e, bool is_draft) {
        for (size_t i = 0; i < e->problems.n_items; i++) {
                const Diagnostic *d = &e->problems.items[i];
                bool is_here = streq(d->file, e->path);
                unsigned line =
                        is_draft && is_here && d->line > 0 && d->line <= e->n_lines ? e->lines[d->line - 1] : d->line;

                diagnostic_complain(
                        &(DiagnosticView){ is_draft && is_here ? e->draft_path : d->file, line, d->message });
        }
}

/* --- a person --- */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal) {
        interrupted = signal;
}

/* Whether to go back to the editor: CTL_DONE, or how this ends instead. */
static int ask_again(void) {
        const struct sigaction catch = { .sa_handler = on_interrupt };
        struct sigaction old;
        _cleanup_free_ char *line = NULL;
        size_t size = 0;
        ssize_t n;

        if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
                return CTL_FAILED;
        (void)sigaction(SIGINT, &catch, &old);
        fputs(_("Edit it again? [Y/n] "), stderr);
        n = getline(&line, &size, stdin);
        (void)sigaction(SIGINT, &old, NULL);
        if (n < 0)
                fputc('\n', stderr);
        if (interrupted)
                return EXIT_SIGNAL_BASE + SIGINT;
        return n > 0 && !strchr("nNqQ", line[0]) ? CTL_DONE : CTL_FAILED;
}

/* Until the draft is valid, or says nothing new. Returns an exit status. */
static int edit_draft(Edit *e, bool *ret_changed) {
        const JobText *old = e->replaces ? &e->texts[e->at] : NULL;
        unsigned line;
        int r;

        r = write_draft(e, old ? old->bytes : "", old ? old->n : 0, &line);
        if (r == CTL_DONE)
                r = read_draft(e);
        if (r != CTL_DONE)
                return r;
        e->before = alloc_string(e->content);
        for (;;) {
                int q = editor_run(e->draft_path, line);

                r = read_draft(e);
                *ret_changed = r == CTL_DONE && e->n_content > 0 && !streq(e->content, e->before);
                if (r == CTL_DONE && !*ret_changed)
                        drop_draft(e);
                if (q != CTL_DONE || !e->draft || r != CTL_DONE)
                        return q ?: r;
                check_draft(e);
                if (e->problems.n_items == 0)
                        return CTL_DONE;
                print_problems(e, /* is_draft= */ true);
                r = write_draft(e, e->content, e->n_content, &line);
                if (r == CTL_DONE)
                        r = ask_again();
                if (r != CTL_DONE)
                        return r;
        }
}

/* --- standard input --- */

static int read_stdin(Edit *e, bool *ret_changed) {
        _cleanup_free_ char *text = alloc_array(NULL, SOURCE_SIZE_MAX + 1, 1);
        ssize_t n = fd_read_up_to(STDIN_FILENO, text, SOURCE_SIZE_MAX + 1);

        if (n < 0 || n > SOURCE_SIZE_MAX) {
                ctl_complain(_("Cannot read standard input: %s."), n < 0 ? strerror((int)-n) : _("it is too large"));
                return CTL_FAILED;
        }
        take_content(e, text, (size_t)n);
        *ret_changed = e->n_content > 0 && (!e->replaces || e->n_content != e->texts[e->at].n ||
                                            memcmp(e->content, e->texts[e->at].bytes, e->n_content) != 0);
        if (!*ret_changed)
                return CTL_DONE;
        check_draft(e);
        if (e->problems.n_items == 0)
                return CTL_DONE;
        print_problems(e, /* is_draft= */ false);
        ctl_complain(_("Nothing was written."));
        return CTL_FAILED;
}

/* --- the file --- */

static bool is_unchanged(const Edit *e) {
        struct stat now = { 0 };

        if (fstatat(e->directory, e->file, &now, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT && e->old.st_ino == 0;
        return now.st_ino == e->old.st_ino && now.st_dev == e->old.st_dev && now.st_size == e->old.st_size &&
               now.st_mtim.tv_sec == e->old.st_mtim.tv_sec && now.st_mtim.tv_nsec == e->old.st_mtim.tv_nsec;
}

/* A new file says what the job's file says, or something like it, to nobody who may not read that. */
static mode_t new_mode(const Edit *e) {
        struct stat st;

        return stat(e->texts[0].path, &st) >= 0 && (st.st_mode & S_IROTH) ? 0644 : 0600;
}

static int write_file(const Edit *e, char **reterr) {
        const char *name = e->ctl->full ? e->file : DROPIN;
        _cleanup_free_ char *below = alloc_format("%s" JOB_DROPINS_SUFFIX, e->name);
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (!e->ctl->full && mkdirat(e->directory, below, 0755) < 0 && errno != EEXIST)
                return -errno;
        fd = directory_open(e->directory, e->ctl->full ? "." : below, getuid(), reterr);
        if (fd < 0)
                return fd;
        r = e->old.st_ino == 0 ? file_create(fd, name, new_mode(e), e->content, e->n_content)
                               : file_write_atomically(fd, name, e->old.st_mode & 0755, e->content, e->n_content);
        if (r >= 0 && (fsync(fd) < 0 || fsync(e->directory) < 0))
                r = -errno;
        return r;
}

static int save(Edit *e) {
        _cleanup_free_ char *reason = NULL;
        int r;

        if (flock(e->directory, LOCK_EX) < 0) { /* two of us do not overwrite each other */
                ctl_complain(_("Cannot lock %s: %s."), e->dirs[0], strerror(errno));
                return CTL_FAILED;
        }
        r = is_unchanged(e) ? write_file(e, &reason) : -EEXIST;
        if (r >= 0)
                return CTL_DONE;
        if (r == -EEXIST)
                ctl_complain(_("%s was changed by somebody else meanwhile, and is left as it is."), e->path);
        else
                ctl_complain(_("Cannot write %s: %s%s"), e->path, reason ?: strerror(-r), reason ? "" : ".");
        return r == -EACCES || r == -EPERM ? CTL_NOT_PERMITTED : CTL_FAILED;
}

/* --- afterwards --- */

/* What is in force before the reload, or on disk if there is no daemon, against what was saved. */
static void show_difference(Edit *e, DefinitionView *in_force) {
        size_t n;
        _cleanup_free_ JobText *texts = texts_with_draft(e, &n);
        JobText old[2] = { { (char *)in_force->file, (char *)in_force->text, strlen(strempty(in_force->text)) } };
        JobVersion before = { .file = in_force->file, .texts = old },
                   after = { .file = texts[0].path, .texts = texts, .has_places = true };
        _cleanup_(job_diff_freep) JobDiff *d = NULL;

        if (!in_force->message)
                before = (JobVersion){ .file = e->texts[0].path, .texts = e->texts };
        d = job_diff_new(&e->context, e->name, &before, &after, NULL);
        if (e->ctl->json)
                json_print(job_diff_json(d));
        else if (!e->ctl->quiet)
                job_diff_print(e->ctl, d, N_("  NEXT ELAPSES BEFORE"), N_("NEXT ELAPSES NOW"));
}

/* Problems of other jobs are told, but are none of the edit. */
static int reload(Edit *e) {
        _cleanup_(rows_done) Rows d = { 0 };
        Ctl *c = e->ctl;
        int r = diagnostic_views_get(c->connection, /* reload= */ true, &c->error, &d), ret = CTL_DONE;

        if (r < 0)
                return ctl_failed(c, r, "vaktctl status");
        for (size_t i = 0; i < d.n_items; i++) {
                diagnostic_complain(&d.diagnostics[i]);
                if (streq(d.diagnostics[i].file, e->path) || streq(d.diagnostics[i].file, e->texts[0].path))
                        ret = CTL_FAILED;
        }
        if (d.n_items == 0)
                ctl_say(c, stdout, _("Reloaded."));
        else
                ctl_complain(ngettext("Reloaded with %zu problem.", "Reloaded with %zu problems.", d.n_items),
                             d.n_items);
        return ret;
}

static int put_into_force(Edit *e) {
        _cleanup_(definition_view_done) DefinitionView in_force = { 0 };
        Ctl *c = e->ctl;
        int r = 0;

        if (e->daemon.message && !e->is_template)
                r = definition_view_get(c->connection, e->name, &c->error, &in_force);
        if (r < 0) /* it was not valid until now */
                sd_bus_error_free(&c->error);
        ctl_say(c, stdout, _("Saved %s."), e->path);
        if (e->def)
                job_print_warnings(e->def, e->dirs, e->context.now.realtime);
        if (!e->is_template)
                show_difference(e, &in_force);
        if (e->daemon.message)
                return reload(e);
        ctl_say(c, stdout, _("vaktd is not running; this takes effect when it is started."));
        return CTL_DONE;
}

int verb_edit(Ctl *c, char **args) {
        _cleanup_(edit_done) Edit e = { .ctl = c, .name = args[0], .directory = -EBADF };
        bool changed;
        int r;

        if (!job_name_is_valid(e.name)) {
                ctl_complain(_("'%s' is no name of a job."), e.name);
                return CTL_NO_SUCH_JOB;
        }
        e.is_template = e.name[strlen(e.name) - 1] == '@';
        if (!c->from_stdin && (c->json || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))) {
                ctl_complain(_("An editor requires a terminal; use --stdin to pass the content on standard input."));
                return CTL_USAGE;
        }
        r = begin(&e);
        if (r == CTL_DONE)
                r = c->from_stdin ? read_stdin(&e, &changed) : edit_draft(&e, &changed);
        if (r == CTL_DONE && changed)
                r = save(&e);
        if (r != CTL_DONE) {
                say_kept(&e);
                return r;
        }
        drop_draft(&e);
        if (changed)
                return put_into_force(&e);
        ctl_say(c, stdout, _("Nothing was changed."));
        return CTL_DONE;
}
