/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A check has tests, and each test its actions and a number of cycles. A job has one list of commands and one
 * ForSec=, so a check becomes one job for all tests with the same action and delay, and further ones ("NAME-2") for
 * the others. Cycles become time. */

#include "ctl/monit-import.h"

#include <stdarg.h>
#include <stdio.h>

#include "ctl/alloc.h"
#include "ctl/monit-test.h"
#include "ctl/monit-words.h"
#include "time/span.h"
#include "util/ascii.h"
#include "util/strv.h"

#define CYCLE_DEFAULT_SEC 30
#define NUMBER_MAX        100000 /* cycles */

typedef enum ActionType {
        ACTION_NONE,
        ACTION_ALERT,
        ACTION_START,
        ACTION_STOP,
        ACTION_RESTART,
        ACTION_EXEC,
} ActionType;

typedef struct Action {
        ActionType type;
        const char *command, *user, *group; /* of ACTION_EXEC; words of the file */
        unsigned repeat;                    /* cycles; 0: once */
} Action;

typedef struct Rule {
        unsigned line, cycles;
        Action action, otherwise;
        char *condition; /* NULL: a change */
        bool is_exec;    /* the condition executes a program */
        bool is_done;    /* it is in a job */
} Rule;

typedef struct Check {
        MonitSubject subject;
        const char *kind, *name, *start, *stop, *restart; /* words of the file */
        unsigned line, every;
        char **groups, **addresses;
        bool has_existence; /* a test of it */
        Rule *rules;
        size_t n_rules;
} Check;

typedef struct Reader {
        MonitImport *import;
        const char *file;
        const MonitWord *words;
        size_t n, next;
        char **addresses; /* of "set alert" */
} Reader;

static void check_done(Check *c) {
        for (size_t i = 0; i < c->n_rules; i++)
                free(c->rules[i].condition);
        free(c->rules);
        strv_free(c->groups);
        strv_free(c->addresses);
}

static void _printf_(3, 4) add_note(Reader *r, unsigned line, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        import_note_list(&r->import->out, r->file, line, format, ap);
        va_end(ap);
}

static bool is_plain(const char *s) {
        for (; *s; s++)
                if (!is_alphanumeric(*s) && !strchr("._+@-", *s))
                        return false;
        return true;
}

/* It becomes part of a shell command. */
static void add_address(Reader *r, char ***list, const MonitWord *w) {
        if (is_plain(w->text) && strchr(w->text, '@'))
                alloc_extend(list, w->text);
        else
                add_note(r, w->line, "\"%s\" is not a mail address. Who gets a mail is written in Shell=.", w->text);
}

/* --- words --- */

static const MonitWord *peek(const Reader *r) {
        return r->next < r->n ? &r->words[r->next] : NULL;
}

static bool take(Reader *r, const char *words) {
        if (r->next >= r->n || !monit_word_is(&r->words[r->next], words))
                return false;
        r->next++;
        return true;
}

static const char *take_text(Reader *r) {
        return r->next < r->n ? r->words[r->next++].text : NULL;
}

/* "NUMBER cycles", or 0. */
static unsigned read_cycles(const MonitWord *number) {
        unsigned long n = strtoul(number->text, NULL, 10);

        return n > 0 && n <= NUMBER_MAX ? (unsigned)n : 0;
}

static bool begins_statement(const Reader *r) {
        const MonitWord *w = peek(r);

        return w &&
               monit_word_is(w, "check set include if start stop restart depends depend group every not mode alert "
                                "noalert onreboot");
}

/* Passes over the rest of a statement, with what is in braces. */
static void skip_statement(Reader *r) {
        unsigned depth = 0;

        while (peek(r) && (depth > 0 || !begins_statement(r))) {
                depth += take(r, "{") ? 1 : 0;
                if (depth > 0 && take(r, "}"))
                        depth--;
                else if (peek(r) && !monit_word_is(peek(r), "{ }"))
                        r->next++;
                else if (depth == 0)
                        (void)take(r, "}");
        }
}

/* --- actions --- */

