/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl list: one line for every job that is asked for, then the problems of files. One call gets all jobs; their
 * alarms, the daemon and the problems are one more each, and whether files have changed is looked up here. */

#include <fcntl.h>
#include <fnmatch.h>
#include <sys/stat.h>

#include "client/daemon-view.h"
#include "client/job-view.h"
#include "client/once.h"
#include "config/job-entry.h"
#include "config/job-scan.h"
#include "ctl/alloc.h"
#include "ctl/relative-time.h"
#include "ctl/view-json.h"
#include "ctl/view-text.h"
#include "job/job-table.h"
#include "util/array.h"
#include "util/file.h"
#include "util/places.h"
#include "util/strv.h"

/* What is known of all jobs. */
typedef struct List {
        Rows rows, alarms, diagnostics;
        DaemonView daemon;
        const JobRow **jobs; /* those that are shown */
        size_t n_jobs;
        char **changed_dropins; /* in order: NAME of each NAME.job.d that was changed since it was read */
        char *directory;        /* of the file that was looked at last, or NULL */
        int directory_fd;
        bool directory_unchanged;
} List;

static void list_done(List *l) {
        rows_done(&l->rows);
        rows_done(&l->alarms);
        rows_done(&l->diagnostics);
        daemon_view_done(&l->daemon);
        l->jobs = mfree(l->jobs);
        strv_free(l->changed_dropins);
        free(l->directory);
        safe_close(l->directory_fd);
}

static const JobRow *job_rows_find(const Rows *rows, const char *name) {
        for (size_t i = 0; i < rows->n_items; i++)
                if (streq(rows->jobs[i].name, name))
                        return &rows->jobs[i];
        return NULL;
}

/* --- which jobs, in which order --- */

static bool has_failed(const JobRow *row) {
        return result_is_failure(row->last_result);
}

/* Whether any of words is in the list, which separators separate. */
static bool list_contains(const char *list, const char *separators, const char *word) {
        size_t n = strlen(word);

        for (const char *p = list; *p; p += strspn(p, separators)) {
                size_t length = strcspn(p, separators);

                if (length == n && memcmp(p, word, n) == 0)
                        return true;
                p += length;
        }
        return false;
}

static bool has_tag(const JobRow *row, const char *tags) {
        _cleanup_free_ char *copy = alloc_string(row->tags);
        char *rest = copy, *tag;

        while ((tag = strsep(&rest, " ")))
                if (list_contains(tags, ",", tag))
                        return true;
        return false;
}

static bool matches_any(const JobRow *row, char *const *patterns) {
        bool matches = !patterns[0];

        for (char *const *p = patterns; *p && !matches; p++)
                matches = fnmatch(*p, row->name, 0) == 0;
        return matches;
}

static bool is_wanted(const Ctl *c, const JobRow *row, char *const *patterns) {
        return matches_any(row, patterns) && (!c->failed || has_failed(row)) &&
               (!c->states || list_contains(c->states, ",", row->state) ||
                (row->paused && list_contains(c->states, ",", "paused"))) &&
               (!c->tags || has_tag(row, c->tags));
}

static int compare_names(const void *a, const void *b) {
        return strcmp((*(const JobRow *const *)a)->name, (*(const JobRow *const *)b)->name);
}

/* When something happens next: an elapse or a retry; USEC_INFINITY: never. */
static usec_t next_of(const JobRow *row) {
        return MIN(row->next ?: USEC_INFINITY, row->retry ?: USEC_INFINITY);
}

static int compare_next(const void *a, const void *b) {
        usec_t x = next_of(*(const JobRow *const *)a), y = next_of(*(const JobRow *const *)b);

        return x < y ? -1 : x > y ? 1 : compare_names(a, b);
}

static usec_t last_of(const JobRow *row) {
        return row->last_end ?: row->last_start;
}

/* The newest first. */
static int compare_last(const void *a, const void *b) {
        usec_t x = last_of(*(const JobRow *const *)a), y = last_of(*(const JobRow *const *)b);

        return x > y ? -1 : x < y ? 1 : compare_names(a, b);
}

