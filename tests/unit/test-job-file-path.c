/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Section [Path]: every key with its default, what its bad values are told and where, and the rules between keys. */

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "config/job-file.h"

#define RUN "[Run]\nExec=/bin/true\n"
#define A   "/j/a.job"
#define B   "/j/b.conf"

/* Builds a job whose file is [Run] and then this [Path], from line 4 on, with a drop-in that is all [Path]. */
static int build(const char *name, const char *path, const char *dropin, Diagnostics *d, JobDef **ret) {
        JobFileContext c = { .host = "host" };
        JobText texts[2] = { { .path = (char *)A }, { .path = (char *)B } };
        int r;

        assert_true(asprintf(&texts[0].bytes, RUN "[Path]\n%s", path) > 0);
        assert_true(asprintf(&texts[1].bytes, "[Path]\n%s", dropin ?: "") > 0);
        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                texts[i].n = strlen(texts[i].bytes);
        if (name[strlen(name) - 1] == '@')
                r = job_file_check_template(name, &c, texts, dropin ? 2 : 1, d);
        else
                r = job_file_build(name, &c, texts, dropin ? 2 : 1, d, ret);
        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                free(texts[i].bytes);
        return r;
}

static JobDef *build_good(const char *path, const char *dropin) {
        Diagnostics d = {};
        JobDef *def = NULL;

        if (build("a", path, dropin, &d, &def) < 0)
                fail_msg("%s:%u: %s", d.items[0].file, d.items[0].line, d.items[0].message);
        assert_int_equal(d.n_items, 0);
        return def;
}

static void check_source(const JobDef *d, size_t i, PathKind kind, const char *path) {
        assert_true(i < d->rare->path_trigger->n_sources);
        assert_int_equal(d->rare->path_trigger->sources[i].kind, kind);
        assert_string_equal(d->rare->path_trigger->sources[i].path, path);
}

static void test_defaults(void **state) {
        JobDef *d = build_good("PathChanged=/srv/in\n", NULL);
        const PathDef *p = d->rare->path_trigger;

        assert_int_equal(d->n_triggers, 0);
        assert_int_equal(p->n_sources, 1);
        check_source(d, 0, PATH_CHANGED, "/srv/in");
        assert_null(p->include);
        assert_null(p->exclude);
        assert_null(p->filter);
        assert_int_equal(p->events, 0);
        assert_false(p->recursive);
        assert_false(p->each);
        assert_true(p->settle == 0 && p->settle_max == USEC_INFINITY);
        assert_null(p->spool_done);
        assert_null(p->spool_failed);
        assert_true(p->limit_interval == 10 * USEC_PER_SEC);
        assert_int_equal(p->limit_burst, 20);
        assert_false(p->make_directory);
        assert_int_equal(p->directory_mode, 0755);
        assert_int_equal(p->backend, WATCH_BACKEND_AUTO);
        assert_true(p->poll == 0);
        assert_false(p->cross_mounts);
        job_def_unref(d);
}

static bool matches(const PathDef *p, const char *path) {
        return path_filter_matches(p->filter, path, strlen(path), /* is_directory= */ false);
}

