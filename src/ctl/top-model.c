/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The model of vaktctl top. Each section is replaced as a whole when the daemon says that something of it has changed:
 * the daemon answers from memory, and a list that is read anew cannot disagree with it. The selection is an index and
 * is put right after a section was filled: it stays with its row, and if that is gone, where it was. */

#include "ctl/top-model.h"

#include <stdarg.h>

#include "ctl/alloc.h"
#include "ctl/progress.h"

static void row_done(TopRow *row) {
        free(row->name);
        free(row->outcome);
        free(row->text);
}

static void rows_clear(TopRows *rows) {
        for (size_t i = 0; i < rows->n; i++)
                row_done(&rows->rows[i]);
        free(rows->rows);
        *rows = (TopRows){ 0 };
}

void top_model_done(TopModel *m) {
        for (TopSection s = 0; s < _TOP_SECTION_MAX; s++)
                rows_clear(&m->sections[s]);
        top_close_pane(m);
        free(m->kept);
        free(m->message);
        free(m->question);
}

/* NULL: there are enough. */
static TopRow *add_row(TopRows *rows) {
        rows->total++;
        if (rows->n == TOP_ROWS_MAX)
                return NULL;
        rows->rows = alloc_array(rows->rows, rows->n + 1, sizeof(TopRow));
        rows->rows[rows->n] = (TopRow){ .percent = -1 };
        return &rows->rows[rows->n++];
}

void top_clear(TopModel *m, TopSection section) {
        const TopRow *row = section == m->section ? top_selected(m) : NULL;

        if (row) {
                free(m->kept);
                m->kept = alloc_string(row->name);
                m->kept_run = row->run;
        }
        rows_clear(&m->sections[section]);
}

void top_add_live(TopModel *m, const RunView *v) {
        bool goes_on = !streq(v->state, "queued") && !streq(v->state, "waiting");
        TopRow *row = add_row(&m->sections[goes_on ? TOP_RUNNING : TOP_QUEUED]);

        if (!row)
                return;
        row->name = text_escape(v->job);
        row->run = v->id;
        row->time = goes_on && v->started > 0 ? v->started : v->requested;
        row->percent = goes_on ? progress_parse(v->status_text) : -1;
        row->outcome = text_escape(streq(v->state, "running") ? "" : v->state);
        row->text = text_escape(goes_on ? v->status_text : v->reason);
        row->color = goes_on ? COLOR_GREEN : COLOR_NONE;
}

void top_add_failed(TopModel *m, const RunView *v, const char *outcome) {
        TopRow *row = add_row(&m->sections[TOP_FAILED]);

        if (!row)
                return;
        row->name = text_escape(v->job);
        row->run = v->id;
        row->time = v->ended ?: v->requested;
        row->outcome = text_escape(outcome);
        row->text = text_escape(v->reason);
        row->color = COLOR_RED;
}

static int compare_next(const void *x, const void *y) {
        const JobRow *const *a = x, *const *b = y;

        if ((*a)->next != (*b)->next)
                return (*a)->next < (*b)->next ? -1 : 1;
        return strcmp((*a)->name, (*b)->name);
}

void top_set_jobs(TopModel *m, const Rows *jobs) {
        _cleanup_free_ const JobRow **due = alloc_array(NULL, MAX(jobs->n_items, (size_t)1), sizeof(*due));
        size_t n = 0;

        top_clear(m, TOP_NEXT);
        m->n_paused = m->n_invalid = 0;
        for (size_t i = 0; i < jobs->n_items; i++) {
                const JobRow *job = &jobs->jobs[i];

                m->n_paused += streq(job->state, "paused");
                m->n_invalid += streq(job->state, "invalid");
                if (job->next > 0 && job->next < USEC_INFINITY)
                        due[n++] = job;
        }
        qsort(due, n, sizeof(*due), compare_next);
        for (size_t i = 0; i < n; i++) {
                TopRow *row = add_row(&m->sections[TOP_NEXT]);

                if (!row)
                        continue;
                row->name = text_escape(due[i]->name);
                row->time = due[i]->next;
                row->text = text_escape(due[i]->description);
                row->is_skipped = due[i]->skip > 0;
        }
}

void top_add_value(TopModel *m, const ValueView *v, const char *value, const char *raised) {
        TopRow *row = add_row(&m->sections[TOP_VALUES]);

        if (!row)
                return;
        row->name = text_escape(v->probe);
        row->outcome = text_escape(value);
        row->text = raised ? text_escape(raised) : alloc_string("");
        row->color = raised || !v->is_known ? COLOR_YELLOW : COLOR_NONE;
        row->marked = raised;
}

void top_set_daemon(TopModel *m, const DaemonView *v) {
        m->jobs = v->jobs;
        m->running = v->running;
        m->queued = v->queued;
        m->paused = v->paused;
}

void top_say(char **line, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;

        *line = mfree(*line);
        if (!format)
                return;
        va_start(ap, format);
        if (vasprintf(&text, format, ap) < 0)
                alloc_failed();
        va_end(ap);
        *line = text_escape(text);
}

void top_close_pane(TopModel *m) {
        rows_clear(&m->pane);
        m->pane_title = mfree(m->pane_title);
        m->pane_first = 0;
}

void top_open_pane(TopModel *m, const char *job, const Rows *pairs) {
        top_close_pane(m);
        m->pane_title = text_escape(job);
        for (size_t i = 0; i < pairs->n_items; i++) {
                TopRow *row = add_row(&m->pane);

                if (!row)
                        return;
                row->name = text_escape(pairs->pairs[i].key);
                row->text = text_escape(pairs->pairs[i].value);
        }
}

/* The next section in a direction that has rows; the same one if there is none. */
static TopSection neighbour(const TopModel *m, int step) {
        for (int s = (int)m->section + step; s >= 0 && s < _TOP_SECTION_MAX; s += step)
                if (m->sections[s].n > 0)
                        return (TopSection)s;
        return m->section;
}

/* The selection is on a row, if there is one. */
static void clamp(TopModel *m) {
        if (m->sections[m->section].n == 0) {
                TopSection next = neighbour(m, +1);

                m->section = next == m->section ? neighbour(m, -1) : next;
                m->selected = 0;
        }
        if (m->selected > 0 && m->selected >= m->sections[m->section].n)
                m->selected = MAX(m->sections[m->section].n, (size_t)1) - 1;
}

void top_settle(TopModel *m) {
        const TopRows *rows = &m->sections[m->section];

        for (size_t i = 0; m->kept && i < rows->n; i++)
                if (rows->rows[i].run == m->kept_run && streq(rows->rows[i].name, m->kept)) {
                        m->selected = i;
                        break;
                }
        m->kept = mfree(m->kept);
        clamp(m);
}

void top_move(TopModel *m, long by) {
        int step = by < 0 ? -1 : 1;

        if (m->pane_title) {
                long first = (long)m->pane_first + by, last = (long)m->pane.n - 1;

                first = MIN(first, last);
                m->pane_first = (size_t)MAX(first, 0L);
                return;
        }
        clamp(m);
        for (; by != 0; by -= step) {
                TopSection next = neighbour(m, step);

                if (step > 0 ? m->selected + 1 < m->sections[m->section].n : m->selected > 0)
                        m->selected += (size_t)step;
                else if (next == m->section)
                        return;
                else {
                        m->section = next;
                        m->selected = step > 0 ? 0 : m->sections[next].n - 1;
                }
        }
}

const TopRow *top_selected(const TopModel *m) {
        const TopRows *rows = &m->sections[m->section];

        return rows->n > 0 ? &rows->rows[MIN(m->selected, rows->n - 1)] : NULL;
}
