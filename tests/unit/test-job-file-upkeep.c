/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sections [Rotate] and [Clean]: every key with its default, what its bad values are told and where, the rules between
 * keys, and that the arguments of the programs are read by the same table. */

#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "config/job-file.h"
#include "config/upkeep.h"
#include "util/size.h"
#include "util/strv.h"

#define A "/j/a.job"
#define B "/j/b.conf"

/* Builds a job of one file, and a drop-in. */
static int build(const char *name, const char *file, const char *dropin, Diagnostics *d, JobDef **ret) {
        JobFileContext c = { .host = "host" };
        JobText texts[2] = { { .path = (char *)A, .bytes = (char *)file, .n = strlen(file) },
                             { .path = (char *)B, .bytes = (char *)dropin, .n = dropin ? strlen(dropin) : 0 } };

        if (name[strlen(name) - 1] == '@')
                return job_file_check_template(name, &c, texts, dropin ? 2 : 1, d);
        return job_file_build(name, &c, texts, dropin ? 2 : 1, d, ret);
}

static JobDef *build_good(const char *name, const char *file, const char *dropin) {
        Diagnostics d = {};
        JobDef *def = NULL;

        if (build(name, file, dropin, &d, &def) < 0)
                fail_msg("%s:%u: %s", d.items[0].file, d.items[0].line, d.items[0].message);
        assert_int_equal(d.n_items, 0);
        return def;
}

/* Where the program keeps its state, and what the service manager is told of that. */
static const struct {
        int line;
        LoaderTarget target;
        const char *state_dir, *service;
        const char *argument; /* NULL: none */
        const char *property; /* NULL: none */
} state_rows[] = {
        { __LINE__, LOADER_FOR_UNITS, "/var/lib/vaktd", "", "/var/lib/vaktd/rotate", "vaktd/rotate" },
        { __LINE__, LOADER_FOR_UNITS, "/srv/state", "User=root\n", "/srv/state/rotate", NULL },
        { __LINE__, LOADER_FOR_UNITS, "/var/lib/vaktd", "User=app\n", "/var/lib/vaktd-rotate/a", "vaktd-rotate/a" },
        { __LINE__, LOADER_FOR_UNITS, "/s", "DynamicUser=yes\n", "/var/lib/vaktd-rotate/a", "vaktd-rotate/a" },
        { __LINE__, LOADER_FOR_USER_UNITS, "/home/u/.local/state/vaktd", "", "/home/u/.local/state/vaktd/rotate",
          NULL },
        { __LINE__, LOADER_FOR_CHILDREN, "/var/lib/vaktd", "", "/var/lib/vaktd/rotate", NULL },
        { __LINE__, LOADER_FOR_CHILDREN, "/var/lib/vaktd", "User=app\n", NULL, NULL },
        { __LINE__, LOADER_FOR_ANY, NULL, "", NULL, NULL },
};

static void test_state_directory(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(state_rows); i++) {
                JobFileContext c = { .host = "host",
                                     .target = state_rows[i].target,
                                     .state_dir = state_rows[i].state_dir };
                JobText text = { .path = (char *)A };
                const char *argument;
                const UnitValue *list;
                Diagnostics d = {};
                JobDef *def = NULL;

                assert_true(asprintf(&text.bytes, "[Rotate]\nPath=/l\n[Service]\n%s", state_rows[i].service) > 0);
                text.n = strlen(text.bytes);
                assert_int_equal(job_file_build("a", &c, &text, 1, &d, &def), 0);
                argument = startswith(def->commands[0].argv[2], "--state-directory=");
                list = job_def_setting(def, "StateDirectory");
                if (!streq_ptr(argument, state_rows[i].argument) ||
                    !streq_ptr(list ? list[1].text : NULL, state_rows[i].property))
                        fail_msg("row of line %d: %s", state_rows[i].line, def->commands[0].argv[2]);
                assert_true(!list || job_def_setting(def, "StateDirectoryMode")->number == 0700);
                for (size_t k = 0; k < def->rare->n_properties; k++)
                        assert_string_equal(def->rare->properties[k].path, A);
                free(text.bytes);
                job_def_unref(def);
        }
}

