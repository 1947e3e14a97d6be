/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The control program: a table of options, a table of verbs, and the help that is generated from both. It gets all
 * information about jobs from the daemon over D-Bus; only check, which reads files, calendar, and test, which asks
 * the machine, do not need a daemon. */

#include <getopt.h>
#include <limits.h>

#include "config.h"
#include "ctl/alloc.h"
#include "ctl/command-line.h"
#include "ctl/i18n.h"
#include "ctl/polkit-agent.h"
#include "util/edit-distance.h"
#include "util/strv.h"

#define IMPORTS "import-*"

static int parse_socket(Ctl *c, const char *value) {
        if (isempty(value)) {
                ctl_complain(_("--socket= requires the path of a control socket, such as /run/vaktd/control."));
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
                ctl_complain(_("%s requires a number of at least 1, not '%s'."), option, value);
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
        { 'h', "help", .flag = offsetof(Ctl, help), .help = N_("Show this help, or that of the verb") },
        { 0, "version", .flag = offsetof(Ctl, version), .help = N_("Show the version") },
        { 0, "user", .flag = offsetof(Ctl, user), .help = N_("Talk to the vaktd of the calling user") },
        { 0, "socket", "PATH", .parse = parse_socket, .help = N_("Talk to the vaktd that listens at PATH") },
        { 'H', "host", "[USER@]HOST", .text = offsetof(Ctl, host), .help = N_("Talk to the vaktd of HOST, over ssh") },
        { 'M', "machine", "CONTAINER", .text = offsetof(Ctl, machine),
          .help = N_("Talk to the vaktd of a local container") },
        { 0, "no-ask-password", .flag = offsetof(Ctl, no_ask_password), .help = N_("Do not ask for a password") },
        { 0, "json", .flag = offsetof(Ctl, json), .help = N_("Print JSON") },
        { 0, "no-pager", .flag = offsetof(Ctl, no_pager), .help = N_("Do not use a pager") },
        { 0, "no-legend", .flag = offsetof(Ctl, no_legend), .help = N_("Print tables without headings and summary") },
        { 0, "no-color", .flag = offsetof(Ctl, no_color), .help = N_("Print no colours") },
        { 'q', "quiet", .flag = offsetof(Ctl, quiet), .help = N_("Do not print what was done") },
        { 0, "wait", .flag = offsetof(Ctl, wait), .verbs = "run, once", .help = N_("Wait until the run has ended") },
        { 0, "now", .flag = offsetof(Ctl, now), .verbs = "run", .help = N_("Do not wait for WaitFor= of the job") },
        { 'f', "follow", .flag = offsetof(Ctl, follow), .verbs = "run, log", .help = N_("Show output as it arrives") },
        { 0, "watch", .flag = offsetof(Ctl, watch), .verbs = "test", .help = N_("Go on, and show each change") },
        { 'n', "lines", "N", .parse = parse_lines, .verbs = "history, log, calendar",
          .help = N_("Last N runs (25), last N entries (all), next N elapses (1)") },
        { 'p', "priority", "PRIORITY", .text = offsetof(Ctl, priority), .verbs = "log",
          .help = N_("Show entries of this priority or more important ones, or FROM..TO") },
        { 'g', "grep", "PATTERN", .text = offsetof(Ctl, pattern), .verbs = "log",
          .help = N_("Show entries whose message matches a regular expression") },
        { 0, "since", "TIME", .text = offsetof(Ctl, since), .verbs = "history, log, values",
          .help = N_("Show runs requested, entries written, or values, since TIME") },
        { 0, "until", "TIME", .text = offsetof(Ctl, until), .verbs = "pause, history, log, values",
          .help = N_("End the pause at TIME, or show runs, entries or values until TIME") },
        { 0, "result", "RESULT,...", .text = offsetof(Ctl, results), .verbs = "history",
          .help = N_("Show runs with these results; 'failed' stands for all failures") },
        { 0, "cause", "CAUSE,...", .text = offsetof(Ctl, causes), .verbs = "history",
          .help = N_("Show runs with these causes") },
        { 0, "failed", .flag = offsetof(Ctl, failed), .verbs = "list", .help = N_("Show jobs whose last run failed") },
        { 0, "state", "STATE,...", .text = offsetof(Ctl, states), .verbs = "list",
          .help = N_("Show jobs in these states") },
        { 0, "tag", "TAG,...", .text = offsetof(Ctl, tags), .verbs = "list",
          .help = N_("Show jobs with one of these tags") },
        { 0, "sort", "ORDER", .text = offsetof(Ctl, sort), .verbs = "list",
          .help = N_("Sort by name (default), next or last") },
        { 'l', "full", .flag = offsetof(Ctl, full), .verbs = "list, edit",
          .help = N_("Show absolute times; edit a copy of the whole file") },
        { 0, "stdin", .flag = offsetof(Ctl, from_stdin), .verbs = "edit",
          .help = N_("Read the content from standard input") },
        { 0, "all", .flag = offsetof(Ctl, all), .verbs = "pause, resume, log, import-timer, import-path",
          .help = N_("All jobs together, all entries about a run, or all units that are enabled") },
        { 0, "all-runs", .flag = offsetof(Ctl, all_runs), .verbs = "log",
          .help = N_("Show the entries of all runs instead of the last one") },
        { 'o', "output", "FORMAT", .text = offsetof(Ctl, output), .verbs = "log, new, " IMPORTS,
          .help = N_("Format of entries: short (default), short-iso or cat; directory to write to") },
        { 0, "write", .flag = offsetof(Ctl, write), .verbs = IMPORTS,
          .help = N_("Write to the directory of jobs, and do not print") },
        { 0, "disable-source", .flag = offsetof(Ctl, disable_source),
          .verbs = "import-crontab, import-incrontab, import-path, import-timer",
          .help = N_("Also turn off what was imported, and reload") },
        { 0, "calendar", "EXPR", .text = offsetof(Ctl, calendar), .verbs = "new",
          .help = N_("Run it at these times") },
        { 0, "path", "PATH", .text = offsetof(Ctl, path), .verbs = "new", .help = N_("Run it when PATH changes") },
        { 0, "when", "CONDITION", .text = offsetof(Ctl, when), .verbs = "new, once",
          .help = N_("Run it when the condition becomes true") },
        { 0, "at", "TIME", .text = offsetof(Ctl, at), .verbs = "once", .help = N_("Run it at TIME") },
        { 0, "in", "SPAN", .text = offsetof(Ctl, in), .verbs = "once", .help = N_("Run it in a time span from now") },
        { 0, "name", "JOB", .text = offsetof(Ctl, name), .verbs = "once", .help = N_("The name of the job") },
        { 0, "reload", .flag = offsetof(Ctl, reload), .verbs = "new", .help = N_("Read all files again afterwards") },
        { 0, "strict", .flag = offsetof(Ctl, strict), .verbs = "check", .help = N_("Fail if there are warnings") },
        { 'u', "owner", "NAME", .text = offsetof(Ctl, owner), .verbs = "import-crontab, import-incrontab",
          .help = N_("The user whose table it is") },
        { 0, "system", .flag = offsetof(Ctl, system), .verbs = "import-crontab, import-incrontab",
          .help = N_("Import the tables of the system") },
        { 0, "limit", "N", .parse = parse_limit, .verbs = "plan", .help = N_("List at most N files (10000)") },
        { '0', "null", .flag = offsetof(Ctl, null), .verbs = "plan",
          .help = N_("End each name with a NUL byte, and do not escape names") },
        { 0, "pid", "PID", .parse = parse_pid, .verbs = "reload",
          .help = N_("Exit when process PID, the daemon, exits; for ExecReload=") },
        { 0, "from", "TIME", .text = offsetof(Ctl, from), .verbs = "calendar",
          .help = N_("Show elapses after TIME instead of now") },
        { 0, "timezone", "ZONE", .text = offsetof(Ctl, timezone), .verbs = "calendar",
          .help = N_("Use ZONE as the local time zone") },
        { 0, "cron", .flag = offsetof(Ctl, cron), .verbs = "calendar", .help = N_("Accept cron expressions as well") },
};

static const Verb verbs[] = {
        { "list", "[PATTERN...]", 0, UINT_MAX, verb_list, N_("List jobs, and problems of files (default)") },
        { "status", "[JOB|RUN...]", 0, UINT_MAX, verb_status, N_("Show the daemon, or jobs and runs in detail") },
        { "is-failed", "[JOB|PATTERN...]", 0, UINT_MAX, verb_is_failed,
          N_("Succeed if the last run of a job failed") },
        { "top", "", 0, 0, verb_top, N_("Follow runs, due times, failures and conditions on a screen") },
        { "run", "JOB [JOB|FILE...]", 1, UINT_MAX, verb_run, N_("Run jobs now, or one with files that it watches") },
        { "cancel", "ID|JOB...", 1, UINT_MAX, verb_cancel, N_("Cancel a run, or all runs of a job") },
        { "pause", "JOB...|--all", 0, UINT_MAX, verb_pause, N_("Pause a job, or all jobs: no trigger starts them") },
        { "resume", "JOB...|--all", 0, UINT_MAX, verb_resume, N_("Let triggers start a job again") },
        { "reset-failed", "JOB...", 1, UINT_MAX, verb_reset_failed,
          N_("Forget the failure, alarms and retries of a job") },
        { "history", "[JOB]", 0, 1, verb_history, N_("Show past runs, newest first") },
        { "log", "JOB|RUN", 1, 1, verb_log, N_("Show what a run has printed") },
        { "skip", "JOB [COUNT]", 1, 2, verb_skip, N_("Skip the next occurrences of a job's triggers") },
        { "why", "JOB [FILE]", 1, 2, verb_why, N_("Explain what a job, or one of its files, waits for") },
        { "plan", "JOB", 1, 1, verb_plan,
          N_("Tell what a job would do about which files: [Path], [Rotate], [Clean]") },
        { "once", "[COMMAND...]", 0, UINT_MAX, verb_once,
          N_("Run a command one time, at a time or when a condition holds") },
        { "edit", "JOB", 1, 1, verb_edit, N_("Edit a drop-in of a job, check it, and reload") },
        { "diff", "[JOB...]", 0, UINT_MAX, verb_diff, N_("Compare the files on disk with what is in force") },
        { "cat", "JOB...", 1, UINT_MAX, verb_cat, N_("Print the files of jobs") },
        { "new", "NAME [COMMAND...]", 1, UINT_MAX, verb_new, N_("Write the file of a new job") },
        { "reload", "", 0, 0, verb_reload, N_("Read all files again") },
        { "conditions", "", 0, 0, verb_conditions, N_("List the conditions that job files may have") },
        { "import-crontab", "[FILE...]", 0, UINT_MAX, verb_import_crontab,
          N_("Print job files for the entries of crontabs") },
        { "import-incrontab", "[FILE...]", 0, UINT_MAX, verb_import_incrontab,
          N_("Print job files for the lines of incron's tables") },
        { "import-logrotate", "FILE...", 1, UINT_MAX, verb_import_logrotate,
          N_("Print job files for the blocks of logrotate") },
        { "import-monit", "FILE...", 1, UINT_MAX, verb_import_monit, N_("Print job files for the checks of monit") },
        { "import-path", "UNIT...|--all", 0, UINT_MAX, verb_import_path,
          N_("Print job files for path units of the service manager") },
        { "import-timer", "UNIT...|--all", 0, UINT_MAX, verb_import_timer,
          N_("Print job files for timers of the service manager") },
        { "import-tmpfiles", "[FILE...]", 0, UINT_MAX, verb_import_tmpfiles,
          N_("Print job files for the ages of tmpfiles.d") },
        { "check", "[FILE...]", 0, UINT_MAX, verb_check, N_("Check some or all files, without a daemon") },
        { "calendar", "EXPR...|-", 1, UINT_MAX, verb_calendar,
          N_("Show when calendar expressions elapse, without a daemon") },
        { "test", "CONDITION", 1, UINT_MAX, verb_test, N_("Show whether a condition is true, and why") },
        { "values", "[PROBE]", 0, UINT_MAX, verb_values,
          N_("Show the values that conditions ask for, and their history") },
        { "complete", "-- [WORD...]", 0, UINT_MAX, verb_complete, N_("Print what a shell can complete") },
        { "help", "[VERB]", 0, 1, NULL, N_("Show this help, or that of a verb") },
};

#define HELP_COLUMN 29
#define HELP_WIDTH  80 /* where no terminal tells another one */

/* "  LEFT    first line of text", and below it the others. */
static void print_entry(const Ctl *c, const char *left, const char *prefix, const char *text) {
        _cleanup_free_ char *all = alloc_format("%s%s%s", strempty(prefix), prefix ? ": " : "", text);
        size_t width = MAX(c->style.width ?: HELP_WIDTH, (size_t)2 * HELP_COLUMN), room = width - HELP_COLUMN;
        size_t column = (size_t)printf("  %s", left);

        for (const char *p = all; *p;) {
                size_t n = strlen(p);

                if (n > room) {
                        for (n = room; n > 0 && p[n] != ' ';)
                                n--;
                        n = n ?: strcspn(p, " ");
                }
                if (column >= HELP_COLUMN) {
                        putchar('\n');
                        column = 0;
                }
                printf("%*s%.*s", (int)(HELP_COLUMN - column), "", (int)n, p);
                column = width;
                p += n + strspn(p + n, " ");
        }
        putchar('\n');
}

static void print_option(const Ctl *c, const Option *o, const char *verbs_shown) {
        _cleanup_free_ char *left = alloc_format("%c%c --%s%s%s", o->short_name ? '-' : ' ', o->short_name ?: ' ',
                                                 o->long_name, o->argument ? "=" : "", strempty(o->argument));

        print_entry(c, left, verbs_shown, translated(o->help));
}

const Verb *verb_by_name(const char *name) {
        for (const Verb *v = verbs; v < verbs + ELEMENTSOF(verbs); v++)
                if (streq_ptr(v->name, name))
                        return v;
        return NULL;
}

static int print_verb_help(const Ctl *c, const Verb *verb) {
        bool any = false;

        printf("vaktctl [OPTIONS...] %s%s%s\n\n%s.\n", verb->name, *verb->arguments ? " " : "", verb->arguments,
               translated(verb->help));
        for (const Option *o = options; o < options + ELEMENTSOF(options); o++)
                if (o->verbs && option_goes_with(o, verb->name)) {
                        fputs(any ? "" : _("\nOptions:\n"), stdout);
                        any = true;
                        print_option(c, o, NULL);
                }
        puts(_("\nSee 'vaktctl --help' for the options of all verbs, and vaktctl(1)."));
        return CTL_DONE;
}

/* Of a verb, or (NULL, or none with this name) of all. */
static int print_help(Ctl *c, const char *name) {
        const Verb *verb = verb_by_name(name);

        if (verb)
                return print_verb_help(c, verb);
        ctl_open_pager(c);
        puts(_("vaktctl [OPTIONS...] [VERB]\n\n"
               "Show and control the jobs of vaktd.\n\n"
               "Verbs:"));
        for (const Verb *v = verbs; v < verbs + ELEMENTSOF(verbs); v++) {
                _cleanup_free_ char *left = alloc_format("%s %s", v->name, v->arguments);

                print_entry(c, left, NULL, translated(v->help));
        }
        puts(_("\nOptions:"));
        for (const Option *o = options; o < options + ELEMENTSOF(options); o++)
                print_option(c, o, o->verbs);
        puts(_("\nExit status: 0 success, 1 failure, 2 invalid command line, 3 the run did not\n"
               "succeed, 4 no such job or run, 5 permission denied, 6 no daemon; of test:\n"
               "0 true, 1 false, 7 unknown. 'vaktctl VERB --help' shows the options of a verb;\n"
               "see vaktctl(1)."));
        return CTL_DONE;
}

/* The table in the form that getopt_long() requires; the value of an option is its index + OPTION_FIRST. */
#define OPTION_FIRST 0x100

static void make_getopt_tables(char *ret_short, struct option *ret_long) {
        *ret_short++ = ':'; /* distinguish a missing argument from an unknown option */
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

/* Maps the result of getopt to an index in options, or -1. */
static int option_index(int answer) {
        for (size_t i = 0; i < ELEMENTSOF(options); i++)
                if (answer == OPTION_FIRST + (int)i || (options[i].short_name && answer == options[i].short_name))
                        return (int)i;
        return -1;
}

/* The option that is probably meant with --given; NULL: none is near. */
static const char *nearest_option(const char *given) {
        _cleanup_free_ char *name =
                startswith(given, "--") ? alloc_format("%.*s", (int)strcspn(given + 2, "="), given + 2) : NULL;
        Nearest nearest = nearest_begin(strempty(name));

        for (size_t i = 0; name && i < ELEMENTSOF(options); i++)
                (void)nearest_take(&nearest, options[i].long_name, name_distance(name, options[i].long_name));
        return nearest.name;
}

static int complain_of_option(int answer, char *argv[]) {
        char letter[] = { '-', (char)optopt, '\0' };
        const char *given = optopt > 0 && optopt < OPTION_FIRST ? letter : argv[optind - 1];
        const char *nearest = answer == ':' ? NULL : nearest_option(given);

        if (nearest) {
                ctl_complain(_("Option '%s' is unknown or used incorrectly. Did you mean '--%s'?"), given, nearest);
                return CTL_USAGE;
        }
        ctl_complain(answer == ':' ? _("Option '%s' requires an argument; see 'vaktctl --help'.")
                                   : _("Option '%s' is unknown or used incorrectly; see 'vaktctl --help'."),
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

/* Fills c and marks the options that were given; the remaining arguments start at optind. */
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

/* Whether a list of names that are separated by commas, or NULL for all, contains one. "import-*" is all of these. */
static bool goes_with(const char *names, const char *name) {
        size_t n = strlen(name);

        if (!names || (strstr(names, IMPORTS) && startswith(name, "import-")))
                return true;
        for (const char *p = names; (p = strstr(p, name)); p += n)
                if ((p == names || p[-1] == ' ') && (p[n] == ',' || p[n] == '\0'))
                        return true;
        return false;
}

bool option_goes_with(const Option *o, const char *verb) {
        return goes_with(o->verbs, verb);
}

/* The verbs that ask the daemon and read nothing of this machine beside. */
static const char remote_verbs[] =
        "list, status, is-failed, top, run, cancel, pause, resume, reset-failed, history, log, skip, why, "
        "plan, reload, values, complete, help";

/* Connects to what the options say, which they have to say in one way. */
static int choose_daemon(Ctl *c, const char *verb) {
        const char *name = c->host ?: c->machine;
        int r;

        if (!c->socket && !name && !isempty(getenv("VAKTD_SOCKET")))
                c->socket = getenv("VAKTD_SOCKET");
        if (!!c->socket + !!c->host + !!c->machine > 1 || (name && isempty(name))) {
                ctl_complain(isempty(name) ? _("--host= and --machine= require a name.")
                                           : _("Only one of --socket=, --host= and --machine= can be used."));
                return CTL_USAGE;
        }
        if (name && !goes_with(remote_verbs, verb)) {
                ctl_complain(
                        _("'vaktctl %s' works with the files of this machine, and not with --host= or --machine=; run "
                          "vaktctl there instead%s%s%s."),
                        verb, c->host ? ": 'ssh " : "", c->host ? name : "", c->host ? " vaktctl ...'" : "");
                return CTL_USAGE;
        }
        if (connection_new("vaktctl", c->user, c->socket, &c->connection) < 0)
                alloc_failed();
        r = name ? connection_set_remote(c->connection, c->host, c->machine) : 0;
        if (r == -EOPNOTSUPP) {
                ctl_complain(
                        _("--user and --host= cannot be combined: the bus of a user cannot be reached over ssh."));
                return CTL_USAGE;
        }
        return r < 0 ? alloc_failed(), CTL_FAILED : CTL_DONE;
}

static void prepare_agent(void *userdata) {
        Ctl *c = userdata;

        if (c->agent == 0)
                c->agent = polkit_agent_open();
}

/* Checks the arguments of the verb and whether the options can be used with it. No argument is empty, which would come
 * from a variable that is not set, and would mean the working directory where a file is expected. */
static int check_usage(const Verb *v, char **args, const bool *given) {
        unsigned n_args = 0;

        for (size_t i = 0; i < ELEMENTSOF(options); i++)
                if (given[i] && !option_goes_with(&options[i], v->name)) {
                        ctl_complain(_("--%s can be used only with %s; see 'vaktctl --help'."), options[i].long_name,
                                     options[i].verbs);
                        return CTL_USAGE;
                }
        while (args[n_args] && args[n_args][0] != '\0')
                n_args++;
        if (v->function == verb_complete) /* where the last word is not written yet */
                return CTL_DONE;
        if (args[n_args]) {
                ctl_complain(
                        _("An argument of 'vaktctl %s' is empty; perhaps it contains a variable that is not set."),
                        v->name);
                return CTL_USAGE;
        }
        if (n_args >= v->min && n_args <= v->max)
                return CTL_DONE;
        ctl_complain(_("Usage: 'vaktctl %s%s%s'; see 'vaktctl %s --help'."), v->name, *v->arguments ? " " : "",
                     v->arguments, v->name);
        return CTL_USAGE;
}

/* The verb that is probably meant, which may be known from another program; NULL: none is near. */
static const char *nearest_verb(const char *given) {
        static const struct {
                const char *given, *verb;
        } synonyms[] = {
                { "daemon-reload", "reload" }, { "disable", "pause" }, { "enable", "resume" }, { "info", "status" },
                { "journal", "log" },          { "kill", "cancel" },   { "ls", "list" },       { "next", "list" },
                { "show", "status" },          { "start", "run" },     { "stop", "cancel" },   { "trigger", "run" },
                { "validate", "check" },       { "verify", "check" },
        };
        Nearest nearest = nearest_begin(given);

        for (size_t i = 0; i < ELEMENTSOF(synonyms); i++)
                if (streq(synonyms[i].given, given))
                        return synonyms[i].verb;
        for (const Verb *v = verbs; v < verbs + ELEMENTSOF(verbs); v++)
                (void)nearest_take(&nearest, v->name, name_distance(given, v->name));
        return nearest.name;
}

static int run_verb(Ctl *c, char **args, const bool *given) {
        const char *name = args[0] ?: "list", *nearest;
        const Verb *v = verb_by_name(name);

        args += args[0] ? 1 : 0;
        if (v) {
                int r = check_usage(v, args, given);

                if (r == CTL_DONE)
                        r = choose_daemon(c, v->name);
                if (r != CTL_DONE)
                        return r;
                if (args[0] && strstr(v->arguments, "JOB"))
                        ctl_about_argument(args[0]);
                if (!c->no_ask_password)
                        connection_set_interaction(c->connection, prepare_agent, c);
                return v->function ? v->function(c, args) : print_help(c, args[0]);
        }
        nearest = nearest_verb(name);
        if (args[0] && verb_by_name(args[0]))
                ctl_complain(_("Unknown verb '%s'. The verb comes first: 'vaktctl %s %s'."), name, args[0], name);
        else if (nearest)
                ctl_complain(_("Unknown verb '%s'. Did you mean '%s'?"), name, nearest);
        else
                ctl_complain(_("Unknown verb '%s'; see 'vaktctl --help'."), name);
        return CTL_USAGE;
}

/* The output has to be written: a full disk behind standard output is a failure. A user who quits the pager early does
 * not want more. */
static int finish_output(const Ctl *c, int code) {
        if ((fflush(stdout) == 0 && !ferror(stdout)) || c->pager)
                return code;
        ctl_complain(_("Cannot write to standard output: %s."), strerror(errno));
        return code == CTL_DONE ? CTL_FAILED : code;
}

int main(int argc, char *argv[]) {
        static const CommandLine command_line = { options, ELEMENTSOF(options), verbs, ELEMENTSOF(verbs) };
        bool given[ELEMENTSOF(options)] = { 0 };
        Ctl c = { .command_line = &command_line };
        bool is_json = false;
        int r;

        for (char **word = argv + 1; *word && !streq(*word, "--"); word++)
                is_json = is_json || streq(*word, "--json");
        if (is_json)
                ctl_use_json_errors(); /* also of an option before it */
        else
                i18n_init();
        r = parse_options(&c, argc, argv, given);
        if (r != CTL_DONE) {
                ctl_error_ends(r);
                return r;
        }
        ctl_init_output(&c);
        if (c.help)
                r = print_help(&c, argv[optind]);
        else if (c.version)
                r = puts("vaktctl " VAKT_VERSION) < 0 ? CTL_FAILED : CTL_DONE;
        else
                r = run_verb(&c, argv + optind, given);
        strv_free(c.job_dirs);
        connection_free(c.connection);
        polkit_agent_close(c.agent);
        r = finish_output(&c, r);
        ctl_error_ends(r);
        ctl_about(NULL, 0);
        (void)pager_close(c.pager);
        return r;
}
