/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Section [Monitor], WaitFor= and WaitMaxSec=: every key with its default, what is told of bad values and where, and
 * what follows for the whole section. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "config/job-file.h"
#include "util/strv.h"

#define RUN "[Run]\nExec=/bin/true\n"

/* Builds a job whose file is [Run] and then this text, from line 3 on, with a drop-in. */
static int build(const char *name, const char *text, const char *dropin, Diagnostics *d, JobDef **ret) {
        JobFileContext context = { .host = "vaktmester" };
        JobText texts[2] = { { .path = (char *)"/j/a.job" }, { .path = (char *)"/j/b.conf" } };
        int r;

        assert_true(asprintf(&texts[0].bytes, RUN "%s", text) > 0);
        texts[1].bytes = strdup(dropin ?: "");
        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                texts[i].n = strlen(texts[i].bytes);
        if (name[strlen(name) - 1] == '@')
                r = job_file_check_template(name, &context, texts, dropin ? 2 : 1, d);
        else
                r = job_file_build(name, &context, texts, dropin ? 2 : 1, d, ret);
        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                free(texts[i].bytes);
        return r;
}

static JobDef *build_good(const char *text, const char *dropin) {
        Diagnostics d = {};
        JobDef *def = NULL;

        if (build("disk@srv", text, dropin, &d, &def) < 0)
                fail_msg("%s:%u: %s", d.items[0].file, d.items[0].line, d.items[0].message);
        assert_int_equal(d.n_items, 0);
        return def;
}

static void assert_condition(const Condition *c, const char *expected) {
        _cleanup_free_ char *text = NULL;

        assert_non_null(c);
        assert_int_equal(condition_format(c, &text), 0);
        assert_string_equal(text, expected);
}

static void test_defaults(void **state) {
        JobDef *d = build_good("", NULL);

        assert_null(d->rare->monitor.when);
        assert_null(d->rare->monitor.clear);
        assert_null(d->rare->wait_for);
        assert_true(d->rare->wait_max == USEC_INFINITY);
        job_def_unref(d);

        d = build_good("[Monitor]\nWhen=online or ac-power\n", NULL);
        assert_condition(d->rare->monitor.when, "online or ac-power");
        assert_condition(d->rare->monitor.clear, "not (online or ac-power)");
        assert_true(d->rare->monitor.for_usec == 0);
        assert_true(d->rare->monitor.clear_for == USEC_PER_MINUTE);
        assert_true(d->rare->monitor.every == 0);
        assert_true(d->rare->monitor.sample_max == 30 * USEC_PER_SEC);
        assert_null(d->rare->monitor.on_clear);
        job_def_unref(d);
}

static void test_every_key(void **state) {
        JobDef *d = build_good("[Monitor]\n"
                               "When=disk-free /%i < 10%\n"
                               "When=load1 < 8 or disk-free /%i<5%%\n"
                               "ForSec=1min\n"
                               "Clear=disk-free /%i > 15%\n"
                               "Clear=online\n"
                               "ClearForSec=5min\n"
                               "EverySec=1h\n"
                               "SampleSec=5s\n"
                               "OnClear=fine other@%i\n"
                               "[Run]\n"
                               "WaitFor=ac-power and load1 < 2\n"
                               "WaitFor=job %j is running or disk-free / > 1%\n"
                               "WaitMaxSec=6h\n",
                               NULL);

        assert_condition(d->rare->monitor.when, "disk-free /srv < 10% and (load1 < 8 or disk-free /srv < 5%)");
        assert_condition(d->rare->monitor.clear, "disk-free /srv > 15% and online");
        assert_true(d->rare->monitor.for_usec == USEC_PER_MINUTE);
        assert_true(d->rare->monitor.clear_for == 5 * USEC_PER_MINUTE);
        assert_true(d->rare->monitor.every == USEC_PER_HOUR);
        assert_true(d->rare->monitor.sample_max == 5 * USEC_PER_SEC);
        assert_int_equal(strv_length(d->rare->monitor.on_clear), 2);
        assert_string_equal(d->rare->monitor.on_clear[1], "other@srv");
        assert_condition(d->rare->wait_for,
                         "ac-power and load1 < 2 and (job disk@srv is running or disk-free / > 1%)");
        assert_true(d->rare->wait_max == 6 * USEC_PER_HOUR);
        job_def_unref(d);
}

