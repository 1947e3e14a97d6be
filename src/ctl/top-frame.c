/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Composes the screen: a title, the sections, and a line of keys or an answer. Each section that has rows gets its
 * heading and one row, as long as there is room; what is left is dealt out row by row, so that a long section takes
 * nothing from a short one. A section that does not fit shows the rows around the selection.
 *
 * Ages are counted in whole seconds, and the frame says at which second it is out of date: minutes do not wake anybody
 * up each second. */

#include "ctl/top-frame.h"

#include "ctl/alloc.h"
#include "ctl/progress.h"
#include "ctl/relative-time.h"
#include "util/i18n.h"

#define NAME_MIN      8
#define BAR_MIN       6
#define BAR_MAX       20
#define PRESSURE_STEP (2 * USEC_PER_SEC) /* the kernel computes it so often */
#define REVERSE       "\x1b[7m"
#define BOLD          "\x1b[1m"

typedef struct Composer {
        const TopModel *model;
        const TopStyle *style;
        TopFrame *frame;
        usec_t now;
        size_t name_width;
} Composer;

void top_frame_done(TopFrame *f) {
        for (size_t i = 0; i < f->n; i++)
                free(f->lines[i]);
        f->lines = mfree(f->lines);
        f->n = 0;
}

static size_t within(size_t n, size_t min, size_t max) {
        return n < min ? min : n > max ? max : n;
}

/* --- lines --- */

/* Takes text over, which is cut to the width; with attributes it is filled up to it. start: a sequence, or "". */
static void add_line(Composer *c, const char *start, bool fill, char *text) {
        size_t columns = c->style->columns;
        _cleanup_free_ char *line = text_ellipsize(text, columns, c->style->utf8 ? "…" : "...");

        free(text);
        if (c->frame->n == c->style->rows)
                return;
        c->frame->lines[c->frame->n++] = alloc_format(
                "%s%s%*s%s", start, line, fill ? (int)(columns - text_width(line)) : 0, "", *start ? COLOR_END : "");
}

/* --- times --- */

static void changes_at(Composer *c, usec_t t) {
        usec_t second = (t + USEC_PER_SEC - 1) / USEC_PER_SEC * USEC_PER_SEC;

        second = MAX(second, c->now + 1);
        c->frame->changes = MIN(c->frame->changes, second);
}

/* "3min 12s", in whole seconds, as it is now; it is another one at the time that the frame is told. */
static const char *span_text(Composer *c, char buf[static SPAN_TEXT_MAX], usec_t t) {
        bool future = t > c->now;
        usec_t span = future ? t - c->now : c->now - t, accuracy = MAX(relative_time_accuracy(span), USEC_PER_SEC);

        changes_at(c, c->now + (future ? span % accuracy + 1 : accuracy - span % accuracy));
        if (span < USEC_PER_SEC)
                return strcpy(buf, "0s");
        return span_format(buf, span - span % accuracy, accuracy);
}

/* --- rows --- */

static char *running_text(Composer *c, const TopRow *row) {
        size_t width = within(c->style->columns / 8, BAR_MIN, BAR_MAX);
        _cleanup_free_ char *bar = NULL;
        char span[SPAN_TEXT_MAX];

        if (row->percent >= 0)
                bar = progress_bar(row->percent, width, c->style->utf8);
        if (!bar)
                return alloc_format("%6" PRIu64 "  %-10s%s%s%s  %s", row->run, span_text(c, span, row->time),
                                    *row->outcome ? "  " : "", row->outcome, "", row->text);
        return alloc_format("%6" PRIu64 "  %-10s  %s %3d%%  %s", row->run, span_text(c, span, row->time), bar,
                            row->percent, row->text);
}

static char *row_text(Composer *c, TopSection section, const TopRow *row) {
        const char *skipped = row->is_skipped ? _("(skipped) ") : "";
        char span[SPAN_TEXT_MAX];

        switch (section) {
        case TOP_RUNNING:
                return running_text(c, row);
        case TOP_QUEUED:
                return alloc_format("%6" PRIu64 "  %-10s  %s  %s", row->run, span_text(c, span, row->time),
                                    row->outcome, row->text);
        case TOP_FAILED:
                return alloc_format(_("%6" PRIu64 "  %s, %s ago  %s"), row->run, row->outcome,
                                    span_text(c, span, row->time), row->text);
        case TOP_NEXT:
                if (row->time <= c->now)
                        return alloc_format(_("due now  %s%s"), skipped, row->text);
                return alloc_format(_("in %-14s  %s%s"), span_text(c, span, row->time), skipped, row->text);
        case TOP_VALUES:
                return alloc_format("%s%s%s", row->outcome, *row->text ? "  " : "", row->text);
        case _TOP_SECTION_MAX:
                break;
        }
        return alloc_string("");
}