static bool take_action(Reader *r, Action *ret) {
        *ret = (Action){ 0 };
        if (take(r, "alert"))
                ret->type = ACTION_ALERT;
        else if (take(r, "start"))
                ret->type = ACTION_START;
        else if (take(r, "stop"))
                ret->type = ACTION_STOP;
        else if (take(r, "restart"))
                ret->type = ACTION_RESTART;
        else if (take(r, "exec")) {
                ret->type = ACTION_EXEC;
                ret->command = take_text(r);
                for (;;)
                        if (take(r, "uid"))
                                ret->user = take_text(r);
                        else if (take(r, "gid"))
                                ret->group = take_text(r);
                        else if (!take(r, "as and using with"))
                                break;
        } else
                return false;
        if (take(r, "repeat")) {
                (void)take(r, "every");
                ret->repeat =
                        peek(r) && !monit_word_is(peek(r), "cycle cycles") ? read_cycles(&r->words[r->next++]) : 1;
                (void)take(r, "cycle cycles");
        }
        return ret->type != ACTION_EXEC || ret->command;
}

/* Takes "for 5 cycles" and "3 times within 5 cycles" off the end of a test. */
static unsigned strip_cycles(Reader *r, const MonitWord *words, size_t *n) {
        unsigned cycles;

        if (*n < 2 || !monit_word_is(&words[*n - 1], "cycle cycles"))
                return 1;
        cycles = read_cycles(&words[*n - 2]);
        *n -= 2;
        if (*n >= 3 && monit_word_is(&words[*n - 1], "within") && monit_word_is(&words[*n - 2], "times time")) {
                cycles = read_cycles(&words[*n - 3]);
                add_note(r, words[*n].line,
                         "A condition has to hold without a break, so \"%s times within %s cycles\" became %u cycles.",
                         words[*n - 3].text, words[*n].text, MAX(cycles, 1U));
                *n -= 3;
        }
        while (*n > 0 && monit_word_is(&words[*n - 1], "for within"))
                (*n)--;
        return MAX(cycles, 1U);
}

static void add_rule(Reader *r, Check *c, const Rule *rule, MonitTest *test) {
        c->rules = alloc_array(c->rules, c->n_rules + 1, sizeof(*c->rules));
        c->rules[c->n_rules] = *rule;
        c->rules[c->n_rules].is_exec = test->is_exec;
        c->rules[c->n_rules++].condition = TAKE_PTR(test->condition);
        if (test->loss)
                add_note(r, rule->line, "%s", test->loss);
}

/* "else if succeeded for 2 cycles then", or "else". */
static void take_otherwise(Reader *r, Rule *rule) {
        if (!take(r, "else"))
                return;
        if (take(r, "if"))
                while (peek(r) && !take(r, "then") && !begins_statement(r))
                        r->next++;
        if (!take_action(r, &rule->otherwise))
                add_note(r, rule->line, "What is to be done at the end is not understood.");
}

static void take_if(Reader *r, Check *c) {
        Rule rule = { .line = r->words[r->next - 1].line };
        const MonitWord *words = r->words + r->next;
        MonitTest test;
        size_t n = 0;

        while (peek(r) && !monit_word_is(peek(r), "then")) {
                n++;
                r->next++;
        }
        (void)take(r, "then");
        rule.cycles = strip_cycles(r, words, &n);
        monit_test_translate(&test, &c->subject, words, n);
        for (size_t i = 0; i < n; i++)
                c->has_existence |= monit_word_is(&words[i], "exist exists");
        if (!take_action(r, &rule.action)) {
                add_note(r, rule.line,
                         "There is no such action. A monitor runs its job once until it is cleared; vaktctl pause "
                         "stops it.");
                skip_statement(r);
        } else {
                take_otherwise(r, &rule);
                if (test.reason)
                        add_note(r, rule.line, "%s", test.reason);
                else
                        add_rule(r, c, &rule, &test);
        }
        monit_test_done(&test);
}

/* --- job files --- */

/* The percent sign of a percentage in a condition stays alone. */
static void put_condition(FILE *f, const char *value) {
        fputs("When=", f);
        for (const char *p = value; *p; p++) {
                fputc(*p, f);
                if (*p == '%' && !(p > value && is_digit(p[-1]) && strchr(" \t)", p[1])))
                        fputc('%', f);
        }
        fputc('\n', f);
}

/* Without a shell, and without variables. */
static void put_command(FILE *f, const char *prefix, const char *command) {
        _cleanup_free_ char *value = command ? alloc_format("%s%s", prefix, command) : NULL;

        if (value)
                import_put(f, "Exec", value);
}

