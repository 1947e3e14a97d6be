#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What all verbs of vaktctl share: the options, what the output is like, the way to the daemon, and how a failure is
 * told. A verb returns the program's exit code and has said by then whatever there is to say. */

#include "client/connection.h"
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

/* A sentence on standard error. */
void ctl_complain(const char *format, ...) _printf_(1, 2);

/* A sentence about what was done, on f; not with --quiet or --json. */
void ctl_say(const Ctl *c, FILE *f, const char *format, ...) _printf_(3, 4);

/* "     Label: text", the label right-aligned in so many columns; an empty one: what belongs to the line above. */
void ctl_print_line(const Ctl *c, int width, const char *label, Color color, const char *text);

/* Text in a colour, where there are colours; the text is escaped. */
void ctl_print_colored(const Ctl *c, Color color, const char *text);

/* Calls the manager, or whom the call names. Returns 0, or an exit code after the failure was told. look_at: for a
 * call that changes something, the command that shows whether it was done. */
int ctl_call(Ctl *c, const MethodCall *call, const char *look_at, sd_bus_message **ret, const char *types, ...);

/* Tells of a failed call and returns its exit code. */
int ctl_call_failed(const char *look_at, const sd_bus_error *e, int error);

/* Tells of an answer that cannot be read and returns the exit code. */
int ctl_bad_answer(const Ctl *c, const MethodCall *call, int error);

/* The object path of a job; valid as long as *ret_message is held. Returns as ctl_call() does. */
int ctl_get_job(Ctl *c, const char *job, sd_bus_message **ret_message, const char **ret_path);

/* Whether an argument is the number of a run and no job's name; the object path of that run, as above. */
bool ctl_is_run_number(const char *argument) _pure_;
int ctl_get_run(Ctl *c, const char *number, sd_bus_message **ret_message, const char **ret_path);

/* All properties of an object. Returns as ctl_call() does. */
int ctl_get_all(Ctl *c, const char *path, const char *interface, sd_bus_message **ret);
