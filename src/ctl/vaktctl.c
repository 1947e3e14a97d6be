/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The control program: a table of options, a table of verbs, and what both are described by in the help. All it knows
 * about jobs it asks the daemon over D-Bus; only check, which works on files, and calendar do without any daemon. */

#include <getopt.h>
#include <limits.h>
#include <stdio.h>

#include "config.h"
#include "ctl/alloc.h"
#include "ctl/ctl.h"

typedef struct Option {
        char short_name; /* 0: none */
        const char *long_name;
        const char *argument;                    /* what the help calls it; NULL: takes none */
        size_t flag;                             /* bool in Ctl that it sets, */
        size_t text;                             /* or string in Ctl that is its argument, */
        int (*parse)(Ctl *c, const char *value); /* or what takes the argument; exit code */
        const char *verbs;                       /* those that it goes with, as the help names them; NULL: all */
        const char *help;
} Option;

static int parse_socket(Ctl *c, const char *value) {
        if (isempty(value)) {
                ctl_complain("--socket= needs the path of a control socket, such as /run/vaktd/control.");
                return CTL_USAGE;
        }
        c->socket = value;
        return CTL_DONE;
}

static int parse_number(const char *option, const char *value, unsigned *ret) {
        unsigned long n;
        char *end;

        errno = 0;
        n = strtoul(value, &end, 10);
        if (errno != 0 || *end != '\0' || value[0] < '0' || value[0] > '9' || n == 0 || n > UINT32_MAX) {
                ctl_complain("%s takes a number from 1 on, not '%s'.", option, value);
                return CTL_USAGE;
        }
        *ret = (unsigned)n;
        return CTL_DONE;
}

static int parse_lines(Ctl *c, const char *value) {
        return parse_number("-n", value, &c->lines);
}

static int parse_limit(Ctl *c, const char *value) {
        return parse_number("--limit", value, &c->limit);
}

static int parse_pid(Ctl *c, const char *value) {
        return parse_number("--pid", value, &c->daemon_pid);
}

static const Option options[] = {
        { 'h', "help", .flag = offsetof(Ctl, help), .help = "Show this help" },
        { 0, "version", .flag = offsetof(Ctl, version), .help = "Show the version" },
        { 0, "user", .flag = offsetof(Ctl, user), .help = "Talk to the vaktd of the calling user" },
        { 0, "socket", "PATH", .parse = parse_socket, .help = "Talk to the vaktd that listens at PATH" },
        { 0, "json", .flag = offsetof(Ctl, json), .help = "Print JSON" },
        { 0, "no-pager", .flag = offsetof(Ctl, no_pager), .help = "Do not use a pager" },
        { 0, "no-legend", .flag = offsetof(Ctl, no_legend), .help = "Print no titles and nothing below a table" },
        { 0, "no-color", .flag = offsetof(Ctl, no_color), .help = "Print no colours" },
        { 'q', "quiet", .flag = offsetof(Ctl, quiet), .help = "Do not say what was done" },
        { 0, "wait", .flag = offsetof(Ctl, wait), .verbs = "run", .help = "Wait for the end of the run" },
        { 'f', "follow", .flag = offsetof(Ctl, follow), .verbs = "run, log",
          .help = "Wait, and show the run's output as it comes" },
        { 'n', "lines", "N", .parse = parse_lines, .verbs = "history, log, calendar",
          .help = "Show the last N runs (25) or lines (all), the next N elapses (1)" },
        { 0, "since", "TIME", .text = offsetof(Ctl, since), .verbs = "history, log",
          .help = "Show what was asked for, or printed, since then" },
        { 0, "until", "TIME", .text = offsetof(Ctl, until), .verbs = "pause, history",
          .help = "End the pause at a time, or show what was asked for until then" },
        { 0, "result", "RESULT,...", .text = offsetof(Ctl, results), .verbs = "history",
          .help = "Show runs that ended so; 'failed' is all failures" },
        { 0, "cause", "CAUSE,...", .text = offsetof(Ctl, causes), .verbs = "history",
          .help = "Show runs that were asked for by these" },
        { 0, "all", .flag = offsetof(Ctl, all), .verbs = "pause, resume", .help = "All jobs together" },
        { 0, "all-runs", .flag = offsetof(Ctl, all_runs), .verbs = "log",
          .help = "Show the lines of all runs, not of the last one" },
        { 'o', "output", "FORMAT", .text = offsetof(Ctl, output), .verbs = "log",
          .help = "Show lines as short (default), short-iso or cat" },
        { 0, "limit", "N", .parse = parse_limit, .verbs = "plan", .help = "List at most N files (10000)" },
        { '0', "null", .flag = offsetof(Ctl, null), .verbs = "plan", .help = "End file names in a NUL, as they are" },
        { 0, "pid", "PID", .parse = parse_pid, .verbs = "reload",
          .help = "End when that process, the vaktd, ends: for ExecReload=" },
        { 0, "from", "TIME", .text = offsetof(Ctl, from), .verbs = "calendar", .help = "Start there and not now" },
        { 0, "timezone", "ZONE", .text = offsetof(Ctl, timezone), .verbs = "calendar",
          .help = "Take this one for the local time zone" },
        { 0, "cron", .flag = offsetof(Ctl, cron), .verbs = "calendar", .help = "Take cron expressions, too" },
};