/* Returns an exit status. */
static int sort(const char *order, const JobRow **jobs, size_t n) {
        static const struct {
                const char *name;
                int (*compare)(const void *a, const void *b);
        } orders[] = { { "name", compare_names }, { "next", compare_next }, { "last", compare_last } };

        for (size_t i = 0; i < ELEMENTSOF(orders); i++)
                if (streq(order ?: "name", orders[i].name)) {
                        size_t sorted = MIN(n, (size_t)1);

                        while (sorted < n && orders[i].compare(&jobs[sorted - 1], &jobs[sorted]) <= 0)
                                sorted++;
                        if (sorted < n) /* the daemon sends them by name */
                                qsort(jobs, n, sizeof(*jobs), orders[i].compare);
                        return CTL_DONE;
                }
        ctl_complain(_("--sort= takes name, next or last, not '%s'."), order);
        return CTL_USAGE;
}

/* A state that is not one selects nothing, which looks as if all were well. Returns an exit status. */
static int check_states(const char *states) {
        _cleanup_free_ char *known = alloc_string(""), *copy = alloc_string(strempty(states));
        char *rest = copy, *word;

        for (JobState s = 0; s < _JOB_STATE_MAX; s++) {
                char *longer = alloc_format("%s%s%s", known, s > 0 ? ", " : "", job_state_to_string(s));

                free(known);
                known = longer;
        }
        while (states && (word = strsep(&rest, ",")))
                if (!list_contains(known, ", ", word)) {
                        ctl_complain(_("--state requires a list, separated by commas, of %s, not '%s'.%s"), known,
                                     word,
                                     streq(word, "failed") ? _(" For jobs whose last run failed, use --failed.") : "");
                        return CTL_USAGE;
                }
        return CTL_DONE;
}

/* --- what is on disk --- */

/* True if it was changed after that. Seconds that are equal are compared with what the kernel's clock for files gives,
 * which is some milliseconds late. */
static bool is_newer(const struct stat *st, usec_t than) {
        return (usec_t)st->st_ctim.tv_sec * USEC_PER_SEC + (usec_t)st->st_ctim.tv_nsec / 1000 > than;
}