static void test_every_key(void **state) {
        JobDef *d = build_good("PathChanged=/srv/in with blanks\n"
                               "PathModified=/srv/*\n"
                               "PathExists=/run/x\n"
                               "PathExistsGlob=/run/*/[ab]?.pid\n"
                               "DirectoryNotEmpty=/srv/out\n"
                               "PathChanged=/\n"
                               "Include=*.csv\n"
                               "Include=/sub/**\n"
                               "Exclude=tmp/\n"
                               "Exclude=a b*\n"
                               "Events=create move\n"
                               "Events=delete\n"
                               "Recursive=yes\n"
                               "CrossMounts=on\n"
                               "SettleSec=5s\n"
                               "SettleMaxSec=1min\n"
                               "Batch=each\n"
                               "TriggerLimitIntervalSec=30s\n"
                               "TriggerLimitBurst=10000\n"
                               "MakeDirectory=yes\n"
                               "DirectoryMode=2750\n"
                               "Backend=fanotify\n"
                               "PollSec=100ms\n",
                               NULL);
        const PathDef *p = d->rare->path_trigger;

        assert_int_equal(p->n_sources, 6);
        check_source(d, 0, PATH_CHANGED, "/srv/in with blanks");
        check_source(d, 1, PATH_MODIFIED, "/srv/*");
        check_source(d, 2, PATH_EXISTS, "/run/x");
        check_source(d, 3, PATH_EXISTS_GLOB, "/run/*/[ab]?.pid");
        check_source(d, 4, PATH_DIRECTORY_NOT_EMPTY, "/srv/out");
        check_source(d, 5, PATH_CHANGED, "/");
        assert_string_equal(p->include[0], "*.csv");
        assert_string_equal(p->include[1], "/sub/**");
        assert_null(p->include[2]);
        assert_string_equal(p->exclude[1], "a b*");
        assert_true(matches(p, "x/y.csv") && matches(p, "sub/x"));
        assert_false(matches(p, "x") || matches(p, "a b.csv"));
        assert_false(path_filter_descends(p->filter, "tmp", 3));
        assert_int_equal(p->events, WATCH_CREATE | WATCH_MOVE | WATCH_DELETE);
        assert_true(p->recursive && p->cross_mounts && p->each && p->make_directory);
        assert_true(p->settle == 5 * USEC_PER_SEC && p->settle_max == USEC_PER_MINUTE);
        assert_true(p->limit_interval == 30 * USEC_PER_SEC);
        assert_int_equal(p->limit_burst, PATH_LIMIT_BURST_MAX);
        assert_int_equal(p->directory_mode, 02750);
        assert_int_equal(p->backend, WATCH_BACKEND_FANOTIFY);
        assert_true(p->poll == 100 * USEC_PER_MSEC);
        job_def_unref(d);
}

static void test_spool(void **state) {
        JobDef *d = build_good("Spool=/srv//in/\nSpool=/srv/in2\nSpoolDone=/srv//done/\nSpoolFailed=/srv/in-bad\n"
                               "Include=*.xml\nExclude=*.part\nMakeDirectory=yes\n",
                               NULL);

        check_source(d, 0, PATH_SPOOL, "/srv/in");
        check_source(d, 1, PATH_SPOOL, "/srv/in2");
        assert_string_equal(d->rare->path_trigger->spool_done, "/srv/done");
        assert_string_equal(d->rare->path_trigger->spool_failed, "/srv/in-bad");
        assert_true(d->rare->path_trigger->each);
        assert_int_equal(d->rare->path_trigger->limit_burst, 0);
        assert_true(matches(d->rare->path_trigger, "a.xml") && !matches(d->rare->path_trigger, "a.part"));
        job_def_unref(d);
}

/* An empty value clears or restores the default, in the file and in a drop-in, and of each key for itself. */
static void test_clear(void **state) {
        JobDef *d = build_good("PathChanged=/a\nPathExists=/b\nPathChanged=/c\nInclude=x\nExclude=y\nEvents=move\n"
                               "Recursive=yes\nCrossMounts=yes\nSettleSec=1\nSettleMaxSec=2\nBatch=each\n"
                               "TriggerLimitIntervalSec=1\nTriggerLimitBurst=1\nMakeDirectory=yes\n"
                               "DirectoryMode=0700\nBackend=poll\nPollSec=5\n",
                               "PathChanged=\nPathChanged=/d\nInclude=\nInclude=z\nExclude=\nEvents=\nRecursive=\n"
                               "CrossMounts=\nSettleSec=\nSettleMaxSec=\nBatch=\nTriggerLimitIntervalSec=\n"
                               "TriggerLimitBurst=\nMakeDirectory=\nDirectoryMode=\nBackend=\nPollSec=\n");
        const PathDef *p = d->rare->path_trigger;

        assert_int_equal(p->n_sources, 2);
        check_source(d, 0, PATH_EXISTS, "/b");
        check_source(d, 1, PATH_CHANGED, "/d");
        assert_string_equal(p->include[0], "z");
        assert_null(p->include[1]);
        assert_null(p->exclude);
        assert_true(p->events == 0 && !p->recursive && !p->cross_mounts && !p->each && !p->make_directory);
        assert_true(p->settle == 0 && p->settle_max == USEC_INFINITY && p->poll == 0);
        assert_true(p->limit_interval == 10 * USEC_PER_SEC && p->limit_burst == 20);
        assert_true(p->directory_mode == 0755 && p->backend == WATCH_BACKEND_AUTO);
        job_def_unref(d);

        d = build_good("Spool=/a\nSpoolDone=/b\nSpoolFailed=/c\n", "SpoolDone=\nSpoolFailed=\n");
        assert_null(d->rare->path_trigger->spool_done);
        assert_null(d->rare->path_trigger->spool_failed);
        job_def_unref(d);

        d = build_good("PathChanged=/a\nInclude=x\nSettleSec=1\n", "PathChanged=\nInclude=\nSettleSec=\n");
        assert_null(d->rare->path_trigger);
        job_def_unref(d);

        d = build_good("", NULL);
        assert_null(d->rare->path_trigger);
        job_def_unref(d);
}

