/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Looking is cheap and done for every name at every load: one fstatat() a file. Reading is done only when a stamp
 * differs, or cannot be relied on: a file that was changed within a tick of the clock before it was read may be
 * written to once more and keep its stamp. Such files are read again the next time (git does the same with its index).
 * After a problem in getting at a file it is read again too, because what was in the way need not leave a trace in the
 * file.
 *
 * Templates keep their texts instead of a definition: an instance that somebody asks for tomorrow is made of what was
 * loaded, not of what an editor has done to the file meanwhile. */

#include "config/job-entry.h"

#include <stdarg.h>

#define RACY_NSEC (20 * 1000 * 1000LL) /* two ticks of the slowest kernel clock, 100 Hz */

bool job_name_is_template(const char *name) {
        const char *at = strchr(name, '@');

        return at && at[1] == '\0';
}

size_t job_name_template_length(const char *name) {
        const char *at = strchr(name, '@');

        return at && at[1] != '\0' ? (size_t)(at + 1 - name) : 0;
}

/* --- texts --- */

JobText *job_texts_free(JobText *texts) {
        for (JobText *t = texts; t && t->path; t++)
                job_text_done(t);
        return mfree(texts);
}

static int copy_text(const JobText *from, JobText *ret) {
        _cleanup_(job_text_done) JobText copy = {
                .path = strdup(from->path),
                .bytes = malloc(from->n + 1),
                .n = from->n,
        };

        if (!copy.path || !copy.bytes)
                return -ENOMEM;
        memcpy(copy.bytes, from->bytes, from->n);
        *ret = TAKE_GENERIC(copy, (JobText){});
        return 0;
}

static int copy_texts(const JobText *texts, JobText **ret) {
        _cleanup_(job_texts_freep) JobText *copy = NULL;
        size_t n = 0;

        while (texts[n].path)
                n++;
        copy = calloc(n + 1, sizeof(JobText));
        if (!copy)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                int r = copy_text(&texts[i], &copy[i]);

                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(copy);
        return 0;
}

/* --- looking --- */

/* Writes what came with a message down as a problem. 0, or the errno that was no problem. */
static int note_problem(Diagnostics *d, const Directory *directory, const char *file, int r, const char *message) {
        _cleanup_free_ char *path = NULL;

        if (r != -EINVAL)
                return r;
        path = directory_join(directory, file);
        return path ? diagnostics_add(d, path, 0, "%s", message) : -ENOMEM;
}

/* A file that is read in any case, and whose name can be opened without effects, need not be looked at before. Where
 * that fails, looking tells why. Returns as source_stat() does. */
static int look_at_file(Finding *f, const EntryContext *context, const Candidate *c, char **reterr) {
        const Directory *directory = &context->directories[c->directory];
        _cleanup_free_ char *message = NULL;

        f->stamp = (FileStamp){ .mode = S_IFREG };
        if (f->fresh && c->regular &&
            source_read(directory, f->file, context->owner, &f->text, &f->stamp, &message) >= 0)
                return f->text.n == 0 ? SOURCE_MASK : SOURCE_FILE;
        return source_stat(directory, f->file, &f->stamp, reterr);
}

/* Looks for the file among candidates. Returns 1 when there is one, else 0. */
static int search_file_among(Finding *f, const EntryContext *context, const Candidate *candidates, size_t n) {
        for (size_t i = 0; i < n; i++) {
                const Directory *directory = &context->directories[candidates[i].directory];
                _cleanup_free_ char *message = NULL;
                int r;

                if (candidates[i].kind != CANDIDATE_FILE || strlen(candidates[i].name) > JOB_NAME_MAX)
                        continue;
                strcpy(stpcpy(f->file, candidates[i].name), JOB_SUFFIX);
                r = look_at_file(f, context, &candidates[i], &message);
                if (r == -ENOENT)
                        continue;
                f->directory = candidates[i].directory;
                f->masked = r == SOURCE_MASK;
                if (r < 0)
                        r = note_problem(&f->problems, directory, f->file, r, message);
                return r < 0 ? r : 1;
        }
        return 0;
}

