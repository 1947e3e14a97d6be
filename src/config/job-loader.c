/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A load lists the directories, sorts what it found by name, and walks it beside the entries of the load before, which
 * are sorted as well. For each name the file that counts and its drop-ins are looked up with one fstatat() each; when
 * none of them changed, the entry of before is taken over as it is (job-entry.c). All is built beside the state in
 * force and swapped in at the end, so that running out of memory changes nothing. */

#include "config/job-loader.h"
#include "config/specifier.h"

#include <fcntl.h>
#include <limits.h>

#include "config/job-cycles.h"
#include "config/job-entry.h"
#include "config/job-watch.h"
#include "util/array.h"
#include "util/complain.h"
#include "util/strv.h"

struct JobLoader {
        Directory *directories; /* open during a load only */
        size_t n_directories;
        uid_t owner;
        ZoneCache *zones;
        LoaderTarget target;
        const char *state_dir;
        bool has_once;        /* the last directory is that of jobs that run once */
        JobWatch watch;       /* of the directories */
        int64_t loaded_at;    /* ns of CLOCK_REALTIME */
        char host[HOST_SIZE]; /* %h in what was read */
        Entry **entries;      /* by name */
        size_t n_entries;
        LoadedJob *jobs;
        size_t n_jobs;
        Diagnostics diagnostics;
        JobDef **instances; /* that were asked for, by name */
        size_t n_instances;
        size_t n_read;
};

static const Entry *find_entry(const JobLoader *l, const char *name) {
        size_t at = BISECT(l->n_entries, i, strcmp(l->entries[i]->name, name) < 0);

        return at < l->n_entries && streq(l->entries[at]->name, name) ? l->entries[at] : NULL;
}

static JobFileContext file_context_of(const JobLoader *l) {
        return (JobFileContext){
                .host = l->host,
                .zones = l->zones,
                .target = l->target,
                .state_dir = l->state_dir,
                .now = (usec_t)l->loaded_at / NSEC_PER_USEC,
        };
}

/* One load under way. */
typedef struct Load {
        JobLoader *loader;
        EntryContext context;
        size_t entries_max;
        char host[HOST_SIZE];
        char **refusals; /* per directory: why it cannot be read; NULL: it can */
        JobWatch watch;
        JobScan scan;
        size_t old_at; /* entries of the loader before this one are done with */
        Entry **entries;
        size_t n_entries;
        Diagnostics problems; /* of directories and of names */
} Load;

/* --- directories --- */

/* A directory that is there and cannot be read takes no job away: what was loaded from it stays. The message is taken
 * over. */
static int refuse_directory(Load *load, unsigned directory, char *message) {
        JobLoader *l = load->loader;
        int r;

        load->refusals[directory] = message;
        if (!message)
                return -ENOMEM;
        r = diagnostics_add(&load->problems, l->directories[directory].path, 0, "%s", message);
        for (size_t i = 0; r >= 0 && i < l->n_entries; i++)
                if (entry_depends_on(l->entries[i], directory))
                        r = job_scan_add(&load->scan, l->entries[i]->name, strlen(l->entries[i]->name), directory,
                                         CANDIDATE_CARRIED);
        return r;
}

static int scan_directory(Load *load, unsigned directory) {
        Directory *f = &load->loader->directories[directory];
        char *message = NULL;
        int r;

        job_watch_add(&load->watch, directory, f->path);
        f->fd = directory_open(AT_FDCWD, f->path, load->loader->owner, &message);
        job_watch_confirm(&load->watch, directory, f->fd);
        if (f->fd == -ENOENT)
                return 0;
        if (f->fd < 0)
                return f->fd == -EINVAL ? refuse_directory(load, directory, message) : f->fd;
        r = job_scan_directory(&load->scan, f, directory, load->entries_max, &load->problems);
        if (r >= 0 || r == -ENOMEM)
                return r;
        r = complain(&message, "Cannot read the directory: %s.", strerror(-r));
        return r == -EINVAL ? refuse_directory(load, directory, message) : r;
}

/* The directory for whose sake the old entry has to stay; NULL: for none. A file in an earlier directory counts in any
 * case, unless drop-ins are out of reach. */