static void put_alert(FILE *f, const Check *c, const char *text) {
        bool has_address = false;

        fprintf(f, "Shell=echo \"%s\"", text);
        STRV_FOREACH(a, c->addresses) {
                fprintf(f, has_address ? " %s" : " | mail -s \"%%j on %%h\" %s", *a);
                has_address = true;
        }
        fputc('\n', f);
        if (!has_address)
                fputs("\n[Service]\nSyslogLevel=alert\n", f);
}

/* Section [Run], and [Service] if need be. False: there is nothing to run. */
static bool put_action(FILE *f, const Check *c, const Action *a, const char *alert) {
        fputs("\n[Run]\n", f);
        switch (a->type) {
        case ACTION_ALERT:
                put_alert(f, c, alert);
                return true;
        case ACTION_START:
                put_command(f, ":", c->start);
                return c->start;
        case ACTION_STOP:
                put_command(f, ":", c->stop);
                return c->stop;
        case ACTION_RESTART:
                put_command(f, c->restart ? ":" : "-:", c->restart ?: c->stop); /* it may have stopped by itself */
                put_command(f, ":", c->restart ? NULL : c->start);
                return c->restart || c->start;
        case ACTION_EXEC:
                put_command(f, ":", a->command);
                if (a->user || a->group)
                        fputs("\n[Service]\n", f);
                if (a->user)
                        import_put(f, "User", a->user);
                if (a->group)
                        import_put(f, "Group", a->group);
                return true;
        case ACTION_NONE:
                break;
        }
        return false;
}

/* "Description=process nginx" and the tags. */
static void put_job_section(FILE *f, const Reader *r, const Check *c, unsigned line) {
        _cleanup_free_ char *description = alloc_format("Check of %s %s", c->kind, c->name);

        fprintf(f, "# From %s, line %u.\n\n[Job]\n", r->file, line);
        import_put(f, "Description", description);
        STRV_FOREACH(g, c->groups)
                import_put(f, "Tags", *g);
}

static void put_cycles(FILE *f, const char *key, const MonitImport *m, unsigned cycles) {
        char text[SPAN_TEXT_MAX];

        fprintf(f, "%s=%s\n", key, span_format(text, cycles * (m->cycle_sec ?: CYCLE_DEFAULT_SEC) * USEC_PER_SEC, 1));
}

static bool is_same_action(const Action *a, const Action *b) {
        return a->type == b->type && streq_ptr(a->command, b->command) && streq_ptr(a->user, b->user) &&
               streq_ptr(a->group, b->group) && a->repeat == b->repeat;
}

static bool is_same_job(const Rule *a, const Rule *b) {
        return a->cycles == b->cycles && !a->condition == !b->condition && is_same_action(&a->action, &b->action) &&
               is_same_action(&a->otherwise, &b->otherwise);
}

/* The job for what is to be done when it is over. Its name is the caller's. */
static char *add_clear_job(Reader *r, const Check *c, const Rule *rule) {
        _cleanup_free_ char *text = NULL;
        char *name = import_name(&r->import->out, "", c->name, "-clear");
        bool good;
        size_t size;
        FILE *f = alloc_stream_open(&text, &size);

        put_job_section(f, r, c, rule->line);
        good = put_action(f, c, &rule->otherwise, "It is over.");
        alloc_stream_close(f);
        if (good && import_add_job(&r->import->out, r->file, rule->line, alloc_string(name), TAKE_PTR(text)))
                return name;
        return mfree(name);
}

/* [Monitor] with all tests that belong to the same job as the first one. */
static void put_monitor(FILE *f, Reader *r, const Check *c, Rule *first) {
        _cleanup_free_ char *conditions = alloc_string(""), *clear = NULL;
        bool is_exec = false;

        for (Rule *rule = first; rule < c->rules + c->n_rules; rule++) {
                char *longer;

                if (rule->is_done || !is_same_job(rule, first))
                        continue;
                rule->is_done = true;
                is_exec |= rule->is_exec;
                longer = alloc_format("%s%s%s", conditions, *conditions ? " or " : "", rule->condition);
                free(conditions);
                conditions = longer;
        }
        fputs("\n[Monitor]\n", f);
        if (is_exec) /* that of monit runs as root */
                fputs("# exec runs as the user nobody without network; the program and what it reads must be "
                      "accessible to it.\n",
                      f);
        put_condition(f, conditions);
        if (first->cycles > 1)
                put_cycles(f, "ForSec", r->import, first->cycles);
        if (first->action.repeat > 0)
                put_cycles(f, "EverySec", r->import, first->action.repeat);
        if (c->every > 1)
                put_cycles(f, "SampleSec", r->import, c->every);
        if (first->otherwise.type != ACTION_NONE)
                clear = add_clear_job(r, c, first);
        if (clear)
                import_put(f, "OnClear", clear);
}

