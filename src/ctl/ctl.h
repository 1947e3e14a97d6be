#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What all verbs of vaktctl share: the options, the form of output, the connection to the daemon, and how a failure is
 * reported. A verb returns the exit status of the program and has printed all messages by then. */

#include "client/run-waiter.h"
#include "ctl/exit-code.h"
#include "ctl/pager.h"
#include "ctl/table.h"
#include "util/i18n.h"

typedef struct CommandLine CommandLine;

typedef struct Ctl {
        const CommandLine *command_line; /* the tables, for completion */

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
        bool watch;
        bool now;
        bool cron;
        bool all;             /* jobs, or entries of a run */
        bool all_runs;        /* of the job */
        const char *priority; /* or NULL: all */
        const char *pattern;  /* or NULL: the same */
        bool failed;          /* jobs whose last run did */
        bool full;            /* absolute times */
        const char *states;   /* or NULL: words separated by commas */
        const char *tags;     /* or NULL: the same */
        const char *sort;     /* or NULL: by name */
        const char *socket;   /* or NULL */
        const char *host;     /* or NULL: this one */
        const char *machine;  /* a container, or NULL */
        bool no_ask_password;
        const char *from;     /* or NULL: now */
        const char *timezone; /* or NULL: the local one */
        const char *since;    /* or NULL */
        const char *until;    /* or NULL */
        const char *results;  /* or NULL: words separated by commas */
        const char *causes;   /* or NULL: the same */
        const char *owner;    /* or NULL: the calling user */
        bool system;          /* its crontabs */
        const char *output;   /* or NULL: the format of journal entries, or a directory */
        bool write;           /* to that of the instance, */
        char **job_dirs;      /* which is the first of these */
        bool disable_source;
        bool from_stdin;      /* the content of a file, and not from an editor */
        bool strict;          /* warnings are failures */
        bool reload;          /* after the change */
        const char *calendar; /* or NULL: when a new job elapses, */
        const char *path;     /* or NULL: which path it watches, */
        const char *when;     /* or NULL: on which condition it runs */
        const char *at;       /* or NULL: when a job runs once, */
        const char *in;       /* or NULL: in which time, */
        const char *name;     /* or NULL: under which name */
        bool null;            /* file names end in a NUL */
        unsigned limit;       /* files to list; 0: not given */
        unsigned daemon_pid;  /* the process with which we exit; 0: not given */
        unsigned lines;       /* runs, elapses or lines to show; 0: not given */

        /* of standard output */
        TableStyle style;
        bool terminal;   /* it goes to a terminal, perhaps through a pager: escape everything */
        const char *dot; /* in front of a name */
        bool shows_bars; /* block elements of Unicode */
        Pager *pager;    /* or NULL */

        pid_t agent; /* that asks for passwords; 0: none */

        Connection *connection;
        sd_bus_error error; /* the last error, until ctl_failed() reports it */
} Ctl;

typedef int (*VerbFunction)(Ctl *c, char **args);

int verb_list(Ctl *c, char **args);
int verb_is_failed(Ctl *c, char **args);
int verb_status(Ctl *c, char **args);
int verb_run(Ctl *c, char **args);
int verb_cancel(Ctl *c, char **args);
int verb_pause(Ctl *c, char **args);
int verb_resume(Ctl *c, char **args);
int verb_reload(Ctl *c, char **args);
int verb_check(Ctl *c, char **args);
int verb_complete(Ctl *c, char **args);
int verb_conditions(Ctl *c, char **args);
int verb_import_crontab(Ctl *c, char **args);
int verb_import_incrontab(Ctl *c, char **args);
int verb_import_logrotate(Ctl *c, char **args);
int verb_import_monit(Ctl *c, char **args);
int verb_import_path(Ctl *c, char **args);
int verb_import_timer(Ctl *c, char **args);
int verb_import_tmpfiles(Ctl *c, char **args);
int verb_new(Ctl *c, char **args);
int verb_diff(Ctl *c, char **args);
int verb_edit(Ctl *c, char **args);
int verb_once(Ctl *c, char **args);
int verb_history(Ctl *c, char **args);
int verb_log(Ctl *c, char **args);
int verb_reset_failed(Ctl *c, char **args);
int verb_cat(Ctl *c, char **args);
int verb_why(Ctl *c, char **args);
int verb_plan(Ctl *c, char **args);
int verb_skip(Ctl *c, char **args);
int verb_calendar(Ctl *c, char **args);
int verb_test(Ctl *c, char **args);
int verb_top(Ctl *c, char **args);
int verb_values(Ctl *c, char **args);

/* Looks at the terminal and the environment (COLUMNS, NO_COLOR, SYSTEMD_COLORS). */
void ctl_init_output(Ctl *c);

/* Whether the daemon is that of another machine, whose files and journal are not here. */
static inline bool ctl_is_remote(const Ctl *c) {
        return c->host || c->machine;
}

/* Sends all further output through a pager, if it is useful: on a terminal, without --json and --no-pager. */
void ctl_open_pager(Ctl *c);

/* A message on standard error. */
void ctl_complain(const char *format, ...) _printf_(1, 2);

/* With --json, messages of errors become an object that also tells which job or run they are about (NULL, 0: none)
 * and, once that is known, the exit status: then it is printed, if there was any. */
void ctl_use_json_errors(void);
void ctl_about(const char *job, uint64_t run);
void ctl_about_argument(const char *argument); /* a job or the number of a run */
void ctl_error_ends(int exit_status);

/* A message about what was done, on f; suppressed by --quiet and --json. */
void ctl_say(const Ctl *c, FILE *f, const char *format, ...) _printf_(3, 4);

/* "     Label: text", with the label right-aligned in so many columns; an empty label continues the line above. */
void ctl_print_line(const Ctl *c, int width, const char *label, Color color, const char *text);

/* Text in a colour, if colours are enabled; the text is escaped. */
void ctl_print_colored(const Ctl *c, Color color, const char *text);

/* The words of a command line as one text, for free(). */
char *ctl_join(char **args);

/* An invalid expression on standard error, and below it a mark at the error; of a long one only the text around it. */
void ctl_print_caret(const char *text, size_t column);

/* Calls a method without a result. Returns 0, or an exit status after the failure was reported. look_at: for a call
 * that changes something, the command that shows whether it was done. */
int ctl_call(Ctl *c, const MethodCall *call, const char *look_at, const char *types, ...);

/* Reports the failure of a function of client/ with c->error, and returns the exit status. look_at: as above, or
 * NULL. */
int ctl_failed(Ctl *c, int error, const char *look_at);

/* The directories that job files and drop-ins are read from, for a job with this file. The caller frees them. */
char **ctl_job_directories(bool user, const char *fragment);

/* The drop-ins of a job with this file, in the order in which they are applied. The caller frees them. */
char **ctl_drop_ins(bool user, const char *job, const char *fragment);

/* Whether an argument is the number of a run and not the name of a job. */
bool ctl_is_run_number(const char *argument) _pure_;

/* Lets SIGINT and SIGTERM end a loop, with the code with which a program exits then. Negative errno. */
int ctl_end_on_interrupt(sd_event *event);

/* Like run_waiter_new() and run_waiter_wait(), until it is interrupted. Returns like ctl_call(). */
int ctl_waiter_new(Ctl *c, const RunWaiterOptions *options, RunWaiter **ret);
int ctl_wait(Ctl *c, RunWaiter *w, const char *job, uint64_t id, const char *object, RunView *ret);