static const struct {
        int line;
        const char *path;
        usec_t interval;
        unsigned burst;
} limit_rows[] = {
        { __LINE__, "PathExists=/a\n", 10 * USEC_PER_SEC, 20 },
        { __LINE__, "PathChanged=/a\nBatch=all\n", 10 * USEC_PER_SEC, 20 },
        { __LINE__, "PathChanged=/a\nBatch=each\n", 2 * USEC_PER_SEC, 200 },
        { __LINE__, "Spool=/a\n", 2 * USEC_PER_SEC, 0 },
        { __LINE__, "Spool=/a\nBatch=each\nTriggerLimitBurst=5\n", 2 * USEC_PER_SEC, 5 },
        { __LINE__, "PathChanged=/a\nTriggerLimitIntervalSec=1min\n", USEC_PER_MINUTE, 20 },
        { __LINE__, "PathChanged=/a\nTriggerLimitBurst=0\n", 10 * USEC_PER_SEC, 0 },
        { __LINE__, "PathChanged=/a\nTriggerLimitIntervalSec=0\n", 0, 0 },
        { __LINE__, "PathChanged=/a\nTriggerLimitIntervalSec=0\nTriggerLimitBurst=7\n", 0, 0 },
};

static void test_trigger_limits(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(limit_rows); i++) {
                JobDef *d = build_good(limit_rows[i].path, NULL);

                if (d->rare->path_trigger->limit_interval != limit_rows[i].interval ||
                    d->rare->path_trigger->limit_burst != limit_rows[i].burst)
                        fail_msg("row of line %d: %u", limit_rows[i].line, d->rare->path_trigger->limit_burst);
                job_def_unref(d);
        }
}

