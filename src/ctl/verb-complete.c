/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl complete: what the last word of a command line can become, one per line with its description behind a tab,
 * for the completion of shells, which only hand over the words and show the lines. The tables of verbs and options say
 * what stands where: an argument that the help calls JOB is the name of a job. A line ":files" or ":users" stands for
 * what a shell knows better. Nothing is printed about a daemon that does not answer: a person is typing. */

#include <systemd/sd-login.h>

#include "client/job-view.h"
#include "client/run-view.h"
#include "client/value-view.h"
#include "condition/condition.h"
#include "ctl/alloc.h"
#include "ctl/command-line.h"
#include "job/job-table.h"
#include "job/run.h"
#include "util/strv.h"

#define RUNS_MAX  20 /* past ones */
#define LIVE_MAX  100
#define TOKEN_MAX 64

typedef struct Completion {
        Ctl *ctl;
        const char *word;   /* that is to be completed */
        const char *prefix; /* "--option=" in front of it, or "" */
        const Verb *verb;   /* or NULL: none is written yet */
} Completion;

static void print_text(const char *text) {
        _cleanup_free_ char *escaped = text_escape(text);

        fputs(escaped, stdout);
}

static void offer(const Completion *k, const char *candidate, const char *description) {
        if (!startswith(candidate, k->word))
                return;
        fputs(k->prefix, stdout);
        print_text(candidate);
        if (!isempty(description)) {
                putchar('\t');
                print_text(description);
        }
        putchar('\n');
}

/* --- kinds of words --- */

static void offer_jobs(const Completion *k) {
        _cleanup_(rows_done) Rows rows = { 0 };

        if (job_rows_get(k->ctl->connection, &k->ctl->error, &rows) < 0)
                sd_bus_error_free(&k->ctl->error);
        for (size_t i = 0; i < rows.n_items; i++)
                offer(k, rows.jobs[i].name, rows.jobs[i].description);
}

static int offer_run(const RunView *v, void *userdata) {
        _cleanup_free_ char *id = alloc_format("%" PRIu64, v->id);
        _cleanup_free_ char *description = alloc_format("%s, %s", v->job, isempty(v->result) ? v->state : v->result);

        offer(userdata, id, description);
        return 0;
}

static void offer_live_runs(const Completion *k) {
        if (run_view_list_live(k->ctl->connection, LIVE_MAX, offer_run, (void *)k, &k->ctl->error) < 0)
                sd_bus_error_free(&k->ctl->error);
}

/* Newest first: those that go on as well. */
static void offer_runs(const Completion *k) {
        const RunFilter all = { 0 };

        if (run_view_list(k->ctl->connection, &all, RUNS_MAX, offer_run, (void *)k, &k->ctl->error) < 0)
                sd_bus_error_free(&k->ctl->error);
}

static void offer_conditions(const Completion *k) {
        for (ConditionKind i = 0; i < _CONDITION_KIND_MAX; i++)
                offer(k, condition_kind_to_string(i), condition_kind_help(i));
        offer(k, "and", NULL);
        offer(k, "or", NULL);
        offer(k, "not", NULL);
}

/* The words of the probes that there are: a shell completes words. */
static void offer_probes(const Completion *k) {
        _cleanup_(rows_done) Rows rows = { 0 };

        if (value_views_get(k->ctl->connection, &k->ctl->error, &rows) < 0)
                sd_bus_error_free(&k->ctl->error);
        for (size_t i = 0; i < rows.n_items; i++) {
                _cleanup_free_ char *words = alloc_string(rows.values[i].probe);
                char *state = NULL;

                for (char *w = strtok_r(words, " ", &state); w; w = strtok_r(NULL, " ", &state))
                        offer(k, w, NULL);
        }
}

static void offer_priorities(const Completion *k) {
        for (size_t i = 0; i < ELEMENTSOF(log_priorities); i++)
                offer(k, log_priorities[i], NULL);
}

static void offer_results(const Completion *k) {
        offer(k, "failed", "all failures");
        for (RunResult r = RUN_RESULT_NONE + 1; r < _RUN_RESULT_MAX; r++)
                offer(k, run_result_to_string(r), NULL);
}