typedef struct Verb {
        const char *name;
        const char *arguments; /* for the help */
        unsigned min, max;     /* number of arguments */
        VerbFunction function; /* NULL: the help */
        const char *help;
} Verb;

static const Verb verbs[] = {
        { "list", "", 0, 0, verb_list, "List all jobs, and what is wrong with files (the default)" },
        { "status", "[JOB|RUN...]", 0, UINT_MAX, verb_status, "Show the daemon, or jobs and runs in detail" },
        { "run", "JOB [FILE...]", 1, UINT_MAX, verb_run, "Run a job now, on these files if it watches some" },
        { "cancel", "ID|JOB...", 1, UINT_MAX, verb_cancel, "End a run, or all runs of a job" },
        { "pause", "JOB...|--all", 0, UINT_MAX, verb_pause, "Let nothing trigger a job, or any" },
        { "resume", "JOB...|--all", 0, UINT_MAX, verb_resume, "Let a job be triggered again" },
        { "reset-failed", "JOB...", 1, UINT_MAX, verb_reset_failed, "Forget a job's failure, alarms and retries" },
        { "history", "[JOB]", 0, 1, verb_history, "Show what ran, newest first" },
        { "log", "JOB|RUN", 1, 1, verb_log, "Show what a run printed" },
        { "skip", "JOB [COUNT]", 1, 2, verb_skip, "Leave out what a job's triggers want next" },
        { "why", "JOB [FILE]", 1, 2, verb_why, "Explain what a job, or a file of it, waits for" },
        { "plan", "JOB", 1, 1, verb_plan, "List the files that a job's [Path] matches" },
        { "cat", "JOB...", 1, UINT_MAX, verb_cat, "Show the files of jobs" },
        { "reload", "", 0, 0, verb_reload, "Read all files again" },
        { "check", "[FILE...]", 0, UINT_MAX, verb_check, "Check files, or all of them, without a daemon" },
        { "calendar", "EXPR...|-", 1, UINT_MAX, verb_calendar,
          "Show when calendar expressions elapse, without a daemon" },
        { "help", "", 0, 0, NULL, "Show this help" },
};

static int print_help(void) {
        puts("vaktctl [OPTIONS...] [VERB]\n\n"
             "Shows and controls the jobs of vaktd.\n\n"
             "Verbs:");
        for (const Verb *v = verbs; v < verbs + ELEMENTSOF(verbs); v++)
                printf("  %-12s %-13s %s\n", v->name, v->arguments, v->help);
        puts("\nOptions:");
        for (const Option *o = options; o < options + ELEMENTSOF(options); o++) {
                _cleanup_free_ char *left =
                        alloc_format("%c%c --%s%s%s", o->short_name ? '-' : ' ', o->short_name ?: ' ', o->long_name,
                                     o->argument ? "=" : "", strempty(o->argument));

                printf("  %-24s %s%s%s\n", left, strempty(o->verbs), o->verbs ? ": " : "", o->help);
        }
        puts("\nExit status: 0 done, 1 failed, 2 wrong usage, 3 the run that was waited for failed,\n"
             "4 no such job, 5 not permitted, 6 no daemon. See vaktctl(1).");
        return CTL_DONE;
}

/* The table in the form that getopt_long() wants; an option's value is its index + OPTION_FIRST. */
#define OPTION_FIRST 0x100

static void make_getopt_tables(char *ret_short, struct option *ret_long) {
        *ret_short++ = ':'; /* a missing argument is told from an unknown option */
        for (size_t i = 0; i < ELEMENTSOF(options); i++) {
                ret_long[i] = (struct option){
                        .name = options[i].long_name,
                        .has_arg = options[i].argument ? required_argument : no_argument,
                        .val = OPTION_FIRST + (int)i,
                };
                if (options[i].short_name)
                        *ret_short++ = options[i].short_name;
                if (options[i].short_name && options[i].argument)
                        *ret_short++ = ':';
        }
        *ret_short = '\0';
        ret_long[ELEMENTSOF(options)] = (struct option){ 0 };
}

/* getopt's answer -> index in options, or -1. */
static int option_index(int answer) {
        for (size_t i = 0; i < ELEMENTSOF(options); i++)
                if (answer == OPTION_FIRST + (int)i || (options[i].short_name && answer == options[i].short_name))
                        return (int)i;
        return -1;
}