static void test_rotate_defaults(void **state) {
        JobDef *d = build_good("a", "[Rotate]\nPath=/l//*.log\n", NULL);
        const RotateDef *r = d->rare->rotate;

        assert_non_null(r);
        assert_null(d->rare->clean);
        assert_string_equal(r->paths[0], "/l/*.log");
        assert_null(r->paths[1]);
        assert_true(r->max_size == SIZE_ENDLESS && r->min_size == 0 && r->max_age == USEC_INFINITY);
        assert_true(r->keep == 7 && r->keep_usec == USEC_INFINITY && r->keep_size == SIZE_ENDLESS);
        assert_true(r->compress == ROTATE_COMPRESS_NONE && r->compress_delay == 0 && r->compress_threads == 0);
        assert_true(r->mode == ROTATE_RENAME && r->suffix == ROTATE_SUFFIX_NUMBER && r->create && !r->skip_empty);
        assert_true(r->create_mode == (mode_t)-1 && !r->create_user && !r->create_group && !r->date_format);
        assert_true(!r->exclude && !r->extension && !r->old_dir && !r->reload_unit && !r->signal_unit);
        assert_true(!r->pre_rotate && !r->post_rotate && !r->script_each && !r->take_over && r->signal == 0);
        job_def_unref(d);
}

#define ROTATE_ALL                                                                                                  \
        "Path=/l/*.log\nPath=/m\nExclude=debug*\nMaxSize=10M\nMinSize=1K\nMaxAge=1d\nKeep=3\nKeepSec=2w\n"          \
        "KeepSize=1G\nCompress=zstd\nCompressDelay=2\nCompressLevel=19\nCompressThreads=4\nMode=rename\n"           \
        "Suffix=date\nDateFormat=-%Y%m%d-%H\nExtension=.log\nSkipEmpty=yes\nCreate=0640 app adm\nOldDir=old/x\n"    \
        "ReloadUnit=app.service\nSignal=USR1 b@1.service\nPreRotate=a \"$1\" %%\nPostRotate=b %j\nScriptPer=file\n" \
        "TakeOver=yes\n"

static void check_rotate_all(const RotateDef *r, const char *post) {
        assert_string_equal(r->paths[1], "/m");
        assert_string_equal(r->exclude[0], "debug*");
        assert_true(r->max_size == 10 << 20 && r->min_size == 1024 && r->max_age == 24 * USEC_PER_HOUR);
        assert_true(r->keep == 3 && r->keep_usec == 14 * 24 * USEC_PER_HOUR && r->keep_size == 1U << 30);
        assert_true(r->compress == ROTATE_COMPRESS_ZSTD && r->compress_delay == 2 && r->compress_level == 19);
        assert_true(r->compress_threads == 4 && r->mode == ROTATE_RENAME && r->suffix == ROTATE_SUFFIX_DATE);
        assert_string_equal(r->date_format, "-%Y%m%d-%H");
        assert_string_equal(r->extension, ".log");
        assert_true(r->skip_empty && r->create && r->create_mode == 0640 && r->script_each && r->take_over);
        assert_string_equal(r->create_user, "app");
        assert_string_equal(r->create_group, "adm");
        assert_string_equal(r->old_dir, "old/x");
        assert_string_equal(r->reload_unit, "app.service");
        assert_int_equal(r->signal, SIGUSR1);
        assert_string_equal(r->signal_unit, "b@1.service");
        assert_string_equal(r->post_rotate, post);
}

