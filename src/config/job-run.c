/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A job that is requested need not be there: it may come tomorrow, and a run that asks for one that is not there says
 * so. That jobs request each other in a cycle is found when all are known (job-cycles.c). */

#include "config/job-sections.h"

#include "config/names.h"
#include "config/settings.h"
#include "util/strv.h"
#include "util/utf8.h"

#define RUN_UNIT       "vakt-" /* what runs are called in the service manager */
#define FACTOR_MAX     1000
#define DECIMALS_MAX   6
#define SHOWN_MAX      64
#define SIGNAL_BIT_MAX 63

/* --- requests --- */

static void clear_chain(Builder *b, const KeyRow *row, char ***list) {
        size_t n = 0;

        for (size_t i = 0; i < b->n_chains; i++)
                if (b->chains[i].place.row != row)
                        b->chains[n++] = b->chains[i];
        b->n_chains = n;
        *list = strv_free(*list);
}

/* Returns 1 when the word may be added, 0 when its problem was written down or it is there already. */
static int check_target(const KeyLine *k, const char *word, char *const *list) {
        const char *key = k->row->key;
        int shown = (int)utf8_cut(word, SHOWN_MAX);
        size_t n = strlen(word);

        if (!job_name_is_valid(word))
                return key_problem(k, "%s=: \"%.*s\" is not a valid job name. Write names separated by blanks.", key,
                                   shown, word);
        if (word[n - 1] == '@')
                return key_problem(k, "%s=: \"%s\" is a template. Write %sINSTANCE.", key, word, word);
        /* Of a template's %i that is said when the cycles are looked for. */
        if (streq(word, builder_of(k)->def->name) && k->problems == k->reading->problems)
                return key_problem(k, "%s=: The job requests itself. Remove the request.", key);
        if (strv_length(list) >= JOB_CHAINS_MAX)
                return key_problem(k, "There are more than %d jobs in %s=. Remove some.", JOB_CHAINS_MAX, key);
        STRV_FOREACH(s, list)
                if (streq(*s, word))
                        return 0;
        return 1;
}

static int add_target(const KeyLine *k, const char *word, void *field) {
        Builder *b = builder_of(k);
        char ***list = field;
        ChainLine *chains;
        int r;

        r = check_target(k, word, *list);
        if (r <= 0)
                return r;
        r = strv_extend(list, word);
        if (r < 0)
                return r;
        chains = reallocarray(b->chains, b->n_chains + 1, sizeof(ChainLine));
        if (!chains)
                return -ENOMEM;
        b->chains = chains;
        place_set(&chains[b->n_chains].place, k);
        chains[b->n_chains++].target = (*list)[strv_length(*list) - 1];
        return 0;
}

int run_parse_chain(const KeyLine *k, void *field) {
        if (*k->value == '\0')
                clear_chain(builder_of(k), k->row, field);
        return key_each_word(k, add_target, field);
}

int run_finish_chains(Builder *b) {
        Chains *chains = b->context->chains;

        if (!chains || b->n_chains == 0)
                return 0;
        chains->items = calloc(b->n_chains, sizeof(Chain));
        if (!chains->items)
                return -ENOMEM;
        for (size_t i = 0; i < b->n_chains; i++) {
                const ChainLine *line = &b->chains[i];
                Chain *c = &chains->items[chains->n_items++];

                *c = (Chain){
                        .target = strdup(line->target),
                        .file = strdup(line->place.problems->file),
                        .line = line->place.line,
                        .validated = line->place.validated,
                };
                if (!c->target || !c->file)
                        return -ENOMEM;
        }
        return 0;
}

/* --- what is run --- */

int run_parse_unit(const KeyLine *k, void *field) {
        Builder *b = builder_of(k);

        if (*k->value != '\0') {
                if (!unit_name_is_valid(k->value))
                        return key_problem_value(k, "is not a unit that can be started. Write its full name, such as "
                                                    "fstrim.service, and an instance instead of a template.");
                if (startswith(k->value, RUN_UNIT))
                        return key_problem_value(k, "is a run of vaktd. Name another unit, or the job in OnSuccess=.");
                if (b->context->target == LOADER_FOR_CHILDREN)
                        return key_problem(k, "Unit= requires the service manager, but runs are children of vaktd "
                                              "(Executor=child). Use Executor=unit, or Exec= instead.");
        }
        return key_parse_text(k, field);
}

int run_parse_pool(const KeyLine *k, void *field) {
        if (*k->value != '\0' && !pool_name_is_valid(k->value))
                return key_problem_value(
                        k,
                        "is not a valid pool name. Write at most %d letters, digits, \"_\", \".\" and "
                        "\"-\".",
                        JOB_POOL_MAX);
        return key_parse_text(k, field);
}

int run_parse_priority(const KeyLine *k, void *field) {
        bool negative = k->value[0] == '-';
        uint64_t n;

        if (!number_parse(k->value + (negative || k->value[0] == '+'), &n) || n > JOB_PRIORITY_MAX)
                return key_problem_value(k,
                                         "is not a priority. Write a whole number from -%d to %d; higher goes first.",
                                         JOB_PRIORITY_MAX, JOB_PRIORITY_MAX);
        *(int *)field = negative ? -(int)n : (int)n;
        return 0;
}

