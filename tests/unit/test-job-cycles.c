/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Jobs that request each other in a cycle: who is told, at which line, and what stays in force. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
#include <ftw.h>
#include <sys/stat.h>

#include "bad-jobs.h"
#include "config/job-cycles.h"
#include "config/job-loader.h"
#include "util/file.h"

#define RUN   "[Run]\nExec=x\n"
#define LATER (INT64_MAX / 2)

static char root[] = "/tmp/vakt-cycles-XXXXXX";
static JobLoader *loader;

static void put(const char *name, const char *content) {
        char path[PATH_MAX], directory[PATH_MAX];

        (void)snprintf(path, sizeof(path), "%s/%s", root, name);
        (void)snprintf(directory, sizeof(directory), "%.*s", (int)(strrchr(path, '/') - path), path);
        assert_int_equal(make_directories(directory, 0755), 0);
        bad_job_write(path, content, strlen(content));
}

static int setup(void **state) {
        char *dirs[] = { root, NULL };

        strcpy(root + strlen(root) - 6, "XXXXXX");
        assert_non_null(mkdtemp(root));
        return job_loader_new(&loader, dirs, getuid(), NULL, LOADER_FOR_ANY, NULL);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        return remove(path);
}

static int teardown(void **state) {
        loader = job_loader_free(loader);
        return nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Loads, and compares the problems ("FILE:LINE: " and the message up to a ".", a line each) and the jobs: each with
 * its first request, "-" when it has none, "?" when there is no definition. */
static void load(const char *problems, const char *jobs) {
        char shown[4096] = "", *p = shown;
        const Diagnostics *d;
        const LoadedJob *j;
        size_t n;

        assert_int_equal(job_loader_load_at(loader, LATER, LOADER_JOBS_MAX), 0);
        d = job_loader_diagnostics(loader);
        for (size_t i = 0; i < d->n_items; i++)
                p += sprintf(p, "%s:%u: %.*s\n", d->items[i].file + strlen(root) + 1, d->items[i].line,
                             (int)strcspn(d->items[i].message, "."), d->items[i].message);
        assert_string_equal(shown, problems);
        p = shown;
        *p = '\0';
        j = job_loader_jobs(loader, &n);
        for (size_t i = 0; i < n; i++)
                p += sprintf(p, "%s%s:%s", i > 0 ? " " : "", j[i].name,
                             !j[i].def                    ? "?"
                             : j[i].def->rare->on_failure ? j[i].def->rare->on_failure[0]
                                                          : "-");
        assert_string_equal(shown, jobs);
}

#define CYCLE "The jobs request each other in a cycle: "

static void test_new(void **state) {
        put("a.job", "[Job]\n\nOnFailure=other b\n" RUN);
        put("b.job", RUN "[Job]\nOnFailure=nobody c\n");
        put("c.job", "[Job]\nOnFailure=a\n" RUN);
        put("d.job", "[Job]\nOnFailure=a\n" RUN);
        put("e.job", RUN);
        load("a.job:3: " CYCLE "a -> b -> c -> a\n"
             "b.job:4: " CYCLE "b -> c -> a -> b\n"
             "c.job:2: " CYCLE "c -> a -> b -> c\n",
             "a:? b:? c:? d:a e:-");
        /* The others are well again when one is mended, though nobody touched them. */
        put("b.job", RUN);
        load("", "a:other b:- c:a d:a e:-");
}

/* OnSuccess= and OnAlarm= close cycles as well, and the line is that of the request, in a drop-in too. */
static void test_keys(void **state) {
        put("a.job", "[Job]\nOnSuccess=x b\n" RUN);
        put("b.job", RUN);
        put("b.job.d/1.conf", "[Job]\nOnAlarm=x\nOnAlarm=a\n");
        load("a.job:2: " CYCLE "a -> b -> a\n"
             "b.job.d/1.conf:3: " CYCLE "b -> a -> b\n",
             "a:? b:?");
        put("b.job.d/1.conf", "[Job]\nOnAlarm=a\nOnAlarm=\n");
        load("", "a:- b:-");
}

/* Only what was changed is at problem, and goes back to what it was. */
static void test_changed(void **state) {
        put("a.job", "[Job]\nOnFailure=x\n" RUN);
        put("b.job", "[Job]\nOnFailure=a\n" RUN);
        load("", "a:x b:a");
        put("a.job", "[Job]\nOnFailure=b\n" RUN);
        put("b.job", "# the same\n[Job]\nOnFailure=a\n" RUN);
        load("a.job:2: " CYCLE "a -> b -> a\n", "a:x b:a");
        load("a.job:2: " CYCLE "a -> b -> a\n", "a:x b:a");
        put("b.job", "[Job]\nOnFailure=c\n" RUN);
        load("", "a:b b:c");
}

/* What a file goes back to may be at odds with what is new elsewhere. */
static void test_going_back(void **state) {
        put("a.job", "[Job]\nOnFailure=b\n" RUN);
        put("b.job", RUN);
        put("c.job", RUN);
        load("", "a:b b:- c:-");
        put("a.job", "[Job]\nOnFailure=c\n" RUN);
        put("b.job", "[Job]\nOnFailure=a\n" RUN);
        put("c.job", "[Job]\nOnFailure=a\n" RUN);
        load("a.job:2: " CYCLE "a -> c -> a\n"
             "b.job:2: " CYCLE "b -> a -> b\n"
             "c.job:2: " CYCLE "c -> a -> c\n",
             "a:b b:- c:-");
}

static void test_self(void **state) {
        put("a.job", "[Job]\nOnFailure=b\nOnAlarm=a\n" RUN);
        load("a.job:3: OnAlarm=: The job requests itself\n", "a:?");
        put("a.job", RUN);
        put("t@.job", "[Job]\nOnFailure=t@%i\n" RUN);
        load("t@.job:2: The job requests itself\n", "a:-");
        put("t@.job", "[Job]\nOnFailure=t@other\n" RUN);
        load("t@.job:2: The job requests itself\n", "a:-");
}

/* An instance without a file of its own is its template. */
static void test_templates(void **state) {
        JobDef *def = NULL;

        put("a.job", "[Job]\nOnFailure=t@1\n" RUN);
        put("t@.job", "[Job]\nOnFailure=%i b\n" RUN);
        put("b.job", "[Job]\nOnFailure=c\n" RUN);
        load("", "a:t@1 b:c");
        put("t@.job", "[Job]\n\nOnFailure=a\n" RUN);
        load("t@.job:3: " CYCLE "t@ -> a -> t@\n", "a:t@1 b:c");
        /* instances are still made of the earlier version */
        assert_int_equal(job_loader_instantiate(loader, "t@x", &def, NULL), 0);
        assert_string_equal(def->rare->on_failure[1], "b");
        job_def_unref(def);
        /* one that has a file is itself */
        put("t@1.job", RUN);
        load("", "a:t@1 b:c t@1:-");
}

static void test_masked(void **state) {
        put("a.job", "[Job]\nOnFailure=b\n" RUN);
        put("b.job", "");
        load("", "a:b");
        put("b.job", "[Job]\nOnFailure=a\n" RUN);
        load("b.job:2: " CYCLE "b -> a -> b\n", "a:b b:?");
        put("b.job", "");
        load("", "a:b");
}

/* --- many --- */

static Entry *make_entry(unsigned i, unsigned n_chains, const unsigned *targets) {
        Entry *e = calloc(1, sizeof(*e) + 16);

        assert_non_null(e);
        e->rare = calloc(1, sizeof(EntryRare));
        assert_non_null(e->rare);
        (void)sprintf(e->name, "j%06u", i);
        e->changed = true;
        e->rare->chains.items = calloc(n_chains, sizeof(Chain));
        for (; e->rare->chains.n_items < n_chains; e->rare->chains.n_items++) {
                Chain *c = &e->rare->chains.items[e->rare->chains.n_items];

                *c = (Chain){ .file = strdup("f"), .line = 1, .validated = true };
                assert_true(asprintf(&c->target, "j%06u", targets[e->rare->chains.n_items]) > 0);
        }
        return e;
}

static const Entry *no_old(const void *userdata, const char *name) {
        return NULL;
}

/* n jobs in one ring, each of which requests some others of it as well. */
static void check_ring(unsigned n, unsigned width) {
        Entry **entries = calloc(n, sizeof(Entry *));

        for (unsigned i = 0; i < n; i++) {
                unsigned targets[8];

                for (unsigned k = 0; k < width; k++)
                        targets[k] = (i + 1 + k * 7919) % n;
                entries[i] = make_entry(i, width, targets);
        }
        assert_int_equal(cycles_break(entries, n, no_old, NULL), 0);
        for (unsigned i = 0; i < n; i++) {
                assert_int_equal(entries[i]->rare->problems.n_items, 1);
                assert_true(strlen(entries[i]->rare->problems.items[0].message) < 300);
                job_entry_free(entries[i]);
        }
        free(entries);
}

static void test_many(void **state) {
        Entry **entries;
        unsigned n = 20000;

        check_ring(n, 1);
        check_ring(n, 8);
        /* a chain as long is no cycle, and needs no stack */
        entries = calloc(n, sizeof(Entry *));
        for (unsigned i = 0; i < n; i++)
                entries[i] = make_entry(i, 1, &(unsigned){ i + 1 });
        assert_int_equal(cycles_break(entries, n, no_old, NULL), 0);
        for (unsigned i = 0; i < n; i++) {
                assert_int_equal(entries[i]->rare->problems.n_items, 0);
                job_entry_free(entries[i]);
        }
        free(entries);
}

static void test_long_message(void **state) {
        char name[16], text[64];

        for (unsigned i = 0; i < 12; i++) {
                (void)snprintf(name, sizeof(name), "j%02u.job", i);
                (void)snprintf(text, sizeof(text), "[Job]\nOnFailure=j%02u\n%s", (i + 1) % 12, RUN);
                put(name, text);
        }
        assert_int_equal(job_loader_load_at(loader, LATER, LOADER_JOBS_MAX), 0);
        assert_string_equal(job_loader_diagnostics(loader)->items[3].message,
                            CYCLE "j03 -> j04 -> j05 -> j06 -> j07 -> j08 -> j09 -> j10 -> ... -> j02 -> j03. Remove "
                                  "one of the requests.");
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_new),          TEST(test_keys),      TEST(test_changed), TEST(test_going_back),
                TEST(test_self),         TEST(test_templates), TEST(test_masked),  cmocka_unit_test(test_many),
                TEST(test_long_message),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