/* The command of the job is the program with the lines of the section, which the program reads as the job file was. */
static void test_rotate_every_key(void **state) {
        JobDef *d = build_good("a", "[Rotate]\n" ROTATE_ALL, "[Rotate]\nKeep=\nKeep=3\nPreRotate=then b\n");
        char *const *argv = d->commands[0].argv;
        Diagnostics problems = {};
        RotateDef again;

        check_rotate_all(d->rare->rotate, "b a");
        assert_string_equal(d->rare->rotate->pre_rotate, "a \"$1\" %\nthen b");
        assert_int_equal(d->n_commands, 1);
        assert_true(d->commands[0].flags == COMMAND_NO_EXPAND && d->commands[0].path[0] == '/');
        assert_string_equal(strrchr(d->commands[0].path, '/'), "/vakt-rotate");
        assert_string_equal(argv[0], d->commands[0].path);
        assert_string_equal(argv[1], "--job=a");
        assert_string_equal(argv[2], "Path=/l/*.log");
        assert_int_equal(upkeep_parse_rotate(argv + 2, strv_length(argv) - 2, &again, &problems), 0);
        assert_int_equal(problems.n_items, 0);
        check_rotate_all(&again, "b a");
        assert_string_equal(again.pre_rotate, "a \"$1\" %\nthen b");
        rotate_def_done(&again);
        job_def_unref(d);
}

/* An empty value clears or restores the default, of each key for itself. */
static void test_rotate_clear(void **state) {
        JobDef *d =
                build_good("a", "[Rotate]\n" ROTATE_ALL,
                           "[Rotate]\nPath=\nPath=/n\nExclude=\nMaxSize=\nMinSize=\nMaxAge=\nKeep=\nKeepSec=\n"
                           "KeepSize=\nCompress=\nCompressDelay=\nCompressLevel=\nCompressThreads=\nMode=\nSuffix=\n"
                           "DateFormat=\nExtension=\nSkipEmpty=\nCreate=\nOldDir=\nReloadUnit=\nSignal=\n"
                           "PreRotate=\nPostRotate=\nScriptPer=\nTakeOver=\n");
        RotateDef r = *d->rare->rotate;

        assert_string_equal(r.paths[0], "/n");
        assert_null(r.paths[1]);
        r.paths = NULL;
        assert_memory_equal(&r, &rotate_def_defaults, sizeof(r));
        job_def_unref(d);

        d = build_good("a", "[Rotate]\nPath=/l\nKeep=1\n", "[Rotate]\nPath=\nKeep=\n[Run]\nExec=/bin/true\n");
        assert_null(d->rare->rotate);
        assert_int_equal(strv_length(d->commands[0].argv), 1);
        job_def_unref(d);
}

static void test_clean(void **state) {
        JobDef *d = build_good("a", "[Clean]\nPath=/tmp\nMaxAge=10d\n", NULL);
        const CleanDef *c = d->rare->clean;

        assert_null(d->rare->rotate);
        assert_true(c->max_age == 240 * USEC_PER_HOUR && c->age_by == clean_def_defaults.age_by && c->recursive);
        assert_true(c->max_size == SIZE_ENDLESS && c->max_count == UINT64_MAX && c->keep_min == 0);
        assert_true(!c->exclude && !c->empty_directories && !c->keep_open && c->until_free.bytes == 0);
        assert_string_equal(strrchr(d->commands[0].path, '/'), "/vakt-clean");
        job_def_unref(d);

        d = build_good("a@x",
                       "[Clean]\nPath=/var/cache/%i\nPath=/t/*\nExclude=keep/**\nMaxAge=0\nAgeBy=access modify\n"
                       "MaxSize=1G 5M\nMaxCount=infinity\nKeepMin=3\nUntilFree=10%\nUntilInodesFree=5000\n"
                       "Recursive=no\nEmptyDirectories=yes\nKeepOpen=yes\n",
                       "[Clean]\nMaxCount=7\n");
        c = d->rare->clean;
        assert_string_equal(c->paths[0], "/var/cache/x");
        assert_string_equal(c->paths[1], "/t/*");
        assert_string_equal(c->exclude[0], "keep/**");
        assert_true(c->max_age == 0 && c->age_by == (CLEAN_AGE_ACCESS | CLEAN_AGE_MODIFY) && c->keep_min == 3);
        assert_true(c->max_size == (1U << 30) + (5U << 20) && c->max_count == 7 && c->until_free.permyriad == 1000);
        assert_true(c->until_free.bytes == 0 && c->until_inodes_free.bytes == 5000 && !c->recursive);
        assert_true(c->empty_directories && c->keep_open && c->until_inodes_free.permyriad == 0);
        assert_string_equal(d->commands[0].argv[2], "Path=/var/cache/x");
        job_def_unref(d);
}

