#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What all verbs of vaktctl share: the options, what the output is like, the way to the daemon, and how a failure is
 * told. A verb returns the program's exit code and has said by then whatever there is to say. */

#include "client/run-waiter.h"
#include "ctl/exit-code.h"
#include "ctl/pager.h"
#include "ctl/table.h"

typedef struct Ctl {
        /* from the command line */
        bool user;
        bool json;
        bool no_legend;
        bool no_color;
        bool no_pager;
        bool quiet;
        bool help;
        bool version;
        bool wait;
        bool follow;
        bool cron;
        bool all;             /* jobs */
        bool all_runs;        /* of the job */
        const char *socket;   /* or NULL */
        const char *from;     /* or NULL: now */
        const char *timezone; /* or NULL: the local one */
        const char *since;    /* or NULL */
        const char *until;    /* or NULL */
        const char *results;  /* or NULL: words with commas between */
        const char *causes;   /* or NULL: the same */
        const char *output;   /* or NULL: how lines of the journal are shown */
        bool null;            /* file names end in a NUL */
        unsigned limit;       /* files to list; 0: not given */
        unsigned daemon_pid;  /* what ends us when it ends; 0: not given */
        unsigned lines;       /* runs, elapses or lines to show; 0: not given */

        /* of standard output */
        TableStyle style;
        bool terminal;   /* it goes to one, be it through a pager: nothing may drive it */
        const char *dot; /* in front of a name */
        Pager *pager;    /* or NULL */

        Connection *connection;
        sd_bus_error error; /* of what failed there, until ctl_failed() tells it */
} Ctl;

typedef int (*VerbFunction)(Ctl *c, char **args);

int verb_list(Ctl *c, char **args);
int verb_status(Ctl *c, char **args);
int verb_run(Ctl *c, char **args);
int verb_cancel(Ctl *c, char **args);
int verb_pause(Ctl *c, char **args);
int verb_resume(Ctl *c, char **args);
int verb_reload(Ctl *c, char **args);
int verb_check(Ctl *c, char **args);
int verb_history(Ctl *c, char **args);
int verb_log(Ctl *c, char **args);
int verb_reset_failed(Ctl *c, char **args);
int verb_cat(Ctl *c, char **args);
int verb_why(Ctl *c, char **args);
int verb_plan(Ctl *c, char **args);
int verb_skip(Ctl *c, char **args);
int verb_calendar(Ctl *c, char **args);

/* Looks at the terminal and the environment (COLUMNS, NO_COLOR, SYSTEMD_COLORS). */
void ctl_init_output(Ctl *c);

/* Sends what is printed from now on through a pager, where there is somebody to leaf: on a terminal, without --json
 * and
 * --no-pager. */
void ctl_open_pager(Ctl *c);

/* A message on standard error. */
void ctl_complain(const char *format, ...) _printf_(1, 2);

/* A message about what was done, on f; not with --quiet or --json. */
void ctl_say(const Ctl *c, FILE *f, const char *format, ...) _printf_(3, 4);

/* "     Label: text", the label right-aligned in so many columns; an empty one: what belongs to the line above. */
void ctl_print_line(const Ctl *c, int width, const char *label, Color color, const char *text);

/* Text in a colour, where there are colours; the text is escaped. */
void ctl_print_colored(const Ctl *c, Color color, const char *text);

/* Calls what answers with nothing but success. Returns 0, or an exit code after the failure was told. look_at: for a
 * call that changes something, the command that shows whether it was done. */
int ctl_call(Ctl *c, const MethodCall *call, const char *look_at, const char *types, ...);

/* Tells of a function of client/ that failed with c->error, and returns the exit code. look_at: as above, or NULL. */
int ctl_failed(Ctl *c, int error, const char *look_at);

/* Whether an argument is the number of a run and no job's name. */
bool ctl_is_run_number(const char *argument) _pure_;

/* Lets SIGINT and SIGTERM end a loop. Negative errno. */
int ctl_end_on_interrupt(sd_event *event);

/* As run_waiter_new() and run_waiter_wait(), until somebody interrupts it. Returns as ctl_call() does. */
int ctl_waiter_new(Ctl *c, const RunWaiterOptions *options, RunWaiter **ret);
int ctl_wait(Ctl *c, RunWaiter *w, const char *job, uint64_t id, const char *object, RunView *ret);