/* Whether a directory of drop-ins, or a file in it, was changed after that. */
static bool has_newer_dropin(int directory_fd, const char *name, usec_t than) {
        _cleanup_close_ int fd = openat(directory_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        _cleanup_(closedirp) DIR *entries = fd_list(fd);
        const struct dirent *entry;
        struct stat st;
        bool found = fstatat(directory_fd, name, &st, 0) >= 0 && is_newer(&st, than);

        while (!found && entries && (entry = readdir(entries)))
                found = entry->d_name[0] != '.' && fstatat(fd, entry->d_name, &st, 0) >= 0 && is_newer(&st, than);
        return found;
}

/* What the daemon says about another directory than the one that is there now is forgotten. */
static void check_unchanged(UnchangedDirectory *u) {
        struct stat st;

        for (; u && u->path; u++)
                if (stat(u->path, &st) < 0 || st.st_dev != u->device || st.st_ino != u->inode)
                        u->path = "";
}

/* The directory of n bytes, with a slash at its end or without, if nothing has happened in it. */
static const UnchangedDirectory *find_unchanged(const List *l, const char *path, size_t n) {
        while (n > 1 && path[n - 1] == '/')
                n--;
        for (const UnchangedDirectory *u = l->daemon.unchanged; u && u->path; u++)
                if (strncmp(u->path, path, n) == 0 && strspn(u->path + n, "/") == strlen(u->path + n))
                        return u;
        return NULL;
}

/* The jobs and templates whose drop-ins are not those that were read: the directories of jobs tell which there are, so
 * that none is looked for in vain. */
static void find_changed_dropins(List *l) {
        STRV_FOREACH(path, l->daemon.directories) {
                const UnchangedDirectory *unchanged = find_unchanged(l, *path, strlen(*path));
                _cleanup_(closedirp) DIR *directory = unchanged && !unchanged->has_dropins ? NULL : opendir(*path);
                const struct dirent *entry;

                while (directory && (entry = readdir(directory))) {
                        size_t n = strlen(entry->d_name), n_suffix = strlen(JOB_DROPINS_SUFFIX);

                        if (n > n_suffix && streq(entry->d_name + n - n_suffix, JOB_DROPINS_SUFFIX) &&
                            has_newer_dropin(dirfd(directory), entry->d_name, l->daemon.loaded))
                                alloc_extendf(&l->changed_dropins, "%.*s", (int)(n - n_suffix), entry->d_name);
                }
        }
        strings_sort(l->changed_dropins, strv_length(l->changed_dropins));
}

/* Whether the drop-ins of what has a name of n bytes have changed. */
static bool has_changed_dropins(const List *l, const char *name, size_t n) {
        char *const *found = l->changed_dropins;
        size_t n_found = strv_length(found), at = BISECT(n_found, i, strncmp(found[i], name, n) < 0);

        return at < n_found && strncmp(found[at], name, n) == 0 && found[at][n] == '\0';
}

/* Whether the file is not the one that was read. By the directory, which most files share: the kernel then has one
 * name to look up, and none where the daemon would have been told of a change. */
static bool is_changed_file(List *l, const char *path) {
        const char *slash = strrchr(path, '/');
        size_t n = slash ? (size_t)(slash + 1 - path) : 0;
        struct stat st;

        if (!l->directory || strncmp(l->directory, path, n) != 0 || l->directory[n] != '\0') {
                free(l->directory);
                safe_close(l->directory_fd);
                l->directory = alloc_format("%.*s", (int)n, path);
                l->directory_unchanged = find_unchanged(l, path, n);
                l->directory_fd = open(l->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
        }
        return !l->directory_unchanged &&
               (fstatat(l->directory_fd, path + n, &st, 0) < 0 || is_newer(&st, l->daemon.loaded));
}

/* The files of the job are not those that were read. That of a job that runs once is written by the daemon. */
static bool is_changed_on_disk(List *l, const JobRow *row) {
        if (l->daemon.loaded == 0 || isempty(row->fragment) || once_is_file(row->fragment))
                return false;
        return is_changed_file(l, row->fragment) || has_changed_dropins(l, row->name, strlen(row->name)) ||
               has_changed_dropins(l, row->name, job_name_template_length(row->name));
}

/* --- a line --- */

/* "failed (exit 3), 3min ago" */
static char *last_text(const Ctl *c, const JobRow *row, usec_t now) {
        _cleanup_free_ char *result = job_result_text(row->last_result, (int)row->last_code);
        char when[LOCAL_TIME_TEXT_MAX], age[RELATIVE_TIME_MAX];

        if (isempty(row->last_result))
                return alloc_string("-");
        return alloc_format("%s, %s", result,
                            c->full ? local_time_format(when, last_of(row))
                                    : relative_time_format(age, last_of(row), now));
}

/* The next elapse, and whether it is skipped; of a retry, when that is due. */
static char *next_text(const Ctl *c, const JobRow *row, usec_t now) {
        bool is_retry = row->retry > 0 && next_of(row) == row->retry;
        bool is_skipped = row->skip > 0 && !is_retry && next_of(row) != USEC_INFINITY;
        char at[LOCAL_TIME_TEXT_MAX], left[RELATIVE_TIME_MAX];
        const char *when =
                c->full ? local_time_format(at, next_of(row)) : relative_time_format(left, next_of(row), now);

        if (!is_retry && !is_skipped)
                return alloc_string(when);
        return alloc_format("%s%s%s", is_retry ? _("retry ") : "", when, is_skipped ? _(", skipped") : "");
}

/* The alarms of a job, which are next to each other, and how many there are. */
static const AlarmRow *alarms_of(const List *l, const char *job, size_t *ret_n) {
        const AlarmRow *alarms = l->alarms.alarms;
        size_t first = BISECT(l->alarms.n_items, i, strcmp(alarms[i].job, job) < 0), end = first;

        while (end < l->alarms.n_items && streq(alarms[end].job, job))
                end++;
        *ret_n = end - first;
        return alarms + first;
}

/* What needs to be looked at: "1 alarm, changed on disk"; NULL: nothing. */
static char *notes_text(List *l, const JobRow *row) {
        size_t n_alarms;
        const char *problem = !row->has_problem || streq(row->state, "invalid") ? "" : _("file invalid, ");
        const char *paused = row->paused && !streq(row->state, "paused") && !l->daemon.paused ? _("paused, ") : "";
        const char *changed = is_changed_on_disk(l, row) ? _("changed on disk, ") : "";
        _cleanup_free_ char *alarms = NULL, *degraded = NULL;
        char *text;

        (void)alarms_of(l, row->name, &n_alarms);
        if (n_alarms == 0 && row->degraded == 0 && !*problem && !*paused && !*changed)
                return NULL;
        if (n_alarms > 0)
                alarms = alloc_format(ngettext("%zu alarm, ", "%zu alarms, ", n_alarms), n_alarms);
        if (row->degraded > 0)
                degraded = alloc_format(_("%" PRIu32 " degraded, "), row->degraded);
        text = alloc_format("%s%s%s%s%s", strempty(alarms), problem, strempty(degraded), paused, changed);
        text[strlen(text) - 2] = '\0';
        return text;
}

static void add_row(const Ctl *c, Table *t, List *l, const JobRow *row, usec_t now) {
        _cleanup_free_ char *last = last_text(c, row, now), *next = next_text(c, row, now),
                            *notes = notes_text(l, row);
        char runs[sizeof("18446744073709551615")];

        (void)snprintf(runs, sizeof(runs), "%" PRIu64, row->runs);
        table_add(t, (TableCell[]){
                             { .text = row->name },
                             { .text = row->state, .color = job_state_color(row->state) },
                             { .text = last, .color = job_result_color(row->last_result) },
                             { .text = next },
                             { .text = runs },
                             { .text = notes, .color = COLOR_YELLOW },
                             { .text = row->description },
                     });
}

/* --- below the table --- */

static void print_sum(size_t n, const char *words) {
        if (n > 0)
                printf(", %zu %s", n, words);
}

/* "12 jobs listed, 1 running, 2 failed." */
static void print_sums(const List *l) {
        size_t n_running = 0, n_failed = 0, n_retrying = 0, n_paused = 0, n_disabled = 0, n_invalid = 0, n_alarms = 0,
               n_queued = 0;

        for (size_t i = 0; i < l->n_jobs; i++) {
                const JobRow *row = l->jobs[i];
                size_t n;

                (void)alarms_of(l, row->name, &n);
                n_alarms += n;
                n_running += row->running > 0;
                n_queued += row->queued > 0 && !streq(row->state, "retrying");
                n_failed += has_failed(row);
                n_retrying += row->retry > 0;
                n_paused += row->paused && !l->daemon.paused;
                n_disabled += streq(row->state, "disabled");
                n_invalid += row->has_problem;
        }
        if (l->n_jobs > 0)
                putchar('\n');
        printf(ngettext("%zu job listed, %zu running", "%zu jobs listed, %zu running", l->n_jobs), l->n_jobs,
               n_running);
        print_sum(n_queued, _("queued"));
        print_sum(n_failed, _("failed"));
        print_sum(n_retrying, _("retrying"));
        print_sum(n_paused, _("paused"));
        print_sum(n_disabled, _("disabled"));
        print_sum(n_invalid, _("with an invalid file"));
        print_sum(n_alarms, ngettext("alarm raised", "alarms raised", n_alarms));
        puts(".");
}

static void print_table(Ctl *c, List *l) {
        static const TableColumn columns[] = {
                { .title = N_("JOB"), .shrink = SHRINK_LATE },
                { .title = N_("STATE") },
                { .title = N_("LAST") },
                { .title = N_("NEXT") },
                { .title = N_("RUNS"), .right = true },
                { .title = N_("NOTES"), .shrink = SHRINK_LATE, .optional = true },
                { .title = N_("DESCRIPTION"), .shrink = SHRINK_FIRST },
        };
        _cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns));
        usec_t now = now_realtime();

        for (size_t i = 0; i < l->n_jobs; i++)
                add_row(c, t, l, l->jobs[i], now);
        if (l->n_jobs > 0)
                table_print(t, stdout, &c->style);
        if (!c->no_legend)
                print_sums(l);
}