/* What is no problem. */
static const struct {
        int line;
        const char *name, *file;
} good_rows[] = {
        { __LINE__, "a", "[Rotate]\nPath=/l\nMaxSize=infinity\nKeep=infinity\nKeepSec=infinity\nKeepSize=0\n" },
        { __LINE__, "a", "[Rotate]\nPath=/l\nCreate=no\n[Timer]\nOnInterval=1h\n" },
        { __LINE__, "a", "[Rotate]\nPath=/l\nCreate=app app\nOldDir=/var/old\n" },
        { __LINE__, "a", "[Rotate]\nPath=/l\nMode=copytruncate\nSuffix=date\nDateFormat=.%s\n" },
        { __LINE__, "a", "[Rotate]\nPath=/l\nSuffix=date\nDateFormat=%Y\n" },
        { __LINE__, "a", "[Rotate]\nPath=/l\nSuffix=date\nDateFormat=_%Y-%m-%d.%V_%d@%H:%M:%S+%s,%m\n" },
        { __LINE__, "a", "[Rotate]\nPath=/l/[ab]?\\*\nCompress=gzip\nCompressLevel=9\nCompressDelay=yes\n" },
        { __LINE__, "a", "[Rotate]\nPath=/l\nMinSize=5\nMaxSize=5\nPostRotate=kill\nScriptPer=run\n" },
        { __LINE__, "a", "[Clean]\nPath=/var/tmp\nUntilFree=99.99%\n[Run]\nTimeoutSec=1h\n[Service]\nUser=app\n" },
        { __LINE__, "a@", "[Rotate]\nPath=/l/%i\nPath=/l/instance\nMaxSize=%i\nCompressLevel=5\nCompress=%i\n" },
        { __LINE__, "a@", "[Clean]\nPath=/%i\nMaxAge=%i\n" },
};

static void test_good(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(good_rows); i++) {
                Diagnostics d = {};
                JobDef *def = NULL;

                if (build(good_rows[i].name, good_rows[i].file, NULL, &d, &def) < 0)
                        fail_msg("row of line %d: %s", good_rows[i].line, d.items[0].message);
                job_def_unref(def);
        }
}