/* What is no problem. */
static const struct {
        int line;
        const char *path, *dropin;
} good_rows[] = {
        { __LINE__, "PathChanged=/a/[b]*?\n", NULL },
        { __LINE__, "PathChanged=/a\nPathModified=/a\nPathExists=/a\n", NULL },
        { __LINE__, "PathChanged=/a\nPathChanged=/a/b\n", NULL },
        { __LINE__, "PathChanged=/a\n", "PathChanged=\nPathChanged=/a\n" },
        { __LINE__, "PathExistsGlob=/a/\\*/[b\n", NULL },
        { __LINE__, "PathExistsGlob=/a/b\n", NULL },
        { __LINE__, "PathExists=/...\nPathExists=/.a/..b\n", NULL },
        { __LINE__, "PathExists=/a\nRecursive=no\nMakeDirectory=no\nCrossMounts=no\n", NULL },
        { __LINE__, "Spool=/a\nRecursive=no\nBatch=each\n", NULL },
        { __LINE__, "Include=x\nRecursive=yes\n", "PathChanged=/a\n" },
        { __LINE__, "PathExists=/a\nInclude=x\n", "Include=\n" },
        { __LINE__, "SpoolDone=/d\n", "Spool=/a\n" },
        { __LINE__, "Spool=/a\nSpoolDone=/d\nSpoolFailed=/d\n", NULL },
        { __LINE__, "Spool=/a\nSpoolDone=/\nSpoolFailed=/ab\n", NULL },
        { __LINE__, "Spool=/a\nSpoolDone=/a\n", "SpoolDone=/b\n" }, /* what was replaced is not validated */
        { __LINE__, "Spool=/a/b\nSpool=/a\n", NULL },
        { __LINE__, "DirectoryNotEmpty=/a\nMakeDirectory=yes\n", NULL },
        { __LINE__, "PathChanged=/a\nSettleSec=5\nSettleMaxSec=5\n", NULL },
        { __LINE__, "PathChanged=/a\nSettleSec=5\nSettleMaxSec=infinity\nPollSec=0\n", NULL },
        { __LINE__, "PathChanged=/a\nSettleSec=5\nSettleMaxSec=1\n", "SettleSec=1\n" },
        { __LINE__, "PathChanged=/a\nInclude=a/\nInclude=/a\nInclude=**/a/...\nInclude=!a\nInclude=[\n", NULL },
        { __LINE__, "PathChanged=/a\nEvents=create write close move delete attrib\n", NULL },
        { __LINE__, "PathChanged=/a\n[Run]\nOverlap=skip\n", NULL },
        { __LINE__, "PathChanged=/a\n[Run]\nOverlap=replace\n[Timer]\nOnInterval=1h\n", NULL },
        { __LINE__, "PathChanged=/a\n[Run]\nExec=\nUnit=a.service\n", NULL },
        { __LINE__, "Spool=/a\n[Run]\nOverlap=parallel\nMaxParallel=8\nRetry=5\n", NULL },
};

static void test_good(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(good_rows); i++) {
                Diagnostics d = {};
                JobDef *def = NULL;

                if (build("a", good_rows[i].path, good_rows[i].dropin, &d, &def) < 0 || d.n_items > 0)
                        fail_msg("row of line %d: %s", good_rows[i].line, d.items[0].message);
                job_def_unref(def);
        }
}

#define N255                                                                                                   \
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789" \
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789" \
        "0123456789012345678901234567890123456789012345678901234"

