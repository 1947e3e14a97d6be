/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The screen of vaktctl top without a terminal: what stands where at several sizes, that nothing of a job drives the
 * terminal, that each line fits, when the text changes, and where the selection goes. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "ctl/progress.h"
#include "ctl/top-frame.h"

#define NOW (UINT64_C(1700000000) * USEC_PER_SEC)

static RunView run(uint64_t id, const char *job, const char *state, usec_t started, const char *status) {
        return (RunView){
                .id = id,
                .job = job,
                .state = state,
                .reason = streq(state, "running") ? "" : "waits for slots of pool disk",
                .requested = started,
                .started = started,
                .status_text = status,
        };
}

static void fill(TopModel *m) {
        RunView runs[] = {
                run(12, "backup", "running", NOW - 192 * USEC_PER_SEC, "42% of /srv"),
                run(13, "mirror\x1b[2J", "running", NOW - 5 * USEC_PER_SEC, "bad \x1b]0;title\a status"),
                run(14, "日本語ジョブ", "queued", NOW - 7 * USEC_PER_SEC, ""),
        };
        RunView failed = {
                .id = 9, .job = "report", .state = "done", .ended = NOW - 1800 * USEC_PER_SEC, .reason = "no such file"
        };
        JobRow jobs[30] = { 0 };
        char names[30][16];
        Rows rows = { .jobs = jobs, .n_items = 30 };
        const ValueView value = { .probe = "disk-free /var", .is_known = true };

        for (size_t i = 0; i < 30; i++) {
                (void)snprintf(names[i], sizeof(names[i]), "job-%02zu", 29 - i);
                jobs[i] = (JobRow){ .name = names[i],
                                    .description = "Does things",
                                    .state = "waiting",
                                    .next = NOW + (60 * (30 - i) + 30) * USEC_PER_SEC };
        }
        jobs[3].state = "paused";
        jobs[4].next = USEC_INFINITY;
        for (size_t i = 0; i < ELEMENTSOF(runs); i++)
                top_add_live(m, &runs[i]);
        top_add_failed(m, &failed, "exit 3");
        top_set_jobs(m, &rows);
        top_add_value(m, &value, "9.3% (1.2G)", "raised: full (limit 10%)");
        top_set_daemon(m, &(DaemonView){ .jobs = 30, .running = 2, .queued = 1 });
        m->has_pressure = true;
        top_settle(m);
}

/* The frame as text, without attributes at the ends of lines. */
static char *compose(const TopModel *m, size_t rows, size_t columns, usec_t *ret_changes) {
        const TopStyle style = { .rows = rows, .columns = columns, .utf8 = true };
        char *text = calloc(rows, columns * 4 + 32), *p = text;
        TopFrame f;

        assert_non_null(text);
        top_frame_compose(m, &style, NOW, &f);
        assert_int_equal(f.n, rows);
        for (size_t i = 0; i < f.n; i++) {
                const char *s = f.lines[i];
                char *begin = p;

                while (*s) {
                        if (*s == '\x1b') { /* only attributes */
                                assert_int_equal(s[1], '[');
                                s += 2 + strspn(s + 2, "0123456789;");
                                assert_int_equal(*s++, 'm');
                        } else {
                                assert_true((unsigned char)*s >= ' ');
                                *p++ = *s++;
                        }
                }
                *p = '\0';
                assert_true(text_width(begin) <= columns);
                while (p > begin && p[-1] == ' ')
                        p--;
                *p++ = '\n';
        }
        *p = '\0';
        if (ret_changes)
                *ret_changes = f.changes;
        top_frame_done(&f);
        return text;
}

static void test_standard(void **state) {
        _cleanup_(top_model_done) TopModel m = { 0 };
        _cleanup_free_ char *text = NULL;
        usec_t changes;

        fill(&m);
        text = compose(&m, 24, 80, &changes);
        assert_string_equal(text, "vaktd: 30 jobs, 2 running, 1 queued, 1 paused; pressure: cpu 0%, io 0%, memory …\n"
                                  "RUNNING (2)\n"
                                  "> backup              12  3min 12s    ████░░░░░░  42%  42% of /srv\n"
                                  "  mirror\\x1B[2J       13  5s          bad \\x1B]0;title\\x07 status\n"
                                  "QUEUED (1)\n"
                                  "  日本語ジョブ        14  7s          queued  waits for slots of pool disk\n"
                                  "RECENT FAILURES (1)\n"
                                  "  report               9  exit 3, 30min ago  no such file\n"
                                  "NEXT (12 of 29)\n"
                                  "  job-00          in 1min 30s        Does things\n"
                                  "  job-01          in 2min 30s        Does things\n"
                                  "  job-02          in 3min 30s        Does things\n"
                                  "  job-03          in 4min 30s        Does things\n"
                                  "  job-04          in 5min            Does things\n"
                                  "  job-05          in 6min            Does things\n"
                                  "  job-06          in 7min            Does things\n"
                                  "  job-07          in 8min            Does things\n"
                                  "  job-08          in 9min            Does things\n"
                                  "  job-09          in 10min           Does things\n"
                                  "  job-10          in 11min           Does things\n"
                                  "  job-11          in 12min           Does things\n"
                                  "CONDITIONS (1)\n"
                                  " !disk-free /var  9.3% (1.2G)  raised: full (limit 10%)\n"
                                  "q quit  r run  c cancel  p pause/resume  f follow  w why  up/down select\n");
        assert_int_equal(changes, NOW + USEC_PER_SEC);
}