static int complain_of_option(int answer, char *argv[]) {
        char letter[] = { '-', (char)optopt, '\0' };
        const char *given = optopt > 0 && optopt < OPTION_FIRST ? letter : argv[optind - 1];

        ctl_complain(answer == ':' ? "Option '%s' needs an argument; see 'vaktctl --help'."
                                   : "Option '%s' is not known or used wrongly; see 'vaktctl --help'.",
                     given);
        return CTL_USAGE;
}

static int set_option(Ctl *c, const Option *o, const char *argument) {
        if (o->parse)
                return o->parse(c, argument);
        if (o->argument)
                *(const char **)(void *)((char *)c + o->text) = argument;
        else
                *(bool *)((char *)c + o->flag) = true;
        return CTL_DONE;
}

/* Fills c, marks the options that were given; what is left of argv starts at optind. */
static int parse_options(Ctl *c, int argc, char *argv[], bool *ret_given) {
        struct option long_options[ELEMENTSOF(options) + 1];
        char short_options[2 * ELEMENTSOF(options) + 2];
        int answer;

        make_getopt_tables(short_options, long_options);
        opterr = 0;
        while ((answer = getopt_long(argc, argv, short_options, long_options, NULL)) >= 0) {
                int i = option_index(answer), r;

                if (i < 0)
                        return complain_of_option(answer, argv);
                ret_given[i] = true;
                r = set_option(c, &options[i], optarg);
                if (r != CTL_DONE)
                        return r;
        }
        return CTL_DONE;
}

/* Whether a list of names with commas between, or NULL for all, has one. */
static bool goes_with(const char *names, const char *name) {
        size_t n = strlen(name);

        if (!names)
                return true;
        for (const char *p = names; (p = strstr(p, name)); p += n)
                if ((p == names || p[-1] == ' ') && (p[n] == ',' || p[n] == '\0'))
                        return true;
        return false;
}

/* Checks the verb's arguments and that the options go with it. None is empty, which is what is left of a variable that
 * is not set, and would be the working directory where a file is meant. */
static int check_usage(const Verb *v, char **args, const bool *given) {
        unsigned n_args = 0;

        for (size_t i = 0; i < ELEMENTSOF(options); i++)
                if (given[i] && !goes_with(options[i].verbs, v->name)) {
                        ctl_complain("--%s goes with %s only; see 'vaktctl --help'.", options[i].long_name,
                                     options[i].verbs);
                        return CTL_USAGE;
                }
        while (args[n_args] && args[n_args][0] != '\0')
                n_args++;
        if (args[n_args]) {
                ctl_complain("An argument of 'vaktctl %s' is empty; is a variable not set that it is made from?",
                             v->name);
                return CTL_USAGE;
        }
        if (n_args >= v->min && n_args <= v->max)
                return CTL_DONE;
        ctl_complain("Write 'vaktctl %s%s%s'; see 'vaktctl --help'.", v->name, *v->arguments ? " " : "", v->arguments);
        return CTL_USAGE;
}

static int run_verb(Ctl *c, char **args, const bool *given) {
        const char *name = args[0] ?: "list";

        args += args[0] ? 1 : 0;
        for (const Verb *v = verbs; v < verbs + ELEMENTSOF(verbs); v++)
                if (streq(v->name, name)) {
                        int r = check_usage(v, args, given);

                        if (r != CTL_DONE)
                                return r;
                        return v->function ? v->function(c, args) : print_help();
                }
        ctl_complain("There is no verb '%s'; see 'vaktctl --help'.", name);
        return CTL_USAGE;
}

/* What was printed has to arrive: a full disk behind standard output is a failure. Who leaves the pager early wants no
 * more. */
static int finish_output(const Ctl *c, int code) {
        if ((fflush(stdout) == 0 && !ferror(stdout)) || c->pager)
                return code;
        fprintf(stderr, "Standard output cannot be written: %s.\n", strerror(errno));
        return code == CTL_DONE ? CTL_FAILED : code;
}

int main(int argc, char *argv[]) {
        bool given[ELEMENTSOF(options)] = { 0 };
        Ctl c = { 0 };
        int r;

        r = parse_options(&c, argc, argv, given);
        if (r != CTL_DONE)
                return r;
        if (!c.socket && !isempty(getenv("VAKTD_SOCKET")))
                c.socket = getenv("VAKTD_SOCKET");
        ctl_init_output(&c);
        if (c.help)
                r = print_help();
        else if (c.version)
                r = puts("vaktctl " VAKT_VERSION) < 0 ? CTL_FAILED : CTL_DONE;
        else if (connection_new("vaktctl", c.user, c.socket, &c.connection) < 0)
                alloc_failed();
        else
                r = run_verb(&c, argv + optind, given);
        connection_free(c.connection);
        r = finish_output(&c, r);
        (void)pager_close(c.pager);
        return r;
}