/* What is one, and only that one. */
static const struct {
        int line;
        const char *path, *dropin;
        const char *file;
        unsigned problem_line;
        const char *message;
} bad_rows[] = {
        /* paths */
        { __LINE__, "PathChanged=srv/in\n", NULL, A, 4,
          "PathChanged=srv/in is not an absolute path. It must begin with" },
        { __LINE__, "PathExists=~/in\n", NULL, A, 4, "is not an absolute path" },
        { __LINE__, "\nPathModified=/srv/../etc\n", NULL, A, 5, "contains \".\" or \"..\"" },
        { __LINE__, "DirectoryNotEmpty=/srv/.\n", NULL, A, 4, "contains \".\" or \"..\"" },
        { __LINE__, "Spool=in\n", NULL, A, 4, "Spool=in is not an absolute path" },
        { __LINE__, "PathChanged=/a/" N255 "6\n", NULL, A, 4, "has a component of more than 255 bytes" },
        { __LINE__, "PathChanged=/a/%%/%j/" N255 "\nPathExists=x\n", NULL, A, 5,
          "PathExists=x is not an absolute path" },
        { __LINE__, "", "PathExists=a\n", B, 2, "PathExists=a is not an absolute path" },
        { __LINE__, "PathExistsGlob=*/a\n", NULL, A, 4, "is not an absolute path" },
        { __LINE__, "PathExistsGlob=/a\\/b\n", NULL, A, 4, "a component ends in a single backslash. Write \\\\ for" },
        { __LINE__, "PathChanged=/a/%i\n", NULL, A, 4, "this job is not an instance" },
        { __LINE__, "PathChanged=/a\nPathExists=/a\n\nPathChanged=//a/\n", NULL, A, 7,
          "PathChanged=/a is given twice" },
        { __LINE__, "Spool=/a\n", "Spool=/a\n", B, 2, "Spool=/a is given twice" },

        /* patterns */
        { __LINE__, "PathChanged=/a\nInclude=x\nInclude=y\\ \n", NULL, A, 6,
          "Include=y\\ is not a valid pattern: it ends in a single backslash. Write \\\\ for one." },
        { __LINE__, "PathChanged=/a\nExclude=" N255 N255 N255 N255 N255 "\n", NULL, A, 5,
          "is longer than 1023 bytes" },
        { __LINE__, "PathChanged=/a\nExclude=./x\n", NULL, A, 5, "Exclude=./x matches nothing" },
        { __LINE__, "PathChanged=/a\nExclude=x/../y\n", NULL, A, 5, "matches nothing" },
        { __LINE__, "PathChanged=/a\nExclude=x//y\n", NULL, A, 5, "matches nothing" },
        { __LINE__, "PathChanged=/a\nExclude=/\n", NULL, A, 5, "matches nothing" },
        { __LINE__, "PathChanged=/a\nInclude=..\n", NULL, A, 5, "matches nothing" },

        /* other values */
        { __LINE__, "PathChanged=/a\nEvents=create closed\n", NULL, A, 5,
          "Events=: \"closed\" is not an event. Write create, write, close, move, delete or attrib" },
        { __LINE__, "PathChanged=/a\nEvents=create,move\n", NULL, A, 5, "separated by blanks" },
        { __LINE__, "PathChanged=/a\nRecursive=deep\n", NULL, A, 5, "neither yes nor no" },
        { __LINE__, "PathChanged=/a\nCrossMounts=x\n", NULL, A, 5, "neither yes nor no" },
        { __LINE__, "PathChanged=/a\nSettleSec=soon\n", NULL, A, 5, "SettleSec=soon is not a time span" },
        { __LINE__, "PathChanged=/a\nSettleSec=infinity\n", NULL, A, 5, "is not finite" },
        { __LINE__, "PathChanged=/a\nSettleMaxSec=-1\n", NULL, A, 5, "is not a time span" },
        { __LINE__, "PathChanged=/a\nBatch=one\n", NULL, A, 5, "Batch=one is unknown. Write all or each." },
        { __LINE__, "Spool=/a\nSpoolDone=done\n", NULL, A, 5, "SpoolDone=done is not an absolute path" },
        { __LINE__, "Spool=/a\nSpoolFailed=/x/..\n", NULL, A, 5, "contains \".\" or \"..\"" },
        { __LINE__, "PathChanged=/a\nTriggerLimitIntervalSec=infinity\n", NULL, A, 5, "is not finite" },
        { __LINE__, "PathChanged=/a\nTriggerLimitBurst=10001\n", NULL, A, 5, "Write a number from 0 to 10000." },
        { __LINE__, "PathChanged=/a\nTriggerLimitBurst=infinity\n", NULL, A, 5, "is not a whole number" },
        { __LINE__, "PathChanged=/a\nMakeDirectory=2\n", NULL, A, 5, "neither yes nor no" },
        { __LINE__, "PathChanged=/a\nDirectoryMode=rwx\n", NULL, A, 5, "DirectoryMode=rwx is not an access mode" },
        { __LINE__, "PathChanged=/a\nDirectoryMode=0888\n", NULL, A, 5, "is not an access mode" },
        { __LINE__, "PathChanged=/a\nDirectoryMode=10000\n", NULL, A, 5, "is not an access mode" },
        { __LINE__, "PathChanged=/a\nBackend=epoll\n", NULL, A, 5,
          "Backend=epoll is unknown. Write auto, inotify, fanotify or poll." },
        { __LINE__, "PathChanged=/a\nPollSec=99ms\n", NULL, A, 5, "PollSec=99ms is shorter than 100ms" },
        { __LINE__, "PathChanged=/a\nPollSec=infinity\n", NULL, A, 5, "is not finite" },
        { __LINE__, "PathChange=/a\n", NULL, A, 4, "Did you mean PathChanged=?" },
        { __LINE__, "PathChange=/a\nSettleSec=1\n", NULL, A, 4, "Did you mean PathChanged=?" },

        /* the whole */
        { __LINE__, "SettleSec=1\n", NULL, A, 4, "SettleSec= is in a section that watches nothing. Add" },
        { __LINE__, "PathChanged=/a\nBackend=poll\n\nInclude=x\n", "PathChanged=\n", A, 5,
          "Backend= is in a section that watches nothing" },
        { __LINE__, "PathExists=/a\nInclude=x\nInclude=y\n", NULL, A, 5,
          "Include= requires PathChanged=, PathModified= or Spool=, which the job does not have" },
        { __LINE__, "DirectoryNotEmpty=/a\n", "\nExclude=x\n", B, 3, "Exclude= requires" },
        { __LINE__, "PathExistsGlob=/a\nEvents=move\n", NULL, A, 5, "Events= requires PathChanged= or PathModified=" },
        { __LINE__, "PathExists=/a\nRecursive=yes\n", NULL, A, 5, "Recursive= requires PathChanged= or" },
        { __LINE__, "PathExists=/a\nCrossMounts=yes\n", NULL, A, 5, "CrossMounts= requires PathChanged= or" },
        { __LINE__, "PathExists=/a\nMakeDirectory=yes\n", NULL, A, 5, "MakeDirectory= requires PathChanged=, " },
        { __LINE__, "PathChanged=/a\nSpoolDone=/b\n", NULL, A, 5, "SpoolDone= requires Spool=, which the job" },
        { __LINE__, "PathChanged=/a\nSpoolFailed=/b\n", NULL, A, 5, "SpoolFailed= requires Spool=, which the" },
        { __LINE__, "Spool=/a\nRecursive=yes\n", NULL, A, 5,
          "Recursive= cannot be used with a spool: it is a single directory. Remove the line." },
        { __LINE__, "Spool=/a\nCrossMounts=yes\n", NULL, A, 5, "CrossMounts= cannot be used with a spool" },
        { __LINE__, "Spool=/a\nEvents=create\n", NULL, A, 5,
          "Events= cannot be used with a spool: a file is claimed when it is complete." },
        { __LINE__, "Spool=/a\nPathExists=/b\n", NULL, A, 5,
          "both Spool= and PathExists=. Write a separate job for the spool" },
        { __LINE__, "PathModified=/b\nSpool=/a\n", NULL, A, 5, "both Spool= and PathModified=" },
        { __LINE__, "Spool=/a\n", "DirectoryNotEmpty=/a\nSpool=/b\n", B, 2, "both Spool= and DirectoryNotEmpty=" },
        { __LINE__, "Spool=/a\nBatch=all\n", NULL, A, 5, "both Spool= and Batch=all. Each file" },
        { __LINE__, "Batch=all\n", "Spool=/a\n", B, 2, "both Spool= and Batch=all" },
        { __LINE__, "Spool=/a\nSpoolDone=/a\n", NULL, A, 5,
          "SpoolDone= is the directory of Spool=, or inside it. Write another directory on the same file system." },
        { __LINE__, "Spool=/a\nSpoolDone=/b\nSpoolFailed=//a/b/\n", NULL, A, 6, "SpoolFailed= is the directory of" },
        { __LINE__, "SpoolDone=/a/x\nSpool=/b\n", "Spool=/a\n", B, 2, "SpoolDone= is the directory of Spool=" },
        { __LINE__, "Spool=/\nSpoolDone=/a\n", NULL, A, 5, "SpoolDone= is the directory of Spool=, or inside it" },
        { __LINE__, "PathChanged=/a\nSettleSec=5\nSettleMaxSec=4999ms\n", NULL, A, 6,
          "SettleMaxSec= is shorter than SettleSec=" },
        { __LINE__, "PathChanged=/a\nSettleMaxSec=4\n", "SettleSec=5\n", B, 2, "SettleMaxSec= is shorter than" },
        { __LINE__, "Spool=/a\n[Run]\nExec=\nUnit=a.service\n", NULL, A, 7, "both Spool= and Unit=, but a unit" },
        { __LINE__, "PathExists=/a\n[Run]\nExec=\n", NULL, A, 4, "nothing to run" },
};