/* Where the first job goes. Of a daemon behind another socket it is not known. */
static void print_first_step(const Ctl *c) {
        _cleanup_(strv_freep) char **dirs = NULL;

        if (!c->socket && !ctl_is_remote(c) && places_job_dirs(c->user, &dirs) >= 0)
                printf(_("Write a job to %s/NAME.job (see vaktd.job(5)), and run 'vaktctl%s reload'.\n"), dirs[0],
                       c->user ? " --user" : "");
}

/* The job that ".../NAME.job" or ".../NAME.job.d/SOME.conf" belongs to; NULL: not a file of a job. The caller frees
 * it. */
static char *diagnostic_job(const char *file) {
        static const char *const marks[] = { ".job.d/", ".job" };

        for (size_t i = 0; i < ELEMENTSOF(marks); i++) {
                const char *end = NULL, *start;

                for (const char *p = file; (p = strstr(p, marks[i])); p++)
                        end = p;
                if (!end || (i == 1 && end[strlen(marks[i])] != '\0'))
                        continue;
                start = memrchr(file, '/', (size_t)(end - file));
                start = start ? start + 1 : file;
                return alloc_format("%.*s", (int)(end - start), start);
        }
        return NULL;
}

/* Reports that a job with an invalid file uses an older version. Returns like ctl_call(). */
static int print_in_force(Ctl *c, const JobRow *row) {
        _cleanup_(job_view_done) JobView job = { 0 };
        _cleanup_free_ char *name = NULL;
        int r;

        if (streq(row->state, "invalid"))
                return 0;
        r = job_view_get_object(c->connection, row->object, &c->error, &job);
        if (r < 0)
                return ctl_failed(c, r, NULL);
        if (isempty(job.problem))
                return 0;
        name = text_escape(job.name);
        printf(_("Job %s still uses the last valid version of its file.\n"), name);
        return 0;
}

