/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktd.conf: read as a job file is, with a table of its own and without specifiers. A line with an error is passed
 * over, as systemd does with its own: a host whose jobs do not run for a slip of the pen is worse off than one with a
 * default in use, as long as that is reported. */

#include "config/settings.h"

#include <limits.h>

#include "config/key-table.h"
#include "config/source.h"
#include "job/job-def.h"
#include "util/array.h"
#include "util/log.h"
#include "util/string-table.h"

#define POOL_SECTION "Pool"
#define POOL_TABLE   1

static const char *const executor_choice_table[] = {
        [EXECUTOR_AUTO] = "auto",
        [EXECUTOR_UNIT] = "unit",
        [EXECUTOR_CHILD] = "child",
};
DEFINE_FROM_STRING(executor_choice)

static const Settings settings_defaults = {
        .default_timeout = USEC_INFINITY,
        .executor = EXECUTOR_AUTO,
        .resume_ramp = 30 * USEC_PER_SEC,
        .log_level = -1,
        .history_keep = 1000,
        .history_keep_usec = 90 * USEC_PER_DAY,
};

void settings_init(Settings *s) {
        *s = settings_defaults;
}

void settings_done(Settings *s) {
        for (size_t i = 0; i < s->n_pools; i++)
                free(s->pools[i].name);
        s->pools = mfree(s->pools);
        s->n_pools = 0;
}

/* --- pools --- */

bool pool_name_is_valid(const char *name) {
        static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
        size_t n = strspn(name, allowed);

        return n > 0 && n <= JOB_POOL_MAX && name[n] == '\0';
}

/* Where a pool is among the others, or would be. */
static size_t find_pool(const Settings *s, const char *name) {
        return BISECT(s->n_pools, i, strcmp(s->pools[i].name, name) < 0);
}

const PoolDef *settings_pool(const Settings *s, const char *name) {
        size_t at = find_pool(s, name);

        return at < s->n_pools && streq(s->pools[at].name, name) ? &s->pools[at] : NULL;
}

static const PoolDef pool_defaults = { .slots = 1, .max_wait = USEC_INFINITY };

static int insert_pool(Settings *s, size_t at, const char *name) {
        _cleanup_free_ char *copy = strdup(name);
        PoolDef *pool = copy ? ARRAY_INSERT(s->pools, s->n_pools, at) : NULL;

        if (!pool)
                return -ENOMEM;
        *pool = pool_defaults;
        pool->name = TAKE_PTR(copy);
        return 0;
}

/* A pool that stands twice, in a drop-in perhaps, is one: what is said last counts, as everywhere. */
static int begin_pool(KeyReading *r, unsigned line, const char *name) {
        Settings *s = r->userdata;
        size_t at = find_pool(s, name);
        int e = 0;

        if (!pool_name_is_valid(name))
                return file_problems_add(r->problems, line,
                                         "[" POOL_SECTION
                                         " %s] is not a valid pool name. Write at most %d letters, digits, "
                                         "\"_\", \".\" and \"-\".",
                                         name, JOB_POOL_MAX);
        if (!settings_pool(s, name)) {
                if (s->n_pools >= SETTINGS_POOLS_MAX)
                        return file_problems_add(r->problems, line, "There are more than %d pools. Remove some.",
                                                 SETTINGS_POOLS_MAX);
                e = insert_pool(s, at, name);
        }
        r->tables[POOL_TABLE].object = e >= 0 ? &s->pools[at] : NULL;
        return e < 0 ? e : 1;
}

/* --- keys --- */

static int parse_log_level(const KeyLine *k, void *field) {
        int level = log_level_from_string(k->value);

        if (level < 0)
                return key_problem_value(k,
                                         "is not a log level. Write emerg, alert, crit, err, warning, notice, info or "
                                         "debug.");
        *(int *)field = level;
        return 0;
}

static const KeyRange running_range = { 0, JOB_QUEUE_MAX };
static const KeySpan ramp_span = { 0, .endless = false };
static const KeySpan wait_span = { 0, .endless = true };
static const KeySpan history_span = { USEC_PER_SEC, .endless = true };
static const KeyRange history_range = { 1, UINT_MAX - 1 };
static const KeyRange slots_range = { 1, JOB_QUEUE_MAX };
static const KeyWords executor_words = { executor_choice_from_string, "auto, unit or child" };

#define VALUE(name) KEY_VALUE(Settings, name)
#define POOL(name)  KEY_VALUE(PoolDef, name)