static void test_dropin(void **state) {
        JobDef *d = build_good(
                "[Monitor]\nWhen=online\nForSec=1min\nEverySec=1h\nClearForSec=0\nClear=ac-power\nOnClear=x\n"
                "SampleSec=1s\n[Run]\nWaitFor=online\nWaitMaxSec=1s\n",
                "[Monitor]\nWhen=\nWhen=load1 > 8\nForSec=\nEverySec=\nClearForSec=\nClear=\nOnClear=\n"
                "SampleSec=\n[Run]\nWaitFor=\nWaitMaxSec=\n");

        assert_condition(d->rare->monitor.when, "load1 > 8");
        assert_condition(d->rare->monitor.clear, "not load1 > 8");
        assert_true(d->rare->monitor.for_usec == 0 && d->rare->monitor.every == 0);
        assert_true(d->rare->monitor.clear_for == USEC_PER_MINUTE);
        assert_true(d->rare->monitor.sample_max == 30 * USEC_PER_SEC);
        assert_null(d->rare->monitor.on_clear);
        assert_null(d->rare->wait_for);
        assert_true(d->rare->wait_max == USEC_INFINITY);
        job_def_unref(d);

        d = build_good("[Monitor]\nWhen=online\nForSec=1min\n", "[Monitor]\nWhen=\n");
        assert_null(d->rare->monitor.when);
        job_def_unref(d);

        d = build_good("[Monitor]\nWhen=online\nEverySec=1h\n", "[Monitor]\nEverySec=infinity\n");
        assert_true(d->rare->monitor.every == 0);
        job_def_unref(d);

        d = build_good("[Monitor]\nWhen=online\nEverySec=1h\n", "[Monitor]\nEverySec=0\n");
        assert_true(d->rare->monitor.every == 0);
        job_def_unref(d);
}

#define FOUR_TESTS  "load1 < 1 and load1 < 1 and load1 < 1 and load1 < 1"
#define EIGHT_TESTS FOUR_TESTS " and " FOUR_TESTS
#define HALF        EIGHT_TESTS " and " EIGHT_TESTS " and " EIGHT_TESTS " and " EIGHT_TESTS

static const struct {
        int line;
        const char *text, *dropin, *problem; /* with the place before it */
} rows[] = {
        { __LINE__, "[Monitor]\nWhen=disk-fre /var < 10%\n", NULL,
          "/j/a.job:4: When= is not a valid condition: column 1: \"disk-fre\" is not a condition. Did you mean "
          "\"disk-free\"?" },
        { __LINE__, "[Monitor]\nWhen=online and \\\n  lod1 < 10%\n", NULL,
          "/j/a.job:4: When= is not a valid condition: column 13: \"lod1\" is not a condition. Did you mean "
          "\"load1\"?" },
        { __LINE__, "[Monitor]\nWhen=file-exists /%i%j and online or\n", NULL,
          "/j/a.job:4: When= is not a valid condition: column 32: A condition is missing." },
        { __LINE__, "[Monitor]\nWhen=file-exists /%i%j and laod1 < 10\n", NULL,
          "/j/a.job:4: When= is not a valid condition: column 23: \"laod1\"" },
        { __LINE__, "[Monitor]\nWhen=disk-free /x% < 1\n", NULL, "/j/a.job:4: %  is not a specifier" },
        { __LINE__, "[Run]\nWaitFor=online", "[Run]\nWaitFor=onlin\n",
          "/j/b.conf:2: WaitFor= is not a valid condition: column 1: \"onlin\" is not a condition. Did you mean" },
        { __LINE__, "[Run]\nWaitFor=online or job a@ is failed\n", NULL,
          "/j/a.job:4: WaitFor= is not a valid condition: column 11: \"a@\" is not a valid name of a job." },
        { __LINE__, "[Run]\nWaitFor=job ../a is failed\n", NULL,
          "/j/a.job:4: WaitFor= is not a valid condition: column 1: \"../a\" is not a valid name of a job." },
        { __LINE__, "[Monitor]\nForSec=1min\n[Timer]\nOnInterval=1h\n", NULL,
          "/j/a.job:4: Section [Monitor] has no condition. Write When=, for example When=disk-free /var < 10%." },
        { __LINE__, "[Monitor]\nClear=online\n", NULL, "/j/a.job:4: Section [Monitor] has no condition." },
        { __LINE__, "[Monitor]\nOnClear=b\n", NULL, "/j/a.job:4: Section [Monitor] has no condition." },
        { __LINE__, "[Monitor]\nSampleSec=5\n", NULL, "/j/a.job:4: Section [Monitor] has no condition." },
        { __LINE__, "", "[Monitor]\nEverySec=1h\n", "/j/b.conf:2: Section [Monitor] has no condition." },
        { __LINE__, "[Run]\nExec=\n[Monitor]\nWhen=online\n", NULL, "/j/a.job:6: The job has nothing to run." },
        { __LINE__, "[Monitor]\nWhen=online\nEverySec=999ms\n", NULL, "/j/a.job:5: EverySec=999ms is shorter than a" },
        { __LINE__, "[Monitor]\nWhen=online\nSampleSec=999ms\n", NULL,
          "/j/a.job:5: SampleSec=999ms is shorter than 1s" },
        { __LINE__, "[Monitor]\nWhen=online\nSampleSec=infinity\n", NULL,
          "/j/a.job:5: SampleSec=infinity is not finite" },
        { __LINE__, "[Monitor]\nWhen=online\nForSec=infinity\n", NULL, "/j/a.job:5: ForSec=infinity is not finite" },
        { __LINE__, "[Monitor]\nWhen=online\nClearForSec=infinity\n", NULL,
          "/j/a.job:5: ClearForSec=infinity is not finite" },
        { __LINE__, "[Monitor]\nWhen=online\nOnClear=disk@srv\n", NULL,
          "/j/a.job:5: OnClear=: The job requests itself." },
        { __LINE__, "[Run]\nWaitMaxSec=long\n", NULL, "/j/a.job:4: WaitMaxSec=long is not a time span." },
        { __LINE__, "[Run]\nWaitFor=" HALF "\nWaitFor=" HALF "\nWaitFor=online\n", NULL,
          "/j/a.job:6: The lines of WaitFor= are too many for one condition" },
};