static void test_small(void **state) {
        _cleanup_(top_model_done) TopModel m = { 0 };
        _cleanup_free_ char *text = NULL, *other = NULL;

        fill(&m);
        text = compose(&m, 10, 40, NULL);
        assert_string_equal(text, "vaktd: 30 jobs, 2 running, 1 queued, 1 …\n"
                                  "RUNNING (1 of 2)\n"
                                  "> backup             12  3min 12s    ██…\n"
                                  "QUEUED (1)\n"
                                  "  日本語ジョブ       14  7s          qu…\n"
                                  "RECENT FAILURES (1)\n"
                                  "  report              9  exit 3, 30min …\n"
                                  "NEXT (1 of 29)\n"
                                  "  job-00         in 1min 30s        Doe…\n"
                                  "q quit  r run  c cancel  p pause/resume…\n");
        /* A section without room gets it when its row is selected. */
        top_move(&m, 1000);
        assert_int_equal(m.section, TOP_VALUES);
        other = compose(&m, 10, 40, NULL);
        assert_non_null(strstr(other, "CONDITIONS (1)\n>!disk-free /v…  9.3% (1.2G)  raised: f…\n"));
}

static void test_large(void **state) {
        _cleanup_(top_model_done) TopModel m = { 0 };
        _cleanup_free_ char *text = NULL;

        fill(&m);
        text = compose(&m, 50, 200, NULL);
        assert_non_null(strstr(text, "pressure: cpu 0%, io 0%, memory 0%\n"));
        assert_non_null(strstr(text, "████████░░░░░░░░░░░░  42%  42% of /srv\n"));
        assert_non_null(strstr(text, "NEXT (29)\n"));
        assert_non_null(strstr(text, "job-29"));
}

/* All sizes, also those that no terminal has: compose() checks the lines. */
static void test_sizes(void **state) {
        _cleanup_(top_model_done) TopModel m = { 0 };
        const Rows why = { .pairs = (PropertyPair[]){ { "state",
                                                        "It waits for something that is described at length "
                                                        "in words of which one is averyveryverylongone日本語" },
                                                      { 0 } },
                           .n_items = 1 };

        fill(&m);
        for (size_t pane = 0; pane < 2; pane++) {
                for (size_t rows = 2; rows < 30; rows++)
                        for (size_t columns = 1; columns < 90; columns += 3)
                                free(compose(&m, rows, columns, NULL));
                top_open_pane(&m, "backup", &why);
        }
}

static void test_pane(void **state) {
        _cleanup_(top_model_done) TopModel m = { 0 };
        _cleanup_free_ char *text = NULL, *scrolled = NULL;
        const Rows why = { .pairs = (PropertyPair[]){ { "state", "It waits for a slot of the pool disk." },
                                                      { "queue", "It is the first one." },
                                                      { 0 } },
                           .n_items = 2 };

        top_open_pane(&m, "backup", &why);
        text = compose(&m, 6, 30, NULL);
        assert_string_equal(text, "Why: job backup\n"
                                  "state: It waits for a slot of\n"
                                  "       the pool disk.\n"
                                  "queue: It is the first one.\n"
                                  "\n"
                                  "q back  up/down scroll\n");
        top_move(&m, 5);
        scrolled = compose(&m, 6, 30, NULL);
        assert_null(strstr(scrolled, "state"));
        assert_non_null(strstr(scrolled, "queue: It is the first one.\n"));
}

static void test_last_line(void **state) {
        _cleanup_(top_model_done) TopModel m = { 0 };
        char *text;

        top_say(&m.message, "Run %d was \x1b[2J.", 3);
        text = compose(&m, 3, 80, NULL);
        assert_non_null(strstr(text, "\nRun 3 was \\x1B[2J.\n"));
        free(text);
        top_say(&m.question, "Run job backup now?");
        text = compose(&m, 3, 80, NULL);
        assert_non_null(strstr(text, "\nRun job backup now? [y/N]\n"));
        free(text);
        m.lost = NOW - 12 * USEC_PER_SEC;
        text = compose(&m, 3, 80, NULL);
        assert_non_null(strstr(text, "\nNo connection for 12s, trying again. Run 3"));
        free(text);
}