static const KeyRow settings_rows[] = {
        { "Manager", "MaxRunning", key_parse_unsigned, VALUE(max_running), &running_range },
        { "Manager", "DefaultTimeoutSec", key_parse_span_or_none, VALUE(default_timeout) },
        { "Manager", "Executor", key_parse_word, VALUE(executor), &executor_words },
        { "Manager", "ResumeRampSec", key_parse_span, VALUE(resume_ramp), &ramp_span },
        { "Manager", "LogLevel", parse_log_level, VALUE(log_level) },
        { "Manager", "HistoryKeep", key_parse_count, VALUE(history_keep), &history_range },
        { "Manager", "HistoryKeepSec", key_parse_span, VALUE(history_keep_usec), &history_span },
};

static const KeyRow pool_rows[] = {
        { POOL_SECTION, "Slots", key_parse_unsigned, POOL(slots), &slots_range },
        { POOL_SECTION, "MaxWaitSec", key_parse_span, POOL(max_wait), &wait_span },
};

static int read_text(Settings *s, const JobText *text, Diagnostics *d, unsigned *problems) {
        FileProblems file_problems = { .list = d, .file = text->path };
        KeyReading reading = {
                .tables = {
                        { settings_rows, ELEMENTSOF(settings_rows), s, &settings_defaults },
                        [POOL_TABLE] = { pool_rows, ELEMENTSOF(pool_rows), NULL, &pool_defaults },
                },
                .userdata = s,
                .problems = &file_problems,
                .named_section = POOL_SECTION,
                .begin_named = begin_pool,
        };
        int r = key_table_read(&reading, text->bytes, text->n);

        if (r >= 0)
                r = file_problems_end(&file_problems);
        *problems += file_problems.n;
        return r;
}

/* Reads one file. One that is not there, or masked, says nothing. */
static int read_file(Settings *s, const Directory *directory, const char *name, uid_t owner, Diagnostics *d,
                     unsigned *problems) {
        _cleanup_(job_text_done) JobText text = {};
        _cleanup_free_ char *message = NULL, *path = NULL;
        FileStamp stamp;
        int r;

        r = source_stat(directory, name, &stamp, &message);
        if (r == -ENOENT || r == SOURCE_MASK)
                return 0;
        if (r >= 0)
                r = source_read(directory, name, owner, &text, &stamp, &message);
        if (r >= 0)
                return read_text(s, &text, d, problems);
        if (r != -EINVAL)
                return r;
        (*problems)++;
        path = directory_join(directory, name);
        return path ? diagnostics_add(d, path, 0, "%s", message) : -ENOMEM;
}

/* Reads the file and its drop-ins over s. */
static int read_files(Settings *s, const Directory *directory, const char *name, uid_t owner, Diagnostics *d,
                      unsigned *problems) {
        _cleanup_(sources_done) Sources dropins = {};
        _cleanup_free_ char *dropin_directory = NULL;
        int r;

        r = read_file(s, directory, name, owner, d, problems);
        if (r < 0)
                return r;
        if (asprintf(&dropin_directory, "%s.d", name) < 0)
                return -ENOMEM;
        r = sources_add_dropins(&dropins, directory, &(const unsigned){ 0 }, 1, dropin_directory, owner, d);
        if (r < 0)
                return r;
        *problems += (unsigned)r;
        for (size_t i = 0; i < dropins.n_items; i++) {
                r = read_file(s, directory, dropins.items[i].name, owner, d, problems);
                if (r < 0)
                        return r;
        }
        return 0;
}

int settings_load(Settings *s, const char *path, uid_t owner, Diagnostics *d) {
        _cleanup_(directory_done) Directory directory = DIRECTORY_NONE;
        _cleanup_(settings_done) Settings fresh = {};
        unsigned problems = 0;
        const char *name;
        int r;

        settings_init(&fresh);
        r = directory_of_file(path, &directory, &name);
        if (r >= 0)
                r = read_files(&fresh, &directory, name, owner, d, &problems);
        else if (r != -ENOENT && r != -ENOMEM) {
                problems++;
                r = diagnostics_add(d, path, 0, "Cannot open the directory of the file: %s.", strerror(-r));
        }
        if (r < 0 && r != -ENOENT)
                return r;
        settings_done(s);
        *s = TAKE_GENERIC(fresh, (Settings){});
        return problems > 0 ? SETTINGS_PARTIAL : 0;
}