static void test_problems(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char shown[1024] = "";
                Diagnostics d = {};
                JobDef *def = NULL;
                int r = build("disk@srv", rows[i].text, rows[i].dropin, &d, &def);

                if (d.n_items > 0)
                        (void)snprintf(shown, sizeof(shown), "%s:%u: %s", d.items[0].file, d.items[0].line,
                                       d.items[0].message);
                if (r != -EINVAL || d.n_items != 1 || def || !startswith(shown, rows[i].problem))
                        fail_msg("row of line %d: %d, %zu, %s", rows[i].line, r, d.n_items, shown);
                diagnostics_done(&d);
        }
}

/* The negation is one deeper than a condition may be, unless Clear= is written. */
static void test_deepest(void **state) {
        char text[4096] = "[Monitor]\nWhen=", *p = text + strlen(text);
        Diagnostics d = {};
        JobDef *def = NULL;

        for (size_t i = 0; i < CONDITION_DEPTH_MAX / 2; i++)
                p = stpcpy(p, "not (online and ");
        p = stpcpy(p, "ac-power");
        for (size_t i = 0; i < CONDITION_DEPTH_MAX / 2; i++)
                p = stpcpy(p, ")");
        p = stpcpy(p, " and online\n");
        assert_int_equal(build("a", text, NULL, &d, &def), -EINVAL);
        assert_string_equal(d.items[0].message, "The condition of When= is too large to be negated. Write Clear=.");
        diagnostics_done(&d);
        (void)stpcpy(p, "Clear=online\n");
        assert_int_equal(build("a", text, NULL, &d, &def), 0);
        job_def_unref(def);
}

static const struct {
        int line;
        const char *text, *problem; /* NULL: a good template */
} template_rows[] = {
        { __LINE__, "[Monitor]\nWhen=disk-free /%i < 10%\n", NULL },
        { __LINE__, "[Monitor]\nWhen=%i\n", NULL },
        { __LINE__, "[Monitor]\nWhen=%i\nClear=%i\n", NULL },
        { __LINE__, "[Monitor]\nWhen=load1 < %i%\n", "ends in a single %" },
        { __LINE__, "[Monitor]\nWhen=onlin\n", "\"onlin\" is not a condition" },
        { __LINE__, "[Monitor]\nForSec=%i\n", "Section [Monitor] has no condition." },
};

static void test_templates(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(template_rows); i++) {
                const char *problem = template_rows[i].problem;
                Diagnostics d = {};
                JobDef *def = NULL;
                int r = build("disk@", template_rows[i].text, NULL, &d, &def);

                if (r != (problem ? -EINVAL : 0) || d.n_items != !!problem ||
                    (problem && !strstr(d.items[0].message, problem)))
                        fail_msg("row of line %d: %d, %zu, %s", template_rows[i].line, r, d.n_items,
                                 d.n_items > 0 ? d.items[0].message : "");
                diagnostics_done(&d);
        }
}

static uint64_t digest(const char *text) {
        JobDef *d = build_good(text, NULL);
        uint64_t digest = d->digest;

        job_def_unref(d);
        return digest;
}

static void test_digest(void **state) {
        uint64_t base = digest("[Monitor]\nWhen=online\n[Run]\nWaitFor=ac-power\n");

        assert_true(base == digest("[Monitor]\nWhen = online\n[Run]\nWaitFor=ac-power\n"));
        assert_true(base != digest("[Monitor]\nWhen=not online\n[Run]\nWaitFor=ac-power\n"));
        assert_true(base != digest("[Monitor]\nWhen=online\n[Run]\nWaitFor=not ac-power\n"));
        assert_true(base != digest("[Monitor]\nWhen=online\nForSec=1\n[Run]\nWaitFor=ac-power\n"));
        assert_true(base != digest("[Monitor]\nWhen=online\n[Run]\nWaitFor=ac-power\nWaitMaxSec=1\n"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults), cmocka_unit_test(test_every_key), cmocka_unit_test(test_dropin),
                cmocka_unit_test(test_problems), cmocka_unit_test(test_deepest),   cmocka_unit_test(test_templates),
                cmocka_unit_test(test_digest),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