static void offer_states(const Completion *k) {
        for (JobState s = 0; s < _JOB_STATE_MAX; s++)
                offer(k, job_state_to_string(s), NULL);
}

static void offer_verbs(const Completion *k) {
        const CommandLine *l = k->ctl->command_line;

        for (size_t i = 0; i < l->n_verbs; i++)
                offer(k, l->verbs[i].name, l->verbs[i].help);
}

static void offer_causes(const Completion *k) {
        for (RunCause i = 0; i < _RUN_CAUSE_MAX; i++)
                offer(k, run_cause_to_string(i), NULL);
}

/* Timers, or path units, of the service manager; without it, there are none. */
static void offer_units(const Completion *k) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        bool is_path = k->verb && streq(k->verb->name, "import-path");
        char *const no_states[] = { NULL }, *const patterns[] = { (char *)(is_path ? "*.path" : "*.timer"), NULL };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        const char *path;
        int r;

        r = k->ctl->user ? sd_bus_open_user(&bus) : sd_bus_open_system(&bus);
        if (r >= 0)
                r = sd_bus_message_new_method_call(bus, &m, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                                                   "org.freedesktop.systemd1.Manager", "ListUnitFilesByPatterns");
        if (r >= 0)
                r = sd_bus_message_append_strv(m, (char **)no_states);
        if (r >= 0)
                r = sd_bus_message_append_strv(m, (char **)patterns);
        if (r >= 0)
                r = sd_bus_call(bus, m, 2 * USEC_PER_SEC, NULL, &reply);
        if (r < 0 || sd_bus_message_enter_container(reply, 'a', "(ss)") < 0)
                return;
        while (sd_bus_message_read(reply, "(ss)", &path, NULL) > 0) {
                const char *name = strrchr(path, '/');

                offer(k, name ? name + 1 : path, NULL);
        }
}

static void offer_files(const Completion *k) {
        puts(":files");
}

static void offer_users(const Completion *k) {
        puts(":users");
}

static void offer_machines(const Completion *k) {
        _cleanup_(strv_freep) char **machines = NULL;

        if (sd_get_machine_names(&machines) < 0)
                return;
        STRV_FOREACH(machine, machines)
                offer(k, *machine, NULL);
}

#define WORDS(...)                       \
        .words = (const char *const[]) { \
                __VA_ARGS__, NULL        \
        }