/* The job's own file, or for the drop-ins of an instance without one that of its template. */
static int search_file(Finding *f, const EntryContext *context, const JobScan *scan) {
        size_t n = job_name_template_length(f->name);
        const Candidate *candidates;
        int r;

        r = search_file_among(f, context, f->candidates, f->n_candidates);
        if (r != 0 || n == 0)
                return r;
        f->hidden = true;
        n = job_scan_find(scan, f->name, n, &candidates);
        r = search_file_among(f, context, candidates, n);
        return f->masked ? 0 : r;
}

/* Adds the drop-ins of one name. */
static int search_dropins_among(Finding *f, const EntryContext *context, const Candidate *candidates, size_t n) {
        _cleanup_free_ unsigned *which = NULL;
        char directory_name[JOB_FILE_NAME_MAX];
        size_t n_which = 0;

        for (size_t i = 0; i < n; i++) {
                if (candidates[i].kind != CANDIDATE_DROPINS)
                        continue;
                if (!which && !(which = calloc(n, sizeof(*which))))
                        return -ENOMEM;
                which[n_which++] = candidates[i].directory;
        }
        if (n_which == 0)
                return 0;
        (void)snprintf(directory_name, sizeof(directory_name), "%s" JOB_DROPINS_SUFFIX, candidates[0].name);
        return sources_add_dropins(&f->dropins, context->directories, which, n_which, directory_name, context->owner,
                                   &f->problems);
}

/* For an instance those of its template go first, so that its own have the last word. */
static int search_dropins(Finding *f, const EntryContext *context, const JobScan *scan) {
        size_t n = job_name_template_length(f->name);
        const Candidate *candidates;
        int r;

        if (n > 0) {
                n = job_scan_find(scan, f->name, n, &candidates);
                r = search_dropins_among(f, context, candidates, n);
                if (r < 0)
                        return r;
        }
        return search_dropins_among(f, context, f->candidates, f->n_candidates);
}

int finding_search(Finding *f, const EntryContext *context, const JobScan *scan) {
        int r = search_file(f, context, scan);

        if (r <= 0)
                return r;
        if (!f->masked) {
                r = search_dropins(f, context, scan);
                if (r < 0)
                        return r;
        }
        return 1;
}

void finding_done(Finding *f) {
        sources_done(&f->dropins);
        diagnostics_done(&f->problems);
        job_text_done(&f->text);
}

/* --- entries --- */

static EntryRare nothing_rare; /* never written to */

Entry *job_entry_free(Entry *e) {
        if (!e)
                return NULL;
        job_def_unref(e->def);
        if (e->rare != &nothing_rare) {
                job_texts_free(e->rare->texts);
                chains_done(&e->rare->chains);
                sources_done(&e->rare->dropins);
                diagnostics_done(&e->rare->problems);
                free(e->rare);
        }
        return mfree(e);
}

static int entry_new(Entry **ret, const char *name) {
        size_t n = strlen(name) + 1;
        Entry *e = calloc(1, MAX(sizeof(*e), offsetof(Entry, name) + n));

        if (!e)
                return -ENOMEM;
        e->rare = calloc(1, sizeof(EntryRare));
        if (!e->rare) {
                free(e);
                return -ENOMEM;
        }
        memcpy(e->name, name, n);
        *ret = e;
        return 0;
}

/* The entry is complete. */
static Entry *entry_settle(Entry *e) {
        if (memcmp(e->rare, &nothing_rare, sizeof(EntryRare)) == 0) {
                free(e->rare);
                e->rare = &nothing_rare;
        }
        return e;
}

bool entry_depends_on(const Entry *e, unsigned directory) {
        if (e->directory == directory)
                return true;
        for (size_t i = 0; i < e->rare->dropins.n_items; i++)
                if (e->rare->dropins.items[i].directory == directory)
                        return true;
        return false;
}

