/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Each job is checked as vaktd checks it: nothing is handed out that it would refuse. */

#include "ctl/import.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "config/job-file.h"
#include "ctl/alloc.h"
#include "ctl/command-text.h"
#include "util/ascii.h"
#include "util/file.h"
#include "util/utf8.h"

#define DESCRIPTION_MAX 120 /* bytes */
#define NUMBER_ROOM     12  /* bytes of a name for "-2" or a suffix */

void import_note_list(Import *i, const char *file, unsigned line, const char *format, va_list ap) {
        char *text;

        if (i->n_notes > IMPORT_NOTES_MAX)
                return;
        if (i->n_notes == IMPORT_NOTES_MAX)
                text = alloc_string("There are more remarks, which are left out.");
        else if (vasprintf(&text, format, ap) < 0)
                alloc_failed();
        i->notes = alloc_array(i->notes, i->n_notes + 1, sizeof(*i->notes));
        i->notes[i->n_notes++] = (ImportNote){ alloc_string(file), line, text };
}

void import_note(Import *i, const char *file, unsigned line, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        import_note_list(i, file, line, format, ap);
        va_end(ap);
}

int import_read(const char *path, char **ret) {
        _cleanup_free_ char *text = NULL;
        struct stat st;
        ssize_t n;

        if (stat(path, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) && st.st_rdev != makedev(1, 3)) /* a link to /dev/null masks a file */
                return S_ISDIR(st.st_mode) ? -EISDIR : -EOPNOTSUPP;
        text = alloc_array(NULL, IMPORT_FILE_MAX + 1, 1);
        n = file_read(AT_FDCWD, path, text, IMPORT_FILE_MAX + 1);
        if (n < 0)
                return (int)n;
        for (ssize_t k = 0; k < n; k++)
                if (text[k] == '\0')
                        text[k] = ' ';
        *ret = TAKE_PTR(text);
        return 0;
}

const char *import_reason(int error) {
        return error == -EOPNOTSUPP ? "It is not a regular file" : strerror(-error);
}

static int compare_notes(const void *a, const void *b) {
        const ImportNote *x = a, *y = b;

        return x->line != y->line ? (x->line > y->line) - (x->line < y->line) : strcmp(x->text, y->text);
}

void import_sort_notes(Import *i, size_t first) {
        if (i->n_notes > first)
                qsort(i->notes + first, i->n_notes - first, sizeof(*i->notes), compare_notes);
}

char *import_name(const Import *i, const char *prefix, const char *base, const char *suffix) {
        char name[JOB_NAME_MAX + 1] = "";
        size_t n = strlen(prefix), n_prefix = n;

        assert(n < JOB_NAME_MAX - NUMBER_ROOM);
        memcpy(name, prefix, n);
        for (const char *p = base; *p && n < JOB_NAME_MAX - NUMBER_ROOM; p++)
                if (is_alphanumeric(*p) || (n > 0 && strchr("_.-", *p)))
                        name[n++] = *p;
                else if (n > 0 && name[n - 1] != '-')
                        name[n++] = '-';
        if (n == n_prefix)
                memcpy(name + n, "import", sizeof("import"));
        for (unsigned number = 1;; number++) {
                char *text = number == 1 ? alloc_format("%s%s", name, suffix)
                                         : alloc_format("%s-%u%s", name, number, suffix);
                size_t k = i->n_jobs < IMPORT_JOBS_MAX ? 0 : i->n_jobs; /* it is going to be refused */

                while (k < i->n_jobs && !streq(i->jobs[k].name, text))
                        k++;
                if (k >= i->n_jobs)
                        return text;
                free(text);
        }
}

static void put_value(FILE *f, const char *value) {
        for (const char *p = value; *p; p++)
                fputs(*p == '%' ? "%%" : (char[]){ *p, '\0' }, f);
}

void import_put(FILE *f, const char *key, const char *value) {
        fprintf(f, "%s=", key);
        put_value(f, value);
        fputc('\n', f);
}