/* The problems of files; after the last one of a job, which version is in use. */
static int print_problems(Ctl *c, const Rows *rows, const Rows *d) {
        int r;

        if (d->n_items > 0)
                putchar('\n');
        for (size_t i = 0; i < d->n_items; i++) {
                _cleanup_free_ char *job = diagnostic_job(d->diagnostics[i].file), *next = NULL;
                const JobRow *row = job ? job_rows_find(rows, job) : NULL;

                diagnostic_print(stdout, &d->diagnostics[i]);
                if (i + 1 < d->n_items)
                        next = diagnostic_job(d->diagnostics[i + 1].file);
                if (!row || streq_ptr(job, next))
                        continue;
                r = print_in_force(c, row);
                if (r != 0)
                        return r;
        }
        return 0;
}

static json_object *job_json(List *l, const JobRow *row) {
        /* clang-format off */
        static const char *const members[] = {
                "job", "description", "state", "file", "tags", "last_result", "last_code", "next_usec",
                "next_retry_usec", "last_start_usec", "last_end_usec", "runs", "running", "queued", "skip",
                "degraded", "paused", "invalid_file", "object",
        };
        /* clang-format on */
        json_object *o = row_json(row, JOB_ROWS_TYPE, members), *alarms = json_new_array();
        _cleanup_free_ char *copy = alloc_string(row->tags);
        _cleanup_(strv_freep) char **tags = NULL;
        char *rest = copy, *tag;
        size_t n;
        const AlarmRow *alarm = alarms_of(l, row->name, &n);

        for (size_t i = 0; i < n; i++)
                json_append(alarms, row_json(alarm + i, "a(sstts)", alarm_members));
        json_add(o, "alarms", alarms);
        while ((tag = strsep(&rest, " ")))
                if (*tag)
                        alloc_extend(&tags, tag);
        json_add_strings(o, "tags", tags);
        if (!code_is_known(row->last_result, (int)row->last_code))
                json_add(o, "last_code", NULL);
        json_add(o, "changed_on_disk", NULL); /* of another machine */
        if (l->daemon.loaded > 0)
                json_add_bool(o, "changed_on_disk", is_changed_on_disk(l, row));
        return o;
}

static int compare_alarms(const void *a, const void *b) {
        return strcmp(((const AlarmRow *)a)->job, ((const AlarmRow *)b)->job);
}