/* Names of arguments in the help. */
static const struct {
        const char *name;
        void (*offer)(const Completion *k);
        const char *const *words; /* instead */
} kinds[] = {
        { "JOB", offer_jobs },
        { "RUN", offer_runs },
        { "ID", offer_live_runs },
        { "FILE", offer_files },
        { "PATH", offer_files },
        { "CONDITION", offer_conditions },
        { "PROBE", offer_probes },
        { "UNIT", offer_units },
        { "RESULT", offer_results },
        { "CAUSE", offer_causes },
        { "NAME", offer_users },
        { "PRIORITY", offer_priorities },
        { "CONTAINER", offer_machines },
        { "STATE", offer_states },
        { "VERB", offer_verbs },
        { "TIME", WORDS("now", "today", "yesterday", "tomorrow") },
        { "FORMAT", WORDS("short", "short-iso", "cat") },
        { "ORDER", WORDS("name", "next", "last") },
        { "EXPR", WORDS("minutely", "hourly", "daily", "weekly", "monthly", "quarterly", "semiannually", "yearly",
                        "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "*-*-*") },
};

static bool is_capital(char c) {
        return c >= 'A' && c <= 'Z';
}

/* All that a token like "[JOB|RUN...]" names. */
static void offer_token(const Completion *k, const char *token) {
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                const char *p = strstr(token, kinds[i].name);

                if (!p || (p > token && is_capital(p[-1])) || is_capital(p[strlen(kinds[i].name)]))
                        continue;
                if (kinds[i].offer)
                        kinds[i].offer(k);
                for (const char *const *word = kinds[i].words; word && *word; word++)
                        offer(k, *word, NULL);
        }
}

/* --- the command line --- */

static void offer_options(const Completion *k, const CommandLine *l, const Verb *verb) {
        for (size_t i = 0; i < l->n_options; i++) {
                const Option *o = &l->options[i];
                _cleanup_free_ char *text = alloc_format("--%s%s", o->long_name, o->argument ? "=" : "");

                if (!verb || option_goes_with(o, verb->name))
                        offer(k, text, o->help);
        }
}

/* The argument of a verb at a position from 0; the last one that the help names stands for all that follow. */
static void offer_argument(const Completion *k, const Verb *verb, size_t position) {
        char token[TOKEN_MAX] = "";
        const char *p = verb->arguments;

        for (size_t i = 0; i <= position && *p; i++) {
                size_t n = strcspn(p, " ");

                (void)snprintf(token, sizeof(token), "%.*s", (int)n, p);
                p += n;
                p += strspn(p, " ");
        }
        if (position < verb->max)
                offer_token(k, token);
}

/* The option that a word is: "--name", "--name=value" or "-n"; NULL: it is none. */
static const Option *find_option(const CommandLine *l, const char *word) {
        size_t n = strcspn(word, "=");

        for (size_t i = 0; i < l->n_options; i++) {
                const Option *o = &l->options[i];

                if (startswith(word, "--")
                            ? strlen(o->long_name) == n - 2 && strncmp(o->long_name, word + 2, n - 2) == 0
                            : word[0] == '-' && word[1] == o->short_name && word[2] == '\0' && word[1])
                        return o;
        }
        return NULL;
}

/* What was written before the last word. */
typedef struct Written {
        const Verb *verb;
        size_t n_arguments;    /* behind the verb */
        const Option *pending; /* whose argument the last word is */
} Written;

/* The instance that is asked follows from the options. */
static void read_option(Ctl *c, const Option *o, const char *value) {
        if (o->flag == offsetof(Ctl, user) && !o->argument)
                c->user = true;
        else if (streq(o->long_name, "socket") && !isempty(value))
                c->socket = value;
        else if (streq(o->long_name, "host") && !isempty(value))
                c->host = value;
        else if (streq(o->long_name, "machine") && !isempty(value))
                c->machine = value;
}

static Written read_words(Ctl *c, const CommandLine *l, char **words, size_t n) {
        Written w = { 0 };

        for (size_t i = 0; i < n; i++) {
                const Option *o = find_option(l, words[i]);
                const char *value = o ? strchr(words[i], '=') : NULL;

                if (o && o->argument && !value && i + 1 == n)
                        w.pending = o;
                else if (o && o->argument && !value)
                        read_option(c, o, words[++i]);
                else if (o)
                        read_option(c, o, value ? value + 1 : NULL);
                else if (words[i][0] == '-')
                        continue;
                else if (!w.verb)
                        w.verb = verb_by_name(words[i]);
                else
                        w.n_arguments++;
        }
        return w;
}

int verb_complete(Ctl *c, char **args) {
        const CommandLine *l = c->command_line;
        Completion k = { .ctl = c, .prefix = "", .word = "" };
        _cleanup_free_ char *prefix = NULL;
        const Option *option;
        size_t n = 0;
        Written w;

        while (args[n])
                n++;
        if (n > 0)
                k.word = args[n - 1];
        w = read_words(c, l, args, n > 0 ? n - 1 : 0);
        k.verb = w.verb;
        connection_free(c->connection);
        c->connection = NULL;
        if (connection_new("vaktctl", c->user, c->socket, &c->connection) < 0 ||
            connection_set_remote(c->connection, NULL, c->machine) < 0)
                alloc_failed();
        option = startswith(k.word, "--") ? find_option(l, k.word) : NULL;
        if (w.pending)
                offer_token(&k, w.pending->argument);
        else if (option && option->argument && strchr(k.word, '=')) {
                prefix = alloc_format("--%s=", option->long_name);
                k.prefix = prefix;
                k.word = strchr(k.word, '=') + 1;
                offer_token(&k, option->argument);
        } else if (k.word[0] == '-')
                offer_options(&k, l, w.verb);
        else if (!w.verb)
                offer_verbs(&k);
        else if (!c->host) /* ssh could ask for a password */
                offer_argument(&k, w.verb, w.n_arguments);
        return CTL_DONE;
}