static void test_bad(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(bad_rows); i++) {
                Diagnostics d = {};
                JobDef *def = NULL;
                int r = build("a", bad_rows[i].path, bad_rows[i].dropin, &d, &def);

                if (r != -EINVAL || d.n_items != 1 || def || !streq(d.items[0].file, bad_rows[i].file) ||
                    d.items[0].line != bad_rows[i].problem_line || !strstr(d.items[0].message, bad_rows[i].message))
                        fail_msg("row of line %d: %d, %zu problems, %s:%u: %s", bad_rows[i].line, r, d.n_items,
                                 d.n_items > 0 ? d.items[0].file : "", d.n_items > 0 ? d.items[0].line : 0,
                                 d.n_items > 0 ? d.items[0].message : "");
                diagnostics_done(&d);
        }
}

/* All problems of a section are told at once, each with its line. */
static void test_many_problems(void **state) {
        static const unsigned lines[] = { 4, 5, 6, 10, 8 };
        Diagnostics d = {};
        JobDef *def = NULL;

        assert_int_equal(build("a",
                               "PathExists=a\nInclude=x\nRecursive=yes\nSettleSec=5\nSettleMaxSec=1\n"
                               "PathExists=/b\nPathExists=/b\n",
                               NULL, &d, &def),
                         -EINVAL);
        assert_int_equal(d.n_items, 5);
        for (size_t i = 0; i < d.n_items; i++)
                assert_int_equal(d.items[i].line, lines[i]);
        diagnostics_done(&d);
}