/* Reads everything, and selects and sorts the jobs. Returns an exit status, or like ctl_call(). */
static int list_read(Ctl *c, char *const *patterns, List *l) {
        int r;

        r = daemon_view_get(c->connection, &c->error, &l->daemon);
        if (ctl_is_remote(c)) /* its files are not here */
                l->daemon.loaded = 0;
        check_unchanged(l->daemon.unchanged);
        if (l->daemon.loaded > 0)
                find_changed_dropins(l);
        if (r >= 0)
                r = job_rows_get(c->connection, &c->error, &l->rows);
        if (r >= 0)
                r = alarm_rows_get(c->connection, &c->error, &l->alarms);
        if (r >= 0 && !c->json && !c->no_legend)
                r = diagnostic_views_get(c->connection, /* reload= */ false, &c->error, &l->diagnostics);
        if (r < 0)
                return ctl_failed(c, r, NULL);
        qsort(l->alarms.alarms, l->alarms.n_items, sizeof(AlarmRow), compare_alarms);
        l->jobs = alloc_array(NULL, l->rows.n_items + 1, sizeof(*l->jobs));
        for (size_t i = 0; i < l->rows.n_items; i++)
                if (is_wanted(c, &l->rows.jobs[i], patterns))
                        l->jobs[l->n_jobs++] = &l->rows.jobs[i];
        return sort(c->sort, l->jobs, l->n_jobs);
}

int verb_list(Ctl *c, char **args) {
        _cleanup_(list_done) List l = { .directory_fd = -EBADF };
        bool is_selection = args[0] || c->failed || c->states || c->tags;
        int r;

        r = sort(c->sort, &(const JobRow *){ NULL }, 0); /* a mistake is told before a daemon is needed */
        if (r == 0)
                r = check_states(c->states);
        if (r != 0)
                return r;
        r = list_read(c, args, &l);
        if (r != 0)
                return r;
        if (c->json) {
                json_object *array = json_new_array();

                for (size_t i = 0; i < l.n_jobs; i++)
                        json_append(array, job_json(&l, l.jobs[i]));
                return json_print(array);
        }
        ctl_open_pager(c);
        if (l.daemon.paused && !c->no_legend) { /* first, because no state in the table below shows it */
                ctl_print_colored(c, COLOR_YELLOW, translated(DAEMON_PAUSED));
                fputs("\n\n", stdout);
        }
        print_table(c, &l);
        if (l.rows.n_items == 0 && !c->no_legend)
                print_first_step(c);
        return c->no_legend || is_selection ? CTL_DONE : print_problems(c, &l.rows, &l.diagnostics);
}

/* --- is-failed --- */

static json_object *failed_json(const JobRow *row) {
        json_object *o = json_new_object();

        json_add_string(o, "job", row->name);
        json_add_bool(o, "failed", has_failed(row));
        json_add_word(o, "last_result", row->last_result);
        json_add(o, "last_code",
                 code_is_known(row->last_result, (int)row->last_code) ? json_object_new_int((int)row->last_code)
                                                                      : NULL);
        return o;
}

/* One line for each job that matches, as systemctl has it. 0: one of them has failed. */
int verb_is_failed(Ctl *c, char **args) {
        _cleanup_(json_putp) json_object *array = json_new_array();
        _cleanup_(rows_done) Rows rows = { 0 };
        bool any_failed = false;
        int r;

        r = job_rows_get(c->connection, &c->error, &rows);
        if (r < 0)
                return ctl_failed(c, r, NULL);
        for (char **name = args; *name; name++)
                if (!strpbrk(*name, "*?[") && !job_rows_find(&rows, *name)) {
                        ctl_about_argument(*name);
                        return ctl_call(c, &(MethodCall){ .member = "GetJob" }, NULL, "s", *name);
                }
        for (size_t i = 0; i < rows.n_items; i++) {
                const JobRow *row = &rows.jobs[i];
                _cleanup_free_ char *words = job_result_text(row->last_result, (int)row->last_code);

                if (!matches_any(row, args))
                        continue;
                any_failed = any_failed || has_failed(row);
                json_append(array, failed_json(row));
                if (!isempty(args[0]) && !args[1] && !strpbrk(args[0], "*?["))
                        ctl_say(c, stdout, "%s", isempty(words) ? "-" : words);
                else
                        ctl_say(c, stdout, "%s: %s", row->name, isempty(words) ? "-" : words);
        }
        if (c->json)
                json_print(json_object_get(array));
        return any_failed ? CTL_DONE : CTL_FAILED;
}