static void add_row(Composer *c, TopSection section, size_t i) {
        const TopRow *row = &c->model->sections[section].rows[i];
        bool selected = section == c->model->section && i == c->model->selected;
        const char *color = c->style->color ? color_start(row->color) : "", *mark = row->marked ? "!" : " ";
        _cleanup_free_ char *text = row_text(c, section, row);
        _cleanup_free_ char *name = text_ellipsize(row->name, c->name_width, c->style->utf8 ? "…" : "...");
        _cleanup_free_ char *start = alloc_format("%s%s", color, selected ? REVERSE : "");

        add_line(c, start, selected,
                 alloc_format("%s%s%s%*s  %s", selected ? ">" : " ", mark, name,
                              (int)(c->name_width - text_width(name)), "", text));
}

/* --- sections --- */

static const char *const titles[_TOP_SECTION_MAX] = {
        [TOP_RUNNING] = N_("RUNNING"), [TOP_QUEUED] = N_("QUEUED"),     [TOP_FAILED] = N_("RECENT FAILURES"),
        [TOP_NEXT] = N_("NEXT"),       [TOP_VALUES] = N_("CONDITIONS"),
};

/* How many rows each section gets; 0: not even its heading. */
static void deal_out(const TopModel *m, size_t lines, size_t ret[static _TOP_SECTION_MAX]) {
        bool more = true;

        for (TopSection s = 0; s < _TOP_SECTION_MAX; s++) {
                ret[s] = m->sections[s].n > 0 && lines >= 2;
                lines -= 2 * ret[s];
        }
        while (more) {
                more = false;
                for (TopSection s = 0; s < _TOP_SECTION_MAX && lines > 0; s++)
                        if (ret[s] > 0 && ret[s] < m->sections[s].n) {
                                ret[s]++;
                                lines--;
                                more = true;
                        }
        }
}

static void add_section(Composer *c, TopSection s, size_t n) {
        const TopRows *rows = &c->model->sections[s];
        size_t first = 0;

        if (n == 0)
                return;
        if (s == c->model->section && c->model->selected >= n)
                first = MIN(c->model->selected + 1, rows->n) - n;
        add_line(c, BOLD, false,
                 n < rows->total ? alloc_format(_("%s (%zu of %zu)"), translated(titles[s]), n, rows->total)
                                 : alloc_format("%s (%zu)", translated(titles[s]), rows->total));
        for (size_t i = first; i < first + n; i++)
                add_row(c, s, i);
}

/* As wide as the longest name, but at most a third of the screen. */
static size_t name_width(const TopModel *m, size_t columns) {
        size_t width = NAME_MIN;

        for (TopSection s = 0; s < _TOP_SECTION_MAX; s++)
                for (size_t i = 0; i < m->sections[s].n; i++) {
                        size_t w = text_width(m->sections[s].rows[i].name);

                        width = MAX(width, w);
                }
        return within(columns / 3, NAME_MIN, width);
}

static void add_sections(Composer *c) {
        size_t n[_TOP_SECTION_MAX], lines = c->style->rows - MIN(c->style->rows, (size_t)2);

        c->name_width = name_width(c->model, c->style->columns);
        deal_out(c->model, lines, n);
        /* The selected one is to be seen, even if others are not then. */
        if (n[c->model->section] == 0 && c->model->sections[c->model->section].n > 0 && lines >= 2) {
                memset(n, 0, sizeof(n));
                n[c->model->section] = MIN(lines - 1, c->model->sections[c->model->section].n);
        }
        for (TopSection s = 0; s < _TOP_SECTION_MAX; s++)
                add_section(c, s, n[s]);
}

/* --- the pane --- */

/* The length of the part of a text that fits into so many columns, broken at a blank if there is one. */
static size_t broken_length(const char *text, size_t columns) {
        _cleanup_free_ char *part = text_ellipsize(text, columns, " ");
        size_t n = strlen(part);
        const char *blank;

        if (streq(part, text))
                return n;
        if (text[n - 1] == ' ')
                return n - 1;
        blank = memrchr(part, ' ', n - 1); /* without the one that it was cut at */
        return blank && blank > part ? (size_t)(blank - part) : MAX(n - 1, (size_t)1);
}