bool entry_is_current(const Entry *e, const Finding *f) {
        return !e->recheck && f->problems.n_items == 0 && e->directory == f->directory && e->masked == f->masked &&
               e->hidden == f->hidden && e->stamp == file_stamp_digest(&f->stamp) &&
               sources_equal(&e->rare->dropins, &f->dropins);
}

/* read: what was read already; its bytes are NULL, or it is taken over. */
static int read_source(Entry *e, EntryContext *context, unsigned directory, const char *name, FileStamp *stamp,
                       JobText *read, JobText *ret) {
        const Directory *f = &context->directories[directory];
        _cleanup_free_ char *message = NULL;
        int r = 0;

        context->n_read++;
        if (read->bytes)
                *ret = TAKE_GENERIC(*read, (JobText){});
        else
                r = source_read(f, name, context->owner, ret, stamp, &message);
        if (r >= 0) {
                e->recheck = e->recheck || stamp->ctime > context->now - RACY_NSEC;
                return 0;
        }
        e->recheck = true;
        return note_problem(&e->rare->problems, f, name, r, message);
}

/* Reads the file and the drop-ins, up to the first that cannot be read. The stamps become those of what was read. */
static int read_sources(Entry *e, EntryContext *context, Finding *f, JobText **ret, size_t *ret_n) {
        _cleanup_(job_texts_freep) JobText *texts = calloc(e->rare->dropins.n_items + 2, sizeof(JobText));
        size_t n = 0;
        int r;

        if (!texts)
                return -ENOMEM;
        r = read_source(e, context, e->directory, f->file, &f->stamp, &f->text, &texts[n++]);
        for (size_t i = 0; r >= 0 && e->rare->problems.n_items == 0 && i < e->rare->dropins.n_items; i++) {
                Source *s = &e->rare->dropins.items[i];

                r = read_source(e, context, s->directory, s->name, &s->stamp, &(JobText){}, &texts[n++]);
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(texts);
        *ret_n = n;
        return 0;
}

/* Reads the files and makes a definition of them, or checks a template; a problem is no error. */
static int read_and_build(Entry *e, EntryContext *context, Finding *f) {
        _cleanup_(job_texts_freep) JobText *texts = NULL;
        JobFileContext file_context = {
                .host = context->host,
                .zones = context->zones,
                .target = context->target,
                .state_dir = context->state_dir,
                .now = (usec_t)context->now / NSEC_PER_USEC,
                .memo = &context->memo,
                .chains = &e->rare->chains,
        };
        size_t n = 0;
        int r;

        r = read_sources(e, context, f, &texts, &n);
        if (r < 0 || e->rare->problems.n_items > 0)
                return r;
        if (context->once > 0 && e->directory == context->once - 1)
                file_context.once_since = (usec_t)(f->stamp.mtime / NSEC_PER_USEC);
        if (job_name_is_template(e->name)) {
                r = job_file_check_template(e->name, &file_context, texts, n, &e->rare->problems);
                if (r >= 0)
                        e->rare->texts = TAKE_PTR(texts);
        } else
                r = job_file_build(e->name, &file_context, texts, n, &e->rare->problems, &e->def);
        /* A zone that is installed tomorrow leaves no trace in the file. */
        e->recheck = e->recheck || file_context.zones_at_problem;
        return r == -EINVAL ? 0 : r;
}

int finding_read(Finding *f, EntryContext *context, Diagnostics *d, JobText **ret) {
        _cleanup_(job_entry_freep) Entry *e = NULL;
        size_t n;
        int r;

        r = diagnostics_merge(d, &f->problems);
        if (r < 0 || f->problems.n_items > 0)
                return r < 0 ? r : -EINVAL;
        r = entry_new(&e, f->name);
        if (r < 0)
                return r;
        e->directory = f->directory;
        e->rare->dropins = TAKE_GENERIC(f->dropins, (Sources){});
        r = read_sources(e, context, f, ret, &n);
        if (r < 0 || e->rare->problems.n_items == 0)
                return r;
        *ret = job_texts_free(*ret);
        r = diagnostics_merge(d, &e->rare->problems);
        return r < 0 ? r : -EINVAL;
}

/* Replaces invalid definitions, and equal ones, with the previous version. */
static int keep_in_force(Entry *e, const Entry *old) {
        bool same = e->def && old->def && e->def->digest == old->def->digest;
        int r;

        if (e->rare->problems.n_items > 0 || same) {
                job_def_unref(e->def);
                e->def = job_def_ref(old->def);
                e->changed = false;
        }
        if (e->rare->problems.n_items == 0)
                return 0;
        assert(e->rare->chains.n_items == 0 && !e->rare->texts); /* a bad file requests nothing */
        r = chains_copy(&old->rare->chains, &e->rare->chains);
        return r >= 0 && old->rare->texts ? copy_texts(old->rare->texts, &e->rare->texts) : r;
}

int entry_read(Entry **ret, EntryContext *context, Finding *f, const Entry *old) {
        _cleanup_(job_entry_freep) Entry *e = NULL;
        int r;

        r = entry_new(&e, f->name);
        if (r < 0)
                return r;
        e->directory = f->directory;
        e->masked = f->masked;
        e->hidden = f->hidden;
        e->rare->dropins = TAKE_GENERIC(f->dropins, (Sources){});
        e->rare->problems = TAKE_GENERIC(f->problems, (Diagnostics){});
        if (e->rare->problems.n_items > 0)
                e->recheck = true;
        else if (!e->masked)
                r = read_and_build(e, context, f);
        e->stamp = file_stamp_digest(&f->stamp);
        e->changed = e->def || e->rare->texts;
        if (r >= 0 && old)
                r = keep_in_force(e, old);
        if (r < 0)
                return r;
        *ret = entry_settle(TAKE_PTR(e));
        return 0;
}

/* It is read again by the next load: what it is at odds with may be another file. */
int entry_reject(Entry *e, const Entry *old, const Chain *at, const char *format, ...) {
        _cleanup_free_ char *message = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&message, format, ap);
        va_end(ap);
        if (r < 0) {
                message = NULL;
                return -ENOMEM;
        }
        r = diagnostics_add(&e->rare->problems, at->file, at->line, "%s", message);
        if (r < 0)
                return r;
        chains_done(&e->rare->chains);
        e->rare->texts = job_texts_free(e->rare->texts);
        e->def = job_def_unref(e->def);
        e->changed = false;
        e->recheck = true;
        return old ? keep_in_force(e, old) : 0;
}

static int copy_sources(const Sources *from, Sources *ret) {
        ret->items = calloc(MAX(from->n_items, (size_t)1), sizeof(Source));
        if (!ret->items)
                return -ENOMEM;
        for (; ret->n_items < from->n_items; ret->n_items++) {
                Source *s = &ret->items[ret->n_items];

                *s = from->items[ret->n_items];
                s->name = strdup(s->name);
                if (!s->name)
                        return -ENOMEM;
        }
        return 0;
}

int entry_carry(Entry **ret, const Entry *old, const char *directory_path, const char *message) {
        _cleanup_(job_entry_freep) Entry *e = NULL;
        int r;

        r = entry_new(&e, old->name);
        if (r < 0)
                return r;
        e->directory = old->directory;
        e->stamp = old->stamp;
        e->masked = old->masked;
        e->hidden = old->hidden;
        e->recheck = true;
        e->carried = true;
        r = copy_sources(&old->rare->dropins, &e->rare->dropins);
        if (r >= 0)
                r = diagnostics_add(&e->rare->problems, directory_path, 0, "%s", message);
        if (r >= 0)
                r = keep_in_force(e, old);
        if (r < 0)
                return r;
        *ret = entry_settle(TAKE_PTR(e));
        return 0;
}