static void add_rule_job(Reader *r, const Check *c, Rule *rule) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f = alloc_stream_open(&text, &size);
        bool good;

        put_job_section(f, r, c, rule->line);
        if (rule->condition)
                put_monitor(f, r, c, rule);
        else {
                fputs("\n[Path]\n", f);
                import_put(f, "PathModified", c->subject.target);
        }
        good = put_action(f, c, &rule->action,
                          rule->condition ? "$VAKT_CONDITION: $VAKT_VALUE" : "The file has changed.");
        alloc_stream_close(f);
        if (good)
                (void)import_add_job(&r->import->out, r->file, rule->line,
                                     import_name(&r->import->out, "", c->name, ""), TAKE_PTR(text));
        else
                add_note(r, rule->line, "The check has no program for this action.");
}

/* A process that does not run is restarted by monit, whether the file says so or not. */
static void add_default_rule(Reader *r, Check *c) {
        const MonitWord words[] = { { .text = (char *)"not" }, { .text = (char *)"exist" } };
        Rule rule = { .line = c->line, .cycles = 1, .action = { .type = ACTION_START } };
        MonitTest test;

        if (c->subject.kind != MONIT_PROCESS || c->has_existence || !c->start)
                return;
        monit_test_translate(&test, &c->subject, words, ELEMENTSOF(words));
        if (test.condition)
                add_rule(r, c, &rule, &test);
        else
                add_note(r, c->line, "%s", strempty(test.reason));
        monit_test_done(&test);
}

/* --- statements of a check --- */

/* "start program = "/bin/x" as uid u with timeout 60 seconds" */
static void take_program(Reader *r, const char **ret) {
        (void)take(r, "program");
        (void)take(r, "=");
        *ret = take_text(r);
        if (peek(r) && monit_word_is(peek(r), "as"))
                add_note(r, peek(r)->line, "The program runs as root. Write User= in section [Service].");
        skip_statement(r);
}

static void take_list(Reader *r, char ***list) {
        while (peek(r) && !begins_statement(r))
                alloc_extend(list, take_text(r));
}

static void take_every(Reader *r, Check *c) {
        const MonitWord *w = peek(r);

        c->every = w && !w->is_quoted ? read_cycles(w) : 0;
        if (c->every == 0 && w)
                add_note(r, w->line, "A monitor does not depend on the time of day. Use vaktctl pause --until.");
        skip_statement(r);
}

static void take_mode(Reader *r) {
        if (peek(r) && !monit_word_is(peek(r), "active"))
                add_note(r, peek(r)->line, "Mode \"%s\" does not exist. Write Enabled=no, or use vaktctl pause.",
                         peek(r)->text);
        skip_statement(r);
}

/* Takes one statement; false at the end of the check. */
static bool take_statement(Reader *r, Check *c) {
        const MonitWord *w = peek(r);

        if (!w || monit_word_is(w, "check set include"))
                return false;
        r->next++;
        if (monit_word_is(w, "if"))
                take_if(r, c);
        else if (monit_word_is(w, "start"))
                take_program(r, &c->start);
        else if (monit_word_is(w, "stop"))
                take_program(r, &c->stop);
        else if (monit_word_is(w, "restart"))
                take_program(r, &c->restart);
        else if (monit_word_is(w, "group"))
                take_list(r, &c->groups);
        else if (monit_word_is(w, "every"))
                take_every(r, c);
        else if (monit_word_is(w, "mode"))
                take_mode(r);
        else if (monit_word_is(w, "alert")) {
                if (peek(r))
                        add_address(r, &c->addresses, peek(r));
                skip_statement(r);
        } else if (!monit_word_is(w, "noalert onreboot")) {
                add_note(r, w->line, "\"%s\" is not translated.%s", w->text,
                         monit_word_is(w, "depends depend")
                                 ? " Write WaitFor= with a condition, or let the units depend on each other."
                                 : "");
                skip_statement(r);
        } else
                skip_statement(r);
        return true;
}

