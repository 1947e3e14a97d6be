/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl list: one line for every job, then the problems of files. One call gets all jobs; the object itself is
 * queried only for jobs whose files have problems. */

#include "client/daemon-view.h"
#include "client/job-view.h"
#include "ctl/alloc.h"
#include "ctl/relative-time.h"
#include "ctl/view-json.h"
#include "ctl/view-text.h"
#include "util/places.h"
#include "util/strv.h"

static const JobRow *job_rows_find(const Rows *rows, const char *name) {
        for (size_t i = 0; i < rows->n_items; i++)
                if (streq(rows->jobs[i].name, name))
                        return &rows->jobs[i];
        return NULL;
}

/* "success, 3min ago" */
static char *last_text(const JobRow *row, usec_t now) {
        char age[RELATIVE_TIME_MAX];

        if (isempty(row->last_result))
                return alloc_string("-");
        return alloc_format("%s, %s", row->last_result,
                            relative_time_format(age, row->last_end ?: row->last_start, now));
}

static void add_row(Table *t, const JobRow *row, usec_t now) {
        _cleanup_free_ char *last = last_text(row, now), *runs = alloc_format("%" PRIu64, row->runs);
        char next[RELATIVE_TIME_MAX];

        table_add(t, (TableCell[]){
                             { .text = row->name },
                             { .text = row->state, .color = job_state_color(row->state) },
                             { .text = last, .color = job_result_color(row->last_result) },
                             { .text = relative_time_format(next, row->next, now) },
                             { .text = runs },
                             { .text = row->description },
                     });
}

static void print_table(Ctl *c, const Rows *rows) {
        static const TableColumn columns[] = {
                { .title = "JOB", .shrink = SHRINK_LATE },
                { .title = "STATE" },
                { .title = "LAST" },
                { .title = "NEXT" },
                { .title = "RUNS", .right = true },
                { .title = "DESCRIPTION", .shrink = SHRINK_FIRST },
        };
        _cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns));
        usec_t now = now_realtime();
        size_t n_running = 0;

        for (size_t i = 0; i < rows->n_items; i++) {
                add_row(t, &rows->jobs[i], now);
                n_running += streq(rows->jobs[i].state, "running");
        }
        if (rows->n_items > 0)
                table_print(t, stdout, &c->style);
        if (!c->no_legend)
                printf("%s%zu job%s listed, %zu running.\n", rows->n_items > 0 ? "\n" : "", rows->n_items,
                       rows->n_items == 1 ? "" : "s", n_running);
}

/* Where the first job goes. Of a daemon behind another socket it is not known. */
static void print_first_step(const Ctl *c) {
        _cleanup_(strv_freep) char **dirs = NULL;

        if (!c->socket && places_job_dirs(c->user, &dirs) >= 0)
                printf("Write a job to %s/NAME.job (see vaktd.job(5)), and run 'vaktctl%s reload'.\n", dirs[0],
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
        int r;

        if (streq(row->state, "invalid"))
                return 0;
        r = job_view_get_object(c->connection, row->object, &c->error, &job);
        if (r < 0)
                return ctl_failed(c, r, NULL);
        if (isempty(job.problem))
                return 0;
        printf("Job ");
        ctl_print_colored(c, COLOR_NONE, job.name);
        printf(" still uses the last valid version of its file.\n");
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

/* First, because no state in the table below shows it. Returns like ctl_call(). */
static int print_paused(Ctl *c) {
        _cleanup_(daemon_view_done) DaemonView v = { 0 };
        int r;

        r = daemon_view_get(c->connection, &c->error, &v);
        if (r < 0)
                return ctl_failed(c, r, NULL);
        if (!v.paused)
                return 0;
        ctl_print_colored(c, COLOR_YELLOW, DAEMON_PAUSED);
        fputs("\n\n", stdout);
        return 0;
}

int verb_list(Ctl *c, char **args) {
        static const char *const members[] = { "job",           "description", "state",
                                               "last_result",   "next_usec",   "last_start_usec",
                                               "last_end_usec", "runs",        "object" };
        _cleanup_(rows_done) Rows rows = { 0 }, diagnostics = { 0 };
        int r;

        r = job_rows_get(c->connection, &c->error, &rows);
        if (r < 0)
                return ctl_failed(c, r, NULL);
        if (c->json)
                return json_print(rows_json(rows.jobs, "a(sssstttto)", members));
        ctl_open_pager(c);
        r = c->no_legend ? 0 : print_paused(c);
        if (r != 0)
                return r;
        print_table(c, &rows);
        if (c->no_legend)
                return CTL_DONE;
        if (rows.n_items == 0)
                print_first_step(c);
        r = diagnostic_views_get(c->connection, /* reload= */ false, &c->error, &diagnostics);
        if (r < 0)
                return ctl_failed(c, r, NULL);
        return print_problems(c, &rows, &diagnostics);
}