static const struct {
        int line;
        const char *file, *dropin, *where;
        unsigned problem_line;
        const char *message;
} bad_rows[] = {
        /* values of [Rotate] */
        { __LINE__, "[Rotate]\nPath=l\n", NULL, A, 2, "Path=l is not an absolute path" },
        { __LINE__, "[Rotate]\nPath=/l/../m\n", NULL, A, 2, "contains \".\" or \"..\"" },
        { __LINE__, "[Rotate]\nPath=/l/./m\n", NULL, A, 2, "contains \".\" or \"..\"" },
        { __LINE__, "[Rotate]\nPath=/l/x\\/y\n", NULL, A, 2, "is not a valid pattern" },
        { __LINE__, "[Rotate]\nPath=/l/**/x\n", NULL, A, 2, "has \"**\" as a component" },
        { __LINE__, "[Rotate]\nPath=/l//**\n", NULL, A, 2, "has \"**\" as a component" },
        { __LINE__, "[Rotate]\nPath=/l\nPath=//l/\n", NULL, A, 3, "is given twice" },
        { __LINE__, "[Rotate]\nPath=/\n", NULL, A, 2, "is too much of the system" },
        { __LINE__, "[Rotate]\nPath=/l/a /l/b\n", NULL, A, 2, "Write a line of Path= for each path" },
        { __LINE__, "[Rotate]\nPath=/l\nMaxAge=30\n", NULL, A, 3, "has no unit. Write, for example, 30d" },
        { __LINE__, "[Rotate]\nPath=/l\nExclude=../x\n", NULL, A, 3, "Exclude=../x matches nothing" },
        { __LINE__, "[Rotate]\nPath=/l\nMaxSize=10Q\n", NULL, A, 3, "MaxSize=10Q is not a size. Write bytes" },
        { __LINE__, "[Rotate]\nPath=/l\nMaxSize=10%%\n", NULL, A, 3, "is not a size" },
        { __LINE__, "[Rotate]\nPath=/l\nMaxSize=0\n", NULL, A, 3, "MaxSize=0 is too small" },
        { __LINE__, "[Rotate]\nPath=/l\nMinSize=99999999E\n", NULL, A, 3, "is too large" },
        { __LINE__, "[Rotate]\nPath=/l\nMaxAge=0\n", NULL, A, 3, "is shorter than 1s" },
        { __LINE__, "[Rotate]\nPath=/l\nMaxAge=daily\n", NULL, A, 3, "is not a time span" },
        { __LINE__, "[Rotate]\nPath=/l\nKeep=-1\n", NULL, A, 3, "Keep=-1 is not a whole number" },
        { __LINE__, "[Rotate]\nPath=/l\nKeep=1000001\n", NULL, A, 3, "from 0 to 1000000, or infinity" },
        { __LINE__, "[Rotate]\nPath=/l\nCompress=xz\n", NULL, A, 3, "is unknown. Write none, gzip or zstd" },
        { __LINE__, "[Rotate]\nPath=/l\nMode=copy\n", NULL, A, 3, "Write rename or copytruncate" },
        { __LINE__, "[Rotate]\nPath=/l\nSuffix=dates\n", NULL, A, 3, "Write number or date" },
        { __LINE__, "[Rotate]\nPath=/l\nExtension=.gz\n", NULL, A, 3, "looks like that of an old copy" },
        { __LINE__, "[Rotate]\nPath=/l\nExtension=.1\n", NULL, A, 3, "looks like that of an old copy" },
        { __LINE__, "[Rotate]\nPath=/l\nExtension=a/b\n", NULL, A, 3, "is not the end of a file name" },
        { __LINE__, "[Rotate]\nPath=/l\nCreate=0640 app adm x\n", NULL, A, 3, "has too many words" },
        { __LINE__, "[Rotate]\nPath=/l\nCreate=04755\n", NULL, A, 3, "has no valid access mode" },
        { __LINE__, "[Rotate]\nPath=/l\nCreate=0640 app:adm\n", NULL, A, 3, "has no valid user or group" },
        { __LINE__, "[Rotate]\nPath=/l\nOldDir=../old\n", NULL, A, 3, "contains \".\" or \"..\"" },
        { __LINE__, "[Rotate]\nPath=/l\nReloadUnit=app\n", NULL, A, 3, "is not a unit that can be reloaded" },
        { __LINE__, "[Rotate]\nPath=/l\nSignal=SIGUSR1\n", NULL, A, 3, "is not a signal and a unit" },
        { __LINE__, "[Rotate]\nPath=/l\nSignal=USER1 a.service\n", NULL, A, 3, "is not a signal and a unit" },
        { __LINE__, "[Rotate]\nPath=/l\nScriptPer=log\n", NULL, A, 3, "Write run or file" },
        { __LINE__, "[Rotate]\nPath=/l\nMaxsize=1\n", NULL, A, 3, "Did you mean MaxSize=?" },
        { __LINE__, "[Rotates]\nPath=/l\n", NULL, A, 1, "Did you mean [Rotate]?" },

        /* dates */
        { __LINE__, "[Rotate]\nPath=/l\nSuffix=date\nDateFormat=%d%m%Y\n", NULL, A, 4, "would not sort by time" },
        { __LINE__, "[Rotate]\nPath=/l\nSuffix=date\nDateFormat=%Y%d\n", NULL, A, 4, "would not sort by time" },
        { __LINE__, "[Rotate]\nPath=/l\nSuffix=date\nDateFormat=%Y%V\n", NULL, A, 4, "%V is the week of a year" },
        { __LINE__, "[Rotate]\nPath=/l\nSuffix=date\nDateFormat=-%b\n", NULL, A, 4, "Write %Y, %m" },
        { __LINE__, "[Rotate]\nPath=/l\nSuffix=date\nDateFormat=-%Y%\n", NULL, A, 4, "Write %Y, %m" },
        { __LINE__, "[Rotate]\nPath=/l\nSuffix=date\nDateFormat=-%Y/%m\n", NULL, A, 4, "letters, digits, and" },
        { __LINE__, "[Rotate]\nPath=/l\nSuffix=date\nDateFormat=-%Y*\n", NULL, A, 4, "letters, digits, and" },
        { __LINE__, "[Rotate]\nPath=/l\nSuffix=date\nDateFormat=old\n", NULL, A, 4, "has no date" },

        /* keys of [Rotate] that belong together */
        { __LINE__, "[Rotate]\nPath=/l\nCompressLevel=3\n", NULL, A, 3, "CompressLevel= requires Compress=gzip" },
        { __LINE__, "[Rotate]\nPath=/l\nCompress=gzip\nCompressLevel=10\n", NULL, A, 4, "is too high for gzip" },
        { __LINE__, "[Rotate]\nPath=/l\nCompress=none\nCompressDelay=yes\n", NULL, A, 4, "CompressDelay= requires" },
        { __LINE__, "[Rotate]\nPath=/l\nCompress=gzip\nCompressThreads=2\n", NULL, A, 4, "requires Compress=zstd" },
        { __LINE__, "[Rotate]\nPath=/l\nDateFormat=-%Y\n", NULL, A, 3, "DateFormat= requires Suffix=date" },
        { __LINE__, "[Rotate]\nPath=/l\nScriptPer=file\n", NULL, A, 3, "ScriptPer= requires PreRotate=" },
        { __LINE__, "[Rotate]\nPath=/l\nCreate=0600\n", "[Rotate]\nMode=copytruncate\n", A, 3,
          "Create= cannot be used with Mode=copytruncate" },
        { __LINE__, "[Rotate]\nPath=/l\nMaxSize=1M\nMinSize=2M\n", NULL, A, 4, "MinSize= is larger than MaxSize=" },
        { __LINE__, "[Rotate]\nKeep=3\n", NULL, A, 2, "Section [Rotate] is about no file. Write Path=" },
        { __LINE__, "[Rotate]\nPath=/l\nKeep=3\n", "[Rotate]\nPath=\n", A, 3, "is about no file" },

        /* [Clean] */
        { __LINE__, "[Clean]\nPath=/t\n", NULL, A, 2, "does not say what goes. Write MaxAge=" },
        { __LINE__, "[Clean]\nMaxAge=1d\n", NULL, A, 2, "Section [Clean] is about no file" },
        { __LINE__, "[Clean]\nPath=/var\nMaxAge=1d\n", NULL, A, 2, "is too much of the system" },
        { __LINE__, "[Clean]\nPath=/var/*\nMaxAge=1d\n", NULL, A, 2, "is too much of the system" },
        { __LINE__, "[Clean]\nPath=/home/*/*\nMaxAge=1d\n", NULL, A, 2, "is too much of the system" },
        { __LINE__, "[Clean]\nPath=/t\nMaxAge=30\n", NULL, A, 3, "has no unit" },
        { __LINE__, "[Clean]\nPath=/*\nMaxAge=1d\n", NULL, A, 2, "is too much of the system" },
        { __LINE__, "[Clean]\nPath=/t\nMaxAge=1d\nAgeBy=atime\n", NULL, A, 4, "\"atime\" is not a time of a file" },
        { __LINE__, "[Clean]\nPath=/t\nMaxCount=many\n", NULL, A, 3, "is not a number of files" },
        { __LINE__, "[Clean]\nPath=/t\nMaxAge=1s\nKeepMin=1K\n", NULL, A, 4, "is not a number of files" },
        { __LINE__, "[Clean]\nPath=/t\nUntilFree=100%\n", NULL, A, 3, "below 100%, or a size such as 5G" },
        { __LINE__, "[Clean]\nPath=/t\nUntilFree=0\n", NULL, A, 3, "is not what can be free" },
        { __LINE__, "[Clean]\nPath=/t\nUntilFree=20\n", NULL, A, 3, "Write a percentage above 0%" },
        { __LINE__, "[Clean]\nPath=/t\nUntilFree=infinity\n", NULL, A, 3, "is not what can be free" },
        { __LINE__, "[Clean]\nPath=/t\nUntilInodesFree=5G\n", NULL, A, 3, "or a number of inodes" },
        { __LINE__, "[Clean]\nPath=/t\nMaxAge=1s\nKeepopen=y\n", NULL, A, 4, "Did you mean KeepOpen=?" },

        /* with the rest of the job */
        { __LINE__, "[Rotate]\nPath=/l\n[Run]\nExec=/bin/true\n", NULL, A, 4, "both [Rotate] and Exec=" },
        { __LINE__, "[Run]\nShell=true\n[Clean]\nPath=/t\nMaxAge=1s\n", NULL, A, 4, "both Shell= and [Clean]" },
        { __LINE__, "[Rotate]\nPath=/l\n", "[Run]\nUnit=a.service\n", B, 2, "both [Rotate] and Unit=" },
        { __LINE__, "[Rotate]\nPath=/l\n[Clean]\nMaxAge=1s\nPath=/t\n", NULL, A, 4, "both [Rotate] and [Clean]" },
        { __LINE__, "[Rotate]\nPath=/l\n[Path]\nSpool=/s\n", NULL, A, 4, "both Spool= and [Rotate]" },
};