static const struct {
        const char *words, *name;
        MonitKind kind;
} kinds[] = {
        { "process", "process", MONIT_PROCESS }, { "file", "file", MONIT_FILE },
        { "fifo", "fifo", MONIT_FIFO },          { "directory", "directory", MONIT_DIRECTORY },
        { "host", "host", MONIT_HOST },          { "filesystem device", "filesystem", MONIT_FILESYSTEM },
        { "system", "system", MONIT_SYSTEM },    { "program", "program", MONIT_PROGRAM },
        { "network", "network", MONIT_NETWORK },
};

/* "process NAME with pidfile PATH". False when it is none. */
static bool take_subject(Reader *r, Check *c) {
        size_t i = 0;

        while (i < ELEMENTSOF(kinds) && !take(r, kinds[i].words))
                i++;
        if (i >= ELEMENTSOF(kinds) || !peek(r))
                return false;
        c->subject = (MonitSubject){ .kind = kinds[i].kind, .target = "" };
        c->kind = kinds[i].name;
        c->name = c->subject.name = take_text(r);
        if (c->subject.kind == MONIT_SYSTEM) {
                c->name = kinds[i].name; /* "$HOST", mostly */
                return true;
        }
        (void)take(r, "with");
        c->subject.is_pattern = take(r, "matching match");
        if (!c->subject.is_pattern)
                (void)take(r, "path pidfile address interface");
        c->subject.target = strempty(take_text(r));
        while (peek(r) && !begins_statement(r)) /* "with timeout 10 seconds" */
                r->next++;
        return true;
}

static void take_check(Reader *r) {
        _cleanup_(check_done) Check c = { .line = r->words[r->next - 1].line, .every = 1 };

        if (!take_subject(r, &c)) {
                add_note(r, c.line, "This kind of check is not known.");
                skip_statement(r);
                return;
        }
        STRV_FOREACH(a, r->addresses)
                alloc_extend(&c.addresses, *a);
        while (take_statement(r, &c))
                ;
        add_default_rule(r, &c);
        for (size_t i = 0; i < c.n_rules; i++)
                if (!c.rules[i].is_done)
                        add_rule_job(r, &c, &c.rules[i]);
        if (c.n_rules == 0)
                add_note(r, c.line, "Nothing of the check of %s was translated.", c.name);
}

/* --- what holds for all checks --- */

static void take_set(Reader *r) {
        const MonitWord *w = peek(r);

        if (!w)
                return;
        r->next++;
        if (monit_word_is(w, "daemon") && peek(r))
                r->import->cycle_sec = read_cycles(&r->words[r->next++]);
        else if (monit_word_is(w, "alert") && peek(r))
                add_address(r, &r->addresses, &r->words[r->next++]);
        else if (!monit_word_is(w, "log logfile idfile pidfile statefile eventqueue limits ssl terminal init onreboot "
                                   "daemon"))
                add_note(r, w->line, "\"set %s\" has no equivalent.", w->text);
        /* What begins a statement of a check is a word like any other here: "set mail-format { … if … }". */
        for (unsigned depth = 0; peek(r) && (depth > 0 || !monit_word_is(peek(r), "check set include")); r->next++)
                depth = monit_word_is(peek(r), "{")                ? depth + 1
                        : monit_word_is(peek(r), "}") && depth > 0 ? depth - 1
                                                                   : depth;
}

int monit_read(MonitImport *m, const char *path) {
        _cleanup_(monit_words_done) MonitWords words = { 0 };
        _cleanup_free_ char *text = NULL;
        Reader r = { .import = m, .file = path };
        size_t n_notes = m->out.n_notes;
        int e = import_read(path, &text);

        if (e < 0)
                return e;
        monit_words_read(&words, text, strlen(text));
        r.words = words.items;
        r.n = words.n;
        while (peek(&r)) {
                unsigned line = peek(&r)->line;

                if (take(&r, "check"))
                        take_check(&r);
                else if (take(&r, "set"))
                        take_set(&r);
                else if (take(&r, "include")) {
                        add_note(&r, line, "Included files are arguments of their own: %s", strempty(take_text(&r)));
                        skip_statement(&r);
                } else {
                        add_note(&r, line, "\"%s\" is not expected here.", take_text(&r));
                        skip_statement(&r);
                }
        }
        import_sort_notes(&m->out, n_notes);
        strv_free(r.addresses);
        return 0;
}