/* A screen that counts nothing is never out of date, and one that counts minutes is so at the next minute. */
static void test_changes(void **state) {
        static const struct {
                int line;
                usec_t next, changes;
        } table[] = {
                { __LINE__, 0, USEC_INFINITY },
                { __LINE__, NOW + 4 * USEC_PER_SEC, NOW + USEC_PER_SEC },
                { __LINE__, NOW + 10 * USEC_PER_MINUTE + 20 * USEC_PER_SEC, NOW + 21 * USEC_PER_SEC },
                { __LINE__, NOW + 3 * USEC_PER_DAY + 90 * USEC_PER_SEC, NOW + 91 * USEC_PER_SEC },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_(top_model_done) TopModel m = { 0 };
                JobRow job = { .name = "a", .description = "", .state = "waiting", .next = table[i].next };
                _cleanup_free_ char *text = NULL;
                usec_t changes;

                job.skip = 1;
                top_set_jobs(&m, &(Rows){ .jobs = &job, .n_items = 1 });
                text = compose(&m, 24, 80, &changes);
                assert_true((strstr(text, "(skipped)") != NULL) == (job.next != 0));
                job.skip = 0;
                top_set_jobs(&m, &(Rows){ .jobs = &job, .n_items = 1 });
                free(compose(&m, 24, 80, &changes));
                if (changes != table[i].changes)
                        fail_msg("line %d: %" PRIu64, table[i].line, changes);
                m.has_pressure = true;
                m.pressure[1] = 3;
                free(compose(&m, 24, 80, &changes));
                assert_true(changes <= NOW + 2 * USEC_PER_SEC);
        }
}

/* The selection stays with its row; when that is gone, somewhere near. */
static void test_selection(void **state) {
        _cleanup_(top_model_done) TopModel m = { 0 };
        RunView a = run(1, "a", "running", NOW, ""), b = run(2, "b", "running", NOW, ""),
                c = run(3, "c", "queued", NOW, "");

        assert_null(top_selected(&m));
        top_move(&m, 1);
        top_add_live(&m, &a);
        top_add_live(&m, &b);
        top_add_live(&m, &c);
        top_settle(&m);
        assert_string_equal(top_selected(&m)->name, "a");
        top_move(&m, 1);
        assert_string_equal(top_selected(&m)->name, "b");
        top_clear(&m, TOP_RUNNING);
        top_add_live(&m, &b);
        top_settle(&m);
        assert_string_equal(top_selected(&m)->name, "b");
        top_clear(&m, TOP_RUNNING);
        top_settle(&m);
        assert_string_equal(top_selected(&m)->name, "c");
        top_move(&m, -1);
        assert_string_equal(top_selected(&m)->name, "c");
        top_clear(&m, TOP_QUEUED);
        top_settle(&m);
        assert_null(top_selected(&m));
}

static void test_progress(void **state) {
        static const struct {
                int line;
                const char *status;
                int percent;
        } table[] = {
                { __LINE__, "", -1 },
                { __LINE__, "42% of it", 42 },
                { __LINE__, "Copied 7.5 % of 12 files", 7 },
                { __LINE__, "12 files, 100%", 100 },
                { __LINE__, "99999999999999999999%", 100 },
                { __LINE__, "%", -1 },
                { __LINE__, "12 files", -1 },
                { __LINE__, "0%", 0 },
                { __LINE__, "3/10", 30 },
                { __LINE__, "file 3/10: 42% of it", 42 },
                { __LINE__, "[999/1000] linking", 99 },
                { __LINE__, "on 12/10/2026", -1 },
                { __LINE__, "reading /srv/3/10", -1 },
                { __LINE__, "12/10 and then 1/2.", 50 },
                { __LINE__, "0/0", -1 },
                { __LINE__, "1/9999999999", -1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (progress_parse(table[i].status) != table[i].percent)
                        fail_msg("line %d: %d", table[i].line, progress_parse(table[i].status));
        for (int percent = 0; percent <= 100; percent++) {
                _cleanup_free_ char *bar = progress_bar(percent, 10, /* blocks= */ false);

                assert_int_equal(strspn(bar, "#"), percent / 10);
                assert_int_equal(strlen(bar), 10);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_standard), cmocka_unit_test(test_small),     cmocka_unit_test(test_large),
                cmocka_unit_test(test_sizes),    cmocka_unit_test(test_pane),      cmocka_unit_test(test_last_line),
                cmocka_unit_test(test_changes),  cmocka_unit_test(test_selection), cmocka_unit_test(test_progress),
        };

        (void)text_init_locale();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