static const Candidate *must_carry(const Finding *f, const Entry *old) {
        for (size_t i = 0; i < f->n_candidates; i++) {
                if (f->candidates[i].kind == CANDIDATE_CARRIED)
                        return &f->candidates[i];
                if (f->candidates[i].kind == CANDIDATE_FILE && old && old->rare->dropins.n_items == 0)
                        return NULL;
        }
        return NULL;
}

/* The entry of the load before; names come in order. */
static Entry *find_old(Load *load, const char *name) {
        const JobLoader *l = load->loader;

        while (load->old_at < l->n_entries) {
                int r = strcmp(l->entries[load->old_at]->name, name);

                if (r >= 0)
                        return r == 0 ? l->entries[load->old_at] : NULL;
                load->old_at++;
        }
        return NULL;
}

/* Whether all that can happen to the file happens in its directory. A link may lead to another file there, but to no
 * further link, which may be one that nobody looks at: no job, or hidden by a job of the same name. */
static bool is_within_directory(const Load *load, const Finding *f, const Candidate *c) {
        int fd = load->loader->directories[c->directory].fd;
        char target[NAME_MAX + 1], further[1];
        ssize_t n;

        if (f->stamp.linked)
                return false;
        if (c->regular)
                return true;
        n = readlinkat(fd, f->file, target, sizeof(target) - 1);
        if (n < 0)
                return errno == EINVAL; /* it is no link */
        target[n] = '\0';
        return !strchr(target, '/') && readlinkat(fd, target, further, sizeof(further)) < 0 && errno == EINVAL;
}

/* carried: none of its files is looked at now. */
static void note_watched(Load *load, const Finding *f, bool carried) {
        for (size_t i = 0; i < f->n_candidates; i++) {
                const Candidate *c = &f->candidates[i];

                if (c->kind == CANDIDATE_DROPINS)
                        load->watch.directories[c->directory].has_dropins = true;
                else if (!carried && !f->masked && !f->hidden && c->directory == f->directory &&
                         !is_within_directory(load, f, c))
                        job_watch_give_up(&load->watch, c->directory);
        }
}

static int load_finding(Load *load, Finding *f, Entry *old) {
        const Candidate *carried = must_carry(f, old);
        _cleanup_(job_entry_freep) Entry *fresh = NULL;
        Entry **place;
        int r;

        assert(!carried || (old && load->refusals[carried->directory]));
        if (carried)
                r = entry_carry(&fresh, old, load->loader->directories[carried->directory].path,
                                load->refusals[carried->directory]);
        else {
                f->fresh = !old || !streq(load->host, load->loader->host);
                r = finding_search(f, &load->context, &load->scan);
        }
        note_watched(load, f, carried);
        if (!carried) {
                if (r <= 0)
                        return r;
                if (f->fresh || !entry_is_current(old, f))
                        r = entry_read(&fresh, &load->context, f, old);
        }
        if (r < 0)
                return r;
        place = ARRAY_NEXT(load->entries, load->n_entries);
        if (!place)
                return -ENOMEM;
        *place = fresh ?: old;
        load->n_entries++;
        if (!TAKE_PTR(fresh))
                old->kept = true;
        return 0;
}