static void test_bad(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(bad_rows); i++) {
                Diagnostics d = {};
                JobDef *def = NULL;
                int r = build("a", bad_rows[i].file, bad_rows[i].dropin, &d, &def);

                if (r != -EINVAL || d.n_items != 1 || def || !streq(d.items[0].file, bad_rows[i].where) ||
                    d.items[0].line != bad_rows[i].problem_line || !strstr(d.items[0].message, bad_rows[i].message))
                        fail_msg("row of line %d: %d, %zu problems, %s:%u: %s", bad_rows[i].line, r, d.n_items,
                                 d.n_items > 0 ? d.items[0].file : "", d.n_items > 0 ? d.items[0].line : 0,
                                 d.n_items > 0 ? d.items[0].message : "");
                diagnostics_done(&d);
        }
}

/* As many paths as there may be, and as many bytes. */
static void test_limits(void **state) {
        static const struct {
                unsigned n, width;
                const char *message; /* NULL: they are fine */
        } rows[] = {
                { UPKEEP_PATHS_MAX, 5, NULL },
                { UPKEEP_PATHS_MAX + 1, 5, "more than 1024 lines of Path=" },
                { 600, 200, "Section [Rotate] has more than 98304 bytes" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char *text = NULL;
                size_t n;
                FILE *f = open_memstream(&text, &n);
                Diagnostics d = {};
                JobDef *def = NULL;

                assert_non_null(f);
                fputs("[Rotate]\n", f);
                for (unsigned j = 0; j < rows[i].n; j++)
                        fprintf(f, "Path=/l/%0*u\n", rows[i].width, j);
                assert_int_equal(fclose(f), 0);
                assert_int_equal(build("a", text, NULL, &d, &def), rows[i].message ? -EINVAL : 0);
                assert_int_equal(d.n_items, rows[i].message != NULL);
                if (rows[i].message)
                        assert_non_null(strstr(d.items[0].message, rows[i].message));
                diagnostics_done(&d);
                job_def_unref(def);
                free(text);
        }
}

/* --- arguments --- */

static void test_arguments(void **state) {
        char *const lines[] = { (char *)"Path=/t/100%/%i", (char *)"UntilFree=10%", (char *)"Recursive = no" };
        Diagnostics d = {};
        CleanDef c;

        assert_int_equal(upkeep_parse_clean(lines, ELEMENTSOF(lines), &c, &d), 0);
        assert_string_equal(c.paths[0], "/t/100%/%i");
        assert_true(c.until_free.permyriad == 1000 && !c.recursive);
        clean_def_done(&c);
}

static const struct {
        int line;
        const char *lines[4];
        const char *argument, *message;
} argument_rows[] = {
        { __LINE__, { "Path=/l", "MaxSize=10Q" }, "MaxSize=10Q", "MaxSize=10Q is not a size" },
        { __LINE__, { "Path=/l", "--plan" }, "--plan", "This is no line of section [Rotate]. Write KEY=VALUE" },
        { __LINE__, { "Path=/l", "" }, "", "This is no line" },
        { __LINE__, { "Path=/l", "[Clean]" }, "[Clean]", "This is no line" },
        { __LINE__, { "Path=/l", "#Keep=1" }, "#Keep=1", "This is no line" },
        { __LINE__, { "Path=/l\\", "Keep=1" }, "Path=/l\\", "This is no line" },
        { __LINE__, { "Path=/l", "Keep=1\nKeep=2" }, "Keep=1?Keep=2", "This is no line" },
        { __LINE__, { "Path=/l", "/var/log/x" }, "/var/log/x", "This is no line" },
        { __LINE__, { "Path=/l", "Keep" }, "Keep", "has no \"=\"" },
        { __LINE__, { "Path=/l", "Keeep=1" }, "Keeep=1", "Did you mean Keep=?" },
        { __LINE__, { "Path=/l", "MaxCount=1" }, "MaxCount=1", "Unknown key MaxCount=" },
        { __LINE__, { "Path=/l", "Keep=1", "CompressLevel=3" }, "CompressLevel=3", "requires Compress=gzip" },
        { __LINE__, { "Keep=1" }, "Keep=1", "is about no file" },
        { __LINE__, { "Path=" }, "Rotate", "Write Path=" },
        { __LINE__, {}, "Rotate", "Write Path=" },
};

static void test_bad_arguments(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(argument_rows); i++) {
                Diagnostics d = {};
                RotateDef def;
                size_t n = 0;
                int r;

                while (n < 4 && argument_rows[i].lines[n])
                        n++;
                r = upkeep_parse_rotate((char *const *)argument_rows[i].lines, n, &def, &d);
                if (r != -EINVAL || d.n_items != 1 || !streq(d.items[0].file, argument_rows[i].argument) ||
                    d.items[0].line != 0 || !strstr(d.items[0].message, argument_rows[i].message))
                        fail_msg("row of line %d: %d, %zu problems, %s: %s", argument_rows[i].line, r, d.n_items,
                                 d.n_items > 0 ? d.items[0].file : "", d.n_items > 0 ? d.items[0].message : "");
                diagnostics_done(&d);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_state_directory),
                cmocka_unit_test(test_rotate_defaults),
                cmocka_unit_test(test_rotate_every_key),
                cmocka_unit_test(test_rotate_clear),
                cmocka_unit_test(test_clean),
                cmocka_unit_test(test_good),
                cmocka_unit_test(test_bad),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_arguments),
                cmocka_unit_test(test_bad_arguments),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