/* label stands before the first line only. */
static void add_broken(Composer *c, const char *label, const char *text) {
        size_t indent = text_width(label), columns = MAX(c->style->columns, indent + 20) - indent;

        do {
                size_t n = broken_length(text, columns);

                add_line(c, "", false, alloc_format("%*s%s%.*s", *label ? 0 : (int)indent, "", label, (int)n, text));
                label = "";
                text += n;
                text += strspn(text, " ");
        } while (*text && c->frame->n + 1 < c->style->rows);
}

static void add_pane(Composer *c) {
        const TopModel *m = c->model;
        size_t width = 0;

        for (size_t i = 0; i < m->pane.n; i++) {
                size_t w = text_width(m->pane.rows[i].name);

                width = MAX(width, w);
        }
        add_line(c, BOLD, false, alloc_format(_("Why: job %s"), m->pane_title));
        for (size_t i = m->pane_first; i < m->pane.n && c->frame->n + 1 < c->style->rows; i++) {
                const TopRow *row = &m->pane.rows[i];
                _cleanup_free_ char *label =
                        alloc_format("%s:%*s", row->name, (int)(width + 1 - text_width(row->name)), "");

                add_broken(c, label, row->text);
        }
}

/* --- the whole --- */

static void add_title(Composer *c) {
        const TopModel *m = c->model;
        _cleanup_free_ char *pressure = NULL, *paused = NULL, *invalid = NULL;

        if (m->has_pressure) {
                pressure = alloc_format(_("; pressure: cpu %d%%, io %d%%, memory %d%%"), m->pressure[0],
                                        m->pressure[1], m->pressure[2]);
                if (m->pressure[0] > 0 || m->pressure[1] > 0 || m->pressure[2] > 0)
                        changes_at(c, c->now + PRESSURE_STEP);
        }
        if (m->paused)
                paused = alloc_string(_(", all paused"));
        else if (m->n_paused > 0)
                paused = alloc_format(_(", %u paused"), m->n_paused);
        if (m->n_invalid > 0)
                invalid = alloc_format(_(", %u invalid"), m->n_invalid);
        add_line(c, BOLD, false,
                 alloc_format(ngettext("vaktd: %u job, %u running, %u queued%s%s%s",
                                       "vaktd: %u jobs, %u running, %u queued%s%s%s", m->jobs),
                              m->jobs, m->running, m->queued, strempty(paused), strempty(invalid),
                              strempty(pressure)));
}

static void add_last_line(Composer *c) {
        const TopModel *m = c->model;
        const char *yellow = c->style->color ? color_start(COLOR_YELLOW) : BOLD;
        char span[SPAN_TEXT_MAX];

        if (m->lost > 0)
                add_line(c, yellow, false,
                         alloc_format(_("No connection for %s, trying again. %s"), span_text(c, span, m->lost),
                                      strempty(m->message)));
        else if (m->question)
                add_line(c, yellow, false, alloc_format("%s [y/N]", m->question));
        else if (m->message)
                add_line(c, "", false, alloc_string(m->message));
        else if (m->pane_title)
                add_line(c, "", false, alloc_string(_("q back  up/down scroll")));
        else
                add_line(c, "", false,
                         alloc_string(_("q quit  r run  c cancel  p pause/resume  f follow  w why  up/down select")));
}

void top_frame_compose(const TopModel *m, const TopStyle *style, usec_t now_realtime, TopFrame *ret) {
        const TopStyle bounded = {
                .rows = within(style->rows, 2, TOP_SCREEN_ROWS_MAX),
                .columns = within(style->columns, 1, TOP_SCREEN_COLUMNS_MAX),
                .color = style->color,
                .utf8 = style->utf8,
        };
        Composer c = { .model = m, .style = &bounded, .frame = ret, .now = now_realtime };

        *ret = (TopFrame){ .lines = alloc_array(NULL, bounded.rows, sizeof(char *)), .changes = USEC_INFINITY };
        if (m->pane_title)
                add_pane(&c);
        else {
                add_title(&c);
                add_sections(&c);
        }
        while (ret->n + 1 < bounded.rows)
                add_line(&c, "", false, alloc_string(""));
        add_last_line(&c);
}
