#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the screen of vaktctl top shows: rows in sections, and which of them is selected. It is filled from views of
 * client/, and knows neither a connection nor a terminal. Times are µs of CLOCK_REALTIME. */

#include "client/daemon-view.h"
#include "client/job-view.h"
#include "client/run-view.h"
#include "client/value-view.h"
#include "ctl/text.h"

#define TOP_ROWS_MAX 200 /* of a section; the heading says how many there are */

/* In the order of the screen. */
typedef enum TopSection {
        TOP_RUNNING,
        TOP_QUEUED,
        TOP_FAILED,
        TOP_NEXT,
        TOP_VALUES,
        _TOP_SECTION_MAX,
} TopSection;

/* Texts are escaped. */
typedef struct TopRow {
        char *name;    /* of a job, or a probe */
        uint64_t run;  /* 0: it is not about a run */
        usec_t time;   /* since when it runs or waits, when it failed, when it is due; 0: not known */
        int percent;   /* of its progress; -1: not known */
        char *outcome; /* result of a run, value of a probe; or NULL */
        char *text;    /* status, reason, description; or "" */
        Color color;
        bool marked;     /* needs attention */
        bool is_skipped; /* it is due, but does not run then */
} TopRow;

typedef struct TopRows {
        TopRow *rows;
        size_t n;
        size_t total; /* that there are; at least n */
} TopRows;

typedef struct TopModel {
        TopRows sections[_TOP_SECTION_MAX];
        TopSection section; /* of the selected row, */
        size_t selected;    /* and its index; valid if the section has rows */
        char *kept;         /* name and run of a selected row that was cleared; or NULL */
        uint64_t kept_run;
        unsigned jobs, running, queued, n_paused, n_invalid;
        bool paused; /* all jobs are */
        bool has_pressure;
        int pressure[3];   /* percent: CPU, IO, memory */
        usec_t lost;       /* since when there is no connection; 0: there is one */
        char *message;     /* an answer to a key, or why there is no connection; escaped; or NULL */
        char *question;    /* that is to be answered with y or n; or NULL */
        TopRows pane;      /* an explanation that covers the screen: names are topics, */
        char *pane_title;  /* if this is not NULL */
        size_t pane_first; /* row that is shown first */
} TopModel;

void top_model_done(TopModel *m);

/* Empties a section, which is to be filled again. */
void top_clear(TopModel *m, TopSection section);
/* After sections were filled: the selection stays with its row if that has come back. */
void top_settle(TopModel *m);
void top_add_live(TopModel *m, const RunView *v);
void top_add_failed(TopModel *m, const RunView *v, const char *outcome);
/* All jobs: those that are due next, and how many are paused or invalid. */
void top_set_jobs(TopModel *m, const Rows *jobs);
/* A value in words; raised: says which monitor is raised because of it; or NULL. */
void top_add_value(TopModel *m, const ValueView *v, const char *value, const char *raised);
void top_set_daemon(TopModel *m, const DaemonView *v);

/* Replaces the text of a line; format NULL: none. Escapes it. */
void top_say(char **line, const char *format, ...) _printf_(2, 3);

/* Shows an explanation, or takes it away. */
void top_open_pane(TopModel *m, const char *job, const Rows *pairs);
void top_close_pane(TopModel *m);

/* Moves the selection by so many rows, over the borders of sections; in a pane, scrolls. */
void top_move(TopModel *m, long by);

/* NULL: there are no rows. */
const TopRow *top_selected(const TopModel *m);