/* Loads all names, or reuses what is known of them. */
static int load_names(Load *load) {
        size_t n;

        for (size_t i = 0; i < load->scan.n_items; i += n) {
                const Candidate *first = &load->scan.items[i];
                Finding f = { .name = first->name, .candidates = first };
                Entry *old = find_old(load, first->name);
                int r;

                for (n = 1; i + n < load->scan.n_items && streq(first[n].name, first->name);)
                        n++;
                f.n_candidates = n;
                r = load_finding(load, &f, old);
                finding_done(&f);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* --- the load as a whole --- */

/* Frees what the load did not hand over. */
static void load_done(Load *load) {
        for (size_t i = 0; i < load->n_entries; i++)
                if (load->entries[i]->kept)
                        load->entries[i]->kept = false;
                else
                        job_entry_free(load->entries[i]);
        free(load->entries);
        job_scan_done(&load->scan);
        diagnostics_done(&load->problems);
        for (size_t i = 0; i < load->loader->n_directories; i++) {
                load->loader->directories[i].fd = safe_close(load->loader->directories[i].fd);
                if (load->refusals)
                        free(load->refusals[i]);
        }
        free(load->refusals);
        job_watch_done(&load->watch);
}

/* Adds the problems of the entries to those of the directories. */
static int gather_problems(Load *load) {
        diagnostics_find_private(&load->problems);
        for (size_t i = 0; i < load->n_entries; i++) {
                int r;

                diagnostics_find_private(&load->entries[i]->rare->problems);
                r = load->entries[i]->carried ? 0
                                              : diagnostics_merge(&load->problems, &load->entries[i]->rare->problems);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int list_jobs(Entry *const *entries, size_t n_entries, LoadedJob **ret, size_t *ret_n) {
        LoadedJob *jobs = calloc(MAX(n_entries, (size_t)1), sizeof(LoadedJob));
        size_t n = 0;

        if (!jobs)
                return -ENOMEM;
        for (size_t i = 0; i < n_entries; i++) {
                const Entry *e = entries[i];

                if (!e->masked && !e->hidden && !job_name_is_template(e->name))
                        jobs[n++] = (LoadedJob){
                                .name = e->name,
                                .def = e->def,
                                .problem = e->rare->problems.n_items > 0 ? e->rare->problems.items : NULL,
                        };
        }
        *ret = jobs;
        *ret_n = n;
        return 0;
}

static const Entry *find_old_entry(const void *userdata, const char *name) {
        return find_entry(userdata, name);
}

/* Instances that only the loader knows any more are forgotten. */
static void forget_instances(JobLoader *l) {
        size_t n = 0;

        for (size_t i = 0; i < l->n_instances; i++)
                if (l->instances[i]->n_ref == 1)
                        job_def_unref(l->instances[i]);
                else
                        l->instances[n++] = l->instances[i];
        l->n_instances = n;
}

static void entries_free(JobLoader *l) {
        for (size_t i = 0; i < l->n_entries; i++)
                if (!l->entries[i]->kept)
                        job_entry_free(l->entries[i]);
        free(l->entries);
        free(l->jobs);
        diagnostics_done(&l->diagnostics);
}

/* Puts the load into force. Nothing can fail from here on. */
static void load_commit(Load *load, LoadedJob *jobs, size_t n_jobs) {
        JobLoader *l = load->loader;

        entries_free(l);
        for (size_t i = 0; i < load->n_entries; i++)
                load->entries[i]->kept = load->entries[i]->changed = false;
        l->entries = TAKE_PTR(load->entries);
        l->n_entries = TAKE_GENERIC(load->n_entries, 0);
        l->jobs = jobs;
        l->n_jobs = n_jobs;
        l->diagnostics = TAKE_GENERIC(load->problems, (Diagnostics){});
        l->n_read = load->context.n_read;
        l->loaded_at = load->context.now;
        strcpy(l->host, load->host);
        job_watch_done(&l->watch);
        l->watch = TAKE_GENERIC(load->watch, JOB_WATCH_NONE);
        forget_instances(l);
}

int job_loader_load_at(JobLoader *l, int64_t now_realtime, size_t entries_max) {
        _cleanup_(load_done) Load load = {
                .loader = l,
                .context = { .directories = l->directories,
                             .owner = l->owner,
                             .now = now_realtime,
                             .host = load.host,
                             .zones = l->zones,
                             .target = l->target,
                             .state_dir = l->state_dir,
                             .once = l->has_once ? (unsigned)l->n_directories : 0 },
                .entries_max = entries_max,
                .watch = JOB_WATCH_NONE,
        };
        LoadedJob *jobs = NULL;
        size_t n_jobs;
        int r = 0;

        load.refusals = calloc(l->n_directories + 1, sizeof(char *));
        if (!load.refusals || job_watch_init(&load.watch, l->n_directories) < 0)
                return -ENOMEM;
        host_name_get(load.host);
        for (unsigned i = 0; r >= 0 && i < l->n_directories; i++)
                r = scan_directory(&load, i);
        job_scan_sort(&load.scan);
        if (r >= 0)
                r = load_names(&load);
        if (r >= 0)
                r = cycles_break(load.entries, load.n_entries, find_old_entry, l);
        if (r >= 0)
                r = gather_problems(&load);
        if (r >= 0)
                r = list_jobs(load.entries, load.n_entries, &jobs, &n_jobs);
        if (r < 0)
                return r;
        load_commit(&load, jobs, n_jobs);
        return 0;
}

int job_loader_load(JobLoader *l, usec_t now_realtime) {
        return job_loader_load_at(l, (int64_t)(now_realtime * NSEC_PER_USEC), LOADER_JOBS_MAX);
}

/* --- the loader --- */

int job_loader_new(JobLoader **ret, char *const *dirs, uid_t owner, ZoneCache *zones, LoaderTarget target,
                   const char *state_dir) {
        _cleanup_(job_loader_freep) JobLoader *l = calloc(1, sizeof(*l));
        size_t n = strv_length(dirs);

        if (!l)
                return -ENOMEM;
        l->watch = JOB_WATCH_NONE;
        l->owner = owner;
        l->zones = zones;
        l->target = target;
        l->state_dir = state_dir;
        l->directories = calloc(n + 1, sizeof(Directory));
        if (!l->directories)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                l->directories[i] = (Directory){ .path = strdup(dirs[i]), .fd = -EBADF };
                l->n_directories++;
                if (!l->directories[i].path)
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(l);
        return 0;
}

JobLoader *job_loader_free(JobLoader *l) {
        if (!l)
                return NULL;
        entries_free(l);
        for (size_t i = 0; i < l->n_instances; i++)
                job_def_unref(l->instances[i]);
        free(l->instances);
        for (size_t i = 0; i < l->n_directories; i++)
                directory_done(&l->directories[i]);
        free(l->directories);
        job_watch_done(&l->watch);
        return mfree(l);
}

const LoadedJob *job_loader_jobs(JobLoader *l, size_t *ret_n) {
        *ret_n = l->n_jobs;
        return l->jobs;
}

void job_loader_forget_jobs(JobLoader *l) {
        l->jobs = mfree(l->jobs);
        l->n_jobs = 0;
}

const Diagnostics *job_loader_diagnostics(JobLoader *l) {
        return &l->diagnostics;
}

int job_loader_unchanged(JobLoader *l, UnchangedVisit visit, void *userdata) {
        int r = 0;

        job_watch_update(&l->watch);
        for (size_t i = 0; r == 0 && i < l->watch.n; i++) {
                const WatchedDirectory *w = &l->watch.directories[i];

                if (w->watch >= 0)
                        r = visit(l->directories[i].path, w->device, w->inode, w->has_dropins, userdata);
        }
        return r;
}

size_t job_loader_files_read(const JobLoader *l) {
        return l->n_read;
}

/* --- jobs that run once --- */

void job_loader_set_once(JobLoader *l) {
        l->has_once = true;
}

static int read_once(JobLoader *l, const char *name, usec_t now, Entry **ret) {
        unsigned last = (unsigned)l->n_directories - 1;
        Directory *directory = &l->directories[last];
        EntryContext context = {
                .directories = l->directories,
                .owner = l->owner,
                .now = (int64_t)(now * NSEC_PER_USEC),
                .host = l->host,
                .zones = l->zones,
                .target = l->target,
                .state_dir = l->state_dir,
                .once = last + 1,
        };
        _cleanup_(job_scan_done) JobScan scan = {};
        _cleanup_(finding_done) Finding f = { .name = name };
        _cleanup_free_ char *message = NULL;
        int r;

        directory->fd = directory_open(AT_FDCWD, directory->path, l->owner, &message);
        if (directory->fd < 0)
                return directory->fd == -EINVAL ? -EACCES : directory->fd;
        r = job_scan_add(&scan, name, strlen(name), last, CANDIDATE_FILE);
        if (r >= 0) {
                job_scan_sort(&scan);
                f.n_candidates = job_scan_find(&scan, name, strlen(name), &f.candidates);
                r = finding_search(&f, &context, &scan);
        }
        if (r >= 0)
                r = r == 0 ? -ENOENT : entry_read(ret, &context, &f, /* old= */ NULL);
        directory->fd = safe_close(directory->fd);
        return r;
}

int job_loader_add_once(JobLoader *l, const char *name, usec_t now, Diagnostics *d, JobDef **ret) {
        _cleanup_(job_entry_freep) Entry *e = NULL;
        Entry **place;
        size_t at;
        int r;

        assert(l->has_once && l->n_directories > 0);
        if (find_entry(l, name))
                return -EEXIST;
        r = read_once(l, name, now, &e);
        if (r < 0)
                return r;
        if (!e->def) {
                r = diagnostics_merge(d, &e->rare->problems);
                return r < 0 ? r : -EINVAL;
        }
        at = BISECT(l->n_entries, i, strcmp(l->entries[i]->name, name) < 0);
        place = ARRAY_INSERT(l->entries, l->n_entries, at);
        if (!place)
                return -ENOMEM;
        e->changed = false;
        *ret = job_def_ref(e->def);
        *place = TAKE_PTR(e);
        job_loader_forget_jobs(l);
        return 0;
}

void job_loader_remove(JobLoader *l, const char *name) {
        size_t at = BISECT(l->n_entries, i, strcmp(l->entries[i]->name, name) < 0);

        if (at == l->n_entries || !streq(l->entries[at]->name, name))
                return;
        job_entry_free(l->entries[at]);
        ARRAY_REMOVE(l->entries, l->n_entries, at);
        job_loader_forget_jobs(l);
}

int job_loader_try(JobLoader *l, const char *name, const char *text, Diagnostics *d, JobDef **ret) {
        JobText texts[] = { { .path = (char *)name, .bytes = (char *)text, .n = strlen(text) } };
        JobFileContext context = file_context_of(l);

        return find_entry(l, name) ? -EEXIST : job_file_build(name, &context, texts, 1, d, ret);
}

/* --- instances --- */

size_t job_loader_n_instances(const JobLoader *l) {
        return l->n_instances;
}

/* Remembers a definition of an instance, or returns the one that is known and the same. The reference is taken over,
 * and one is given back in *d. */
static int remember_instance(JobLoader *l, JobDef **d) {
        JobDef **known;
        size_t at;

        if ((l->n_instances & (l->n_instances - 1)) == 0) /* it is to grow */
                forget_instances(l);
        at = BISECT(l->n_instances, i, strcmp(l->instances[i]->name, (*d)->name) < 0);
        known = at < l->n_instances && streq(l->instances[at]->name, (*d)->name) ? &l->instances[at] : NULL;
        if (known && (*known)->digest == (*d)->digest) {
                job_def_unref(*d);
                *d = job_def_ref(*known);
                return 0;
        }
        if (known)
                job_def_unref(*known);
        else if (!(known = ARRAY_INSERT(l->instances, l->n_instances, at)))
                return -ENOMEM;
        *known = job_def_ref(*d);
        return 0;
}

static int build_instance(JobLoader *l, const char *name, const Entry *template, JobDef **ret, Diagnostics *d) {
        _cleanup_(job_def_unrefp) JobDef *def = NULL;
        JobFileContext context = file_context_of(l);
        size_t n = 0;
        int r;

        assert(template->rare->texts && job_name_is_template(template->name));
        while (template->rare->texts[n].path)
                n++;
        r = job_file_build(name, &context, template->rare->texts, n, d, &def);
        if (r >= 0)
                r = remember_instance(l, &def);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(def);
        return 0;
}

/* Copies what is wrong with the entry. */
static int refuse_entry(const Entry *e, Diagnostics *d) {
        int r = diagnostics_merge(d, &e->rare->problems);

        return r < 0 ? r : -EINVAL;
}

static int instantiate(JobLoader *l, const char *name, JobDef **ret, Diagnostics *d) {
        char template[JOB_NAME_MAX + 1];
        const Entry *e;
        size_t n;

        if (!job_name_is_valid(name) || (n = job_name_template_length(name)) == 0)
                return -ENOENT;
        e = find_entry(l, name);
        if (e && e->masked)
                return -ENOENT;
        if (e && e->def) {
                *ret = job_def_ref(e->def);
                return 0;
        }
        if (e)
                return refuse_entry(e, d);
        memcpy(template, name, n);
        template[n] = '\0';
        e = find_entry(l, template);
        if (!e || e->masked)
                return -ENOENT;
        return e->rare->texts ? build_instance(l, name, e, ret, d) : refuse_entry(e, d);
}

int job_loader_instantiate(JobLoader *l, const char *name, JobDef **ret, Diagnostics *d) {
        Diagnostics unheard = {};
        int r;

        r = instantiate(l, name, ret, d ?: &unheard);
        diagnostics_done(&unheard);
        return r;
}