/* --- tries --- */

/* "2", "1.5": not by strtod(), for which a locale can have another decimal point. */
static bool parse_decimal(const char *s, double *ret) {
        size_t whole = strspn(s, "0123456789"), decimals = 0;
        double value = 0;

        if (s[whole] == '.') {
                decimals = strspn(s + whole + 1, "0123456789");
                if (decimals == 0 || decimals > DECIMALS_MAX || s[whole + 1 + decimals] != '\0')
                        return false;
        } else if (s[whole] != '\0')
                return false;
        if (whole == 0 || whole > DECIMALS_MAX)
                return false;
        for (const char *p = s; *p; p++)
                if (*p != '.')
                        value = value * 10 + (*p - '0');
        for (size_t i = 0; i < decimals; i++)
                value /= 10;
        *ret = value;
        return true;
}

int run_parse_factor(const KeyLine *k, void *field) {
        double factor;

        if (!parse_decimal(k->value, &factor) || factor < 1 || factor > FACTOR_MAX)
                return key_problem_value(k, "is not a factor. Write a number from 1 to %d, for example 1.5.",
                                         FACTOR_MAX);
        *(double *)field = factor;
        return 0;
}

/* A number is a status, as in systemd.service(5). */
static int add_success(const KeyLine *k, const char *word, void *field) {
        SuccessDef *success = field;
        int status = exit_status_from_name(word), signal = status < 0 ? signal_from_name(word) : -EINVAL;

        if (status >= 0)
                success->statuses[status / 8] |= (uint8_t)(1U << status % 8);
        else if (signal > 0 && signal <= SIGNAL_BIT_MAX)
                success->signals |= UINT64_C(1) << signal;
        else
                return key_problem(
                        k,
                        "%s=: \"%.*s\" is neither an exit status nor a signal. Write numbers from 0 to 255, "
                        "names such as TEMPFAIL, or signals such as SIGTERM.",
                        k->row->key, (int)utf8_cut(word, SHOWN_MAX), word);
        return 0;
}

int run_parse_success(const KeyLine *k, void *field) {
        if (*k->value == '\0')
                *(SuccessDef *)field = (SuccessDef){};
        return key_each_word(k, add_success, field);
}

/* --- the runner --- */

/* What cannot hold for one of several runs in a unit, or is ours to set there. */
static const struct {
        const char *key, *reason;
} never_warm[] = {
        { "RootDirectory", "the program of the runner is not in that directory" },
        { "RootImage", "the program of the runner is not in that image" },
        { "PAMName", "a session would be that of the runner, and not of a run" },
        { "StandardInput", "the standard input of a unit is the socket of its runner" },
        { "StandardInputText", "the standard input of a unit is the socket of its runner" },
        { "StandardInputData", "the standard input of a unit is the socket of its runner" },
        { "ExecCondition", "it would be executed once for all runs in a unit" },
        { "ExecStartPre", "it would be executed once for all runs in a unit" },
        { "ExecStartPost", "it would be executed once for all runs in a unit" },
        { "ExecStopPost", "it would be executed once for all runs in a unit" },
        { "Delegate", "the control groups below a unit are those of its runs" },
        { "NotifyAccess", "the runner receives what its runs report" },
        { "LogNamespace", "the runner writes the lines of its runs to the journal of the system" },
        { "SyslogFacility", "the runner writes the lines of its runs, with their numbers" },
        { "SyslogLevel", "the runner writes the lines of its runs, with their numbers" },
        { "SyslogLevelPrefix", "the runner writes the lines of its runs, with their numbers" },
};

static int check_warm_setting(const Place *place) {
        KeyLine k = place_line(place, NULL);

        for (size_t i = 0; i < ELEMENTSOF(never_warm); i++)
                if (streq(k.row->key, never_warm[i].key))
                        return key_problem(&k, "%s= does not go with Runner=warm: %s. Remove it, or use Runner=unit.",
                                           k.row->key, never_warm[i].reason);
        return 0;
}

static bool is_null_input(const UnitProperty *p) {
        return streq(p->name, "StandardInput") && streq(p->values[0].text, "null");
}

int run_finish_runner(Builder *b) {
        const Place *place = builder_place(b, "Run", "Runner");
        const char *other = b->def->rare->unit     ? "Unit="
                            : b->def->rare->rotate ? "[Rotate]"
                            : b->def->rare->clean  ? "[Clean]"
                                                   : NULL;
        KeyLine k = place_line(place, NULL);
        int r = 0;

        if (b->def->rare->runner.kind != RUNNER_WARM)
                return 0;
        if (other)
                return key_problem(&k, "Runner=warm is for Exec= and Shell=, and not for %s. Remove it.", other);
        for (size_t i = 0; r >= 0 && i < b->def->rare->n_properties; i++)
                if (!is_null_input(&b->def->rare->properties[i]))
                        r = check_warm_setting(&b->service.places[i]);
        return r;
}