/* %i is replaced before anything is validated; in a template, what it is part of is not. */
static const struct {
        int line;
        const char *path;
        const char *problem; /* NULL: a good template */
} template_rows[] = {
        { __LINE__, "PathChanged=%i\nPathChanged=/%i/../x\nPathExistsGlob=/%i\\/x\n", NULL },
        { __LINE__, "PathChanged=/a/%i\nPathChanged=/a/instance\n", NULL },
        { __LINE__, "PathChanged=/a\nInclude=./%i\nExclude=%i\nEvents=%i\nBatch=%i\nBackend=%i\nPollSec=%i\n", NULL },
        { __LINE__, "PathExists=/a\nRecursive=%i\nMakeDirectory=%i\nDirectoryMode=%i\nTriggerLimitBurst=%i\n", NULL },
        { __LINE__, "PathChanged=/a\nSettleSec=%i\nSettleMaxSec=1\nTriggerLimitIntervalSec=%i\n", NULL },
        { __LINE__, "Spool=/a/%i\nSpoolDone=/a/instance\nSpoolFailed=/a/%i/x\nBatch=%i\n", NULL },
        { __LINE__, "PathChanged=/a/instance\nPathChanged=/a/%i\n", NULL },
        { __LINE__, "PathChanged=/a\nSettleMaxSec=1\nSettleMaxSec=%i\nSettleSec=5\n", NULL },
        { __LINE__, "Spool=/a/instance\nSpoolDone=/a/%i\n", NULL },
        { __LINE__, "Include=%i\n", "watches nothing" },
        { __LINE__, "PathExists=/%i\nInclude=%i\n", "Include= requires" },
        { __LINE__, "Spool=/%i\nPathChanged=/%i\n", "both Spool= and PathChanged=" },
        { __LINE__, "Spool=/%i\nSpool=/a\nSpoolDone=/a/b\n", "SpoolDone= is the directory" },
};

static void test_templates(void **state) {
        Diagnostics d = {};
        JobDef *def = NULL;

        for (size_t i = 0; i < ELEMENTSOF(template_rows); i++) {
                int r = build("a@", template_rows[i].path, NULL, &d, &def);

                if (template_rows[i].problem ? r != -EINVAL || !strstr(d.items[0].message, template_rows[i].problem)
                                             : r != 0)
                        fail_msg("row of line %d: %d %s", template_rows[i].line, r,
                                 d.n_items > 0 ? d.items[0].message : "");
                diagnostics_done(&d);
        }
        assert_int_equal(build("a@x", "PathChanged=/srv/%i/%h/%j/%%\nInclude=*.%i\n", NULL, &d, &def), 0);
        check_source(def, 0, PATH_CHANGED, "/srv/x/host/a@x/%");
        assert_string_equal(def->rare->path_trigger->include[0], "*.x");
        job_def_unref(def);
        /* who may name an instance must not get out of the directory */
        assert_int_equal(build("a@..", "PathChanged=/srv/%i\n", NULL, &d, NULL), -EINVAL);
        assert_non_null(strstr(d.items[0].message, "PathChanged=/srv/.. contains \".\" or \"..\""));
        diagnostics_done(&d);
}

