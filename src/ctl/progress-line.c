/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The line ends before the last column, where terminals differ in what they do next, and is erased by one sequence: so
 * nothing is left of it if the program is killed but the line itself. */

#include "ctl/progress-line.h"

#include "ctl/alloc.h"
#include "ctl/progress.h"
#include "ctl/screen.h"

#define BAR_COLUMNS 20
#define ERASE       "\r\x1b[K"

static char *shown; /* NULL: there is no line */

bool progress_is_wanted(const Ctl *c) {
        const char *term = getenv("TERM");

        return c->terminal && !c->quiet && !c->json && !isempty(term) && !streq(term, "dumb");
}

char *progress_text(const Ctl *c, const char *status) {
        _cleanup_free_ char *bar = NULL;
        int percent = progress_is_wanted(c) ? progress_parse(status) : -1;

        if (percent < 0)
                return alloc_string(status);
        bar = progress_bar(percent, BAR_COLUMNS, c->shows_bars);
        return alloc_format("%s %s", bar, status);
}

void progress_line_show(const Ctl *c, const RunView *v) {
        _cleanup_free_ char *progress = NULL, *text = NULL, *escaped = NULL, *line = NULL;
        size_t rows, columns;

        if (!progress_is_wanted(c) || run_view_is_done(v) || progress_parse(v->status_text) < 0) {
                progress_line_clear();
                return;
        }
        progress = progress_text(c, v->status_text);
        text = alloc_format("%s %s", v->job, progress);
        escaped = text_escape(text);
        screen_size(&rows, &columns);
        line = text_ellipsize(escaped, columns - 1, c->style.ellipsis);
        if (streq_ptr(line, shown))
                return;
        printf(ERASE "%s", line);
        fflush(stdout);
        free(shown);
        shown = TAKE_PTR(line);
}

void progress_line_clear(void) {
        if (!shown)
                return;
        fputs(ERASE, stdout);
        fflush(stdout);
        shown = mfree(shown);
}