void import_put_description(FILE *f, const char *text) {
        _cleanup_free_ char *cut = alloc_format("%.*s", (int)utf8_cut(text, DESCRIPTION_MAX), text);

        while (*cut && cut[strlen(cut) - 1] == '\\') /* it would continue the line */
                cut[strlen(cut) - 1] = '\0';
        import_put(f, "Description", cut);
}

void import_put_word(FILE *f, const char *word) {
        _cleanup_free_ char *text = NULL;
        size_t n;
        FILE *stream = alloc_stream_open(&text, &n);

        command_put_word(stream, word);
        alloc_stream_close(stream);
        put_value(f, text);
}

void import_put_assignment(FILE *f, const char *assignment) {
        fputs("Environment=", f);
        import_put_word(f, assignment);
        fputc('\n', f);
}

void import_put_variable(FILE *f, const char *name, const char *value) {
        _cleanup_free_ char *assignment = alloc_format("%s=%s", name, value);

        import_put_assignment(f, assignment);
}

bool import_is_background(const char *command) {
        char quote = '\0';

        for (const char *p = command; *p; p++)
                if (*p == '\\' && quote != '\'' && p[1] != '\0')
                        p++;
                else if (quote ? *p == quote : *p == '"' || *p == '\'')
                        quote = quote ? '\0' : *p;
                else if (*p == '&' && p[1] == '&')
                        p++;
                else if (!quote && *p == '&' && p[1] != '>' && (p == command || !strchr("<>|", p[-1])))
                        return true;
        return false;
}

void import_put_notes(FILE *f, const Import *i, size_t first, size_t end) {
        for (size_t k = first; k < end; k++) {
                fprintf(f, "# %s:%u: ", i->notes[k].file, i->notes[k].line);
                for (const char *p = i->notes[k].text; *p; p++)
                        fputc(*p == '\n' ? ' ' : *p, f);
                fputc('\n', f);
        }
}

bool import_add_job(Import *i, const char *file, unsigned line, char *name, char *text) {
        _cleanup_(diagnostics_done) Diagnostics d = { 0 };
        _cleanup_(zone_cache_freep) ZoneCache *zones = NULL;
        _cleanup_(job_def_unrefp) JobDef *def = NULL; /* which borrows its zone */
        JobFileContext context = { .host = "localhost" };
        JobText job = { .path = name, .bytes = text, .n = strlen(text) };

        if (zone_cache_new(NULL, &zones) < 0)
                alloc_failed();
        context.zones = zones;
        if (i->n_jobs >= IMPORT_JOBS_MAX)
                import_note(i, file, line, "There are more than %d jobs. Import fewer files at a time.",
                            IMPORT_JOBS_MAX);
        else if (job_file_build(name, &context, &job, 1, &d, &def) == -ENOMEM)
                alloc_failed();
        else if (!def)
                import_note(i, file, line, "This is no valid job: %s", d.n_items > 0 ? d.items[0].message : "");
        if (!def) {
                free(name);
                free(text);
                return false;
        }
        i->jobs = alloc_array(i->jobs, i->n_jobs + 1, sizeof(*i->jobs));
        i->jobs[i->n_jobs++] = (ImportJob){ name, text, alloc_string(file), line };
        return true;
}

void import_add_dead(Import *i, const char *file, unsigned line) {
        i->dead = alloc_array(i->dead, i->n_dead + 1, sizeof(*i->dead));
        i->dead[i->n_dead++] = (ImportLine){ alloc_string(file), line };
}

void import_done(Import *i) {
        for (size_t k = 0; k < i->n_jobs; k++) {
                free(i->jobs[k].name);
                free(i->jobs[k].text);
                free(i->jobs[k].file);
        }
        for (size_t k = 0; k < i->n_notes; k++) {
                free(i->notes[k].file);
                free(i->notes[k].text);
        }
        for (size_t k = 0; k < i->n_dead; k++)
                free(i->dead[k].file);
        free(i->jobs);
        free(i->notes);
        free(i->dead);
        *i = (Import){ 0 };
}