static char *repeat(const char *head, const char *format, unsigned n) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        assert_non_null(f);
        fputs(head, f);
        for (unsigned i = 0; i < n; i++)
                fprintf(f, format, i);
        assert_int_equal(fclose(f), 0);
        return text;
}

static void test_limits(void **state) {
        static const struct {
                const char *head, *format, *more, *problem;
                unsigned max;
        } rows[] = {
                { "", "PathExists=/%u\n", "PathChanged=/x\n", "watches more than 1024 paths", PATH_SOURCES_MAX },
                { "PathChanged=/\n", "Include=%u\n", "Include=x\n",
                  "more than 1024 patterns in Include=", PATH_PATTERNS_MAX },
                { "PathChanged=/\n", "Exclude=%u\n", "Exclude=x\n",
                  "more than 1024 patterns in Exclude=", PATH_PATTERNS_MAX },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *text = repeat(rows[i].head, rows[i].format, rows[i].max);
                Diagnostics d = {};
                JobDef *def = build_good(text, NULL);

                job_def_unref(def);
                assert_int_equal(build("a", text, rows[i].more, &d, &def), -EINVAL);
                assert_int_equal(d.n_items, 1);
                assert_string_equal(d.items[0].file, B);
                assert_non_null(strstr(d.items[0].message, rows[i].problem));
                diagnostics_done(&d);
        }
}

/* A path is as long as the system allows, whatever it is made of. */
static void test_long_path(void **state) {
        _cleanup_free_ char *names = repeat("PathChanged=", "/%07u", PATH_MAX / 8 - 1);
        _cleanup_free_ char *good = NULL, *bad = NULL;
        Diagnostics d = {};
        JobDef *def;

        assert_true(asprintf(&good, "%s/123456\n", names) > 0 && asprintf(&bad, "%s/1234567\n", names) > 0);
        def = build_good(good, NULL);
        assert_int_equal(strlen(def->rare->path_trigger->sources[0].path), PATH_MAX - 1);
        job_def_unref(def);
        assert_int_equal(build("a", bad, NULL, &d, &def), -EINVAL);
        assert_non_null(strstr(d.items[0].message, "is longer than the system allows"));
        diagnostics_done(&d);
}

static uint64_t digest(const char *path, const char *dropin) {
        JobDef *d = build_good(path, dropin);
        uint64_t digest = d->digest;

        job_def_unref(d);
        return digest;
}

static void test_digest(void **state) {
        static const char *const more[] = {
                "PathExists=/b\n",       "Include=x\n",         "Exclude=x\n",
                "Events=move\n",         "Recursive=yes\n",     "SettleSec=1\n",
                "SettleMaxSec=1\n",      "Batch=each\n",        "TriggerLimitIntervalSec=1\n",
                "TriggerLimitBurst=1\n", "MakeDirectory=yes\n", "DirectoryMode=0700\n",
                "Backend=poll\n",        "PollSec=1\n",         "CrossMounts=yes\n",
        };
        uint64_t base = digest("PathChanged=/a\n", NULL);

        assert_true(base == digest("", "PathChanged=/a\n"));
        assert_true(base != digest("PathModified=/a\n", NULL));
        for (size_t i = 0; i < ELEMENTSOF(more); i++)
                assert_true(base != digest("PathChanged=/a\n", more[i]));
        assert_true(digest("Spool=/a\nSpoolDone=/b\n", NULL) != digest("Spool=/a\nSpoolFailed=/b\n", NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults),
                cmocka_unit_test(test_every_key),
                cmocka_unit_test(test_spool),
                cmocka_unit_test(test_clear),
                cmocka_unit_test(test_trigger_limits),
                cmocka_unit_test(test_good),
                cmocka_unit_test(test_bad),
                cmocka_unit_test(test_many_problems),
                cmocka_unit_test(test_templates),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_long_path),
                cmocka_unit_test(test_digest),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
