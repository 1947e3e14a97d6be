/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The kill at every write. A small daemon's life (runs, stamps and alarms turn by turn, pruning, moving the log, an
 * orderly end) is run under strace, which kills it before its Nth call of one kind, for N = 1, 2, 3, … until it
 * survives, in one and the same directory. It tells of every id that it was given, and of every turn that was
 * committed. After each death the ledger must be whole, hold every committed turn, hold no half turn (a stamp without
 * its run, an end without what followed from it, a run that goes on without the files that it was given), and give out
 * no id again. The same with a database of version 1 to begin with.
 */

#include "test-ledger.h"

#include <limits.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "ledger/ledger-internal.h"
#include "test-ledger-version-1.h"
#include "torn-write.h"

#define TURNS 3

typedef struct Word {
        enum { GIVEN, COMMITTED, ENDED } what;
        uint64_t id;
} Word;

/* --- the daemon --- */

static const int tell_fd = STDIN_FILENO;
static char program[PATH_MAX]; /* this one */

static void tell(int what, uint64_t id) {
        Word w = { .what = what, .id = id };

        if (send(tell_fd, &w, sizeof(w), MSG_NOSIGNAL) != sizeof(w))
                _exit(3);
}

/* The history is what the test looks at; "pruned" is there to be deleted. */
static void keep_all_of_kept(const char *job, unsigned *keep, usec_t *keep_usec, void *userdata) {
        if (!streq(job, "pruned"))
                *keep = LEDGER_KEEP_ALL;
}

static bool may_fail;

static void commit(Ledger *l) {
        if (ledger_commit(l) < 0 && !may_fail)
                _exit(4);
}

static int set_kept_alarm(Ledger *l, const char *key, usec_t since, uint64_t run) {
        LedgerAlarm a = { "kept", key, since, since, run, "A message." };

        return ledger_set_alarm(l, &a);
}

#define BATCH_BYTES 6000 /* some pages */

static void make_batch(uint64_t run, char bytes[static BATCH_BYTES]) {
        for (size_t i = 0; i < BATCH_BYTES; i++)
                bytes[i] = (char)(run + i / 1000);
}

/* The files that a run is given, and what the watch has seen by then. */
static int put_batch(Ledger *l, uint64_t run) {
        char bytes[BATCH_BYTES];
        int r;

        make_batch(run, bytes);
        r = ledger_put(l, "kept", "batch", run, bytes, sizeof(bytes));
        return r < 0 ? r : ledger_put(l, "kept", "seen", 0, &run, sizeof(run));
}

/* An occurrence: its stamp, its run, what that is given, and that it is under way. */
static void begin_a_run(Ledger *l, RunRecord *r) {
        if (ledger_add(l, r) < 0 || ledger_set_stamp(l, "kept", "k", r->scheduled) < 0 ||
            set_kept_alarm(l, "under way", 1, r->id) < 0 || put_batch(l, r->id) < 0)
                _exit(5);
        tell(GIVEN, r->id);
        commit(l);
        tell(COMMITTED, r->id);
}

/* Its end, in a turn of its own, with all that follows from it. */
static void end_a_run(Ledger *l, RunRecord *r) {
        RunRecord follower = { .job = "follower", .state = RUN_QUEUED, .parent = r->id };
        RunRecord pruned = { .job = "pruned", .state = RUN_DONE };

        r->state = RUN_DONE;
        r->result = RUN_RESULT_EXIT;
        if (ledger_update(l, r) < 0 || set_kept_alarm(l, "under way", 0, r->id) < 0 ||
            set_kept_alarm(l, "failed", 1, r->id) < 0 || ledger_add(l, &follower) < 0 || ledger_add(l, &pruned) < 0 ||
            ledger_put(l, "kept", "batch", r->id, NULL, 0) < 0)
                _exit(5);
        tell(GIVEN, pruned.id);
        commit(l);
        tell(ENDED, r->id);
}

static void live_a_turn(Ledger *l) {
        RunRecord r = { .job = "kept", .state = RUN_QUEUED, .scheduled = l->ids.next };

        begin_a_run(l, &r);
        end_a_run(l, &r);
        l->checkpoint_pages = 1;
        while (ledger_upkeep(l, 1, 1))
                ;
}

static int live(const char *state_dir) {
        Ledger *l;

        if (ledger_open(&l, NULL, state_dir, NULL) < 0)
                return 6;
        ledger_set_retention(l, 2, USEC_INFINITY, keep_all_of_kept, NULL);
        for (unsigned i = 0; i < TURNS; i++)
                live_a_turn(l);
        ledger_close(l);
        return 0;
}

/* --- what it told --- */

typedef struct Told {
        bool from_version_1;
        uint64_t last_given;
        uint64_t committed[TURNS * 400], ended[TURNS * 400];
        size_t n_committed, n_ended;
} Told;

static void hear(Told *t, const Word *w) {
        switch (w->what) {
        case GIVEN:
                if (w->id <= t->last_given)
                        fail_msg("id %" PRIu64 " was given out after %" PRIu64, w->id, t->last_given);
                t->last_given = w->id;
                return;
        case COMMITTED:
                assert_true(t->n_committed < ELEMENTSOF(t->committed));
                t->committed[t->n_committed++] = w->id;
                return;
        case ENDED:
                t->ended[t->n_ended++] = w->id;
                return;
        }
}

/* mode: "live", "suffer", or "tear", which needs no strace: the Nth write is cut off somewhere. True when it came to
 * its end alive. */
static bool run_daemon(const char *mode, const char *call, unsigned n, Told *t) {
        const char *problem = streq(mode, "live") ? "signal=KILL" : "error=EIO";
        char trace[64], inject[96], number[16];
        int fds[2], status;
        Word w;
        pid_t pid;

        (void)snprintf(number, sizeof(number), "%u", n);
        (void)snprintf(trace, sizeof(trace), "trace=%s", call);
        (void)snprintf(inject, sizeof(inject), "inject=%s:%s:when=%u", call, problem, n);
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
        pid = fork();
        if (pid == 0) {
                (void)dup2(fds[1], tell_fd);
                /* What is traced cannot be looked through for leaks as well. */
                (void)setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
                if (streq(mode, "tear"))
                        (void)execl(program, program, mode, directory, number, NULL);
                (void)execlp("strace", "strace", "-f", "-qq", "-o", in_directory("trace"), "-e", trace, "-e", inject,
                             program, mode, directory, NULL);
                _exit(127);
        }
        close(fds[1]);
        while (recv(fds[0], &w, sizeof(w), 0) == sizeof(w))
                hear(t, &w);
        close(fds[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
                return true; /* the loader of the program was hit, not the program */
        if (WIFEXITED(status) && WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 128 + SIGKILL)
                fail_msg("%s %u: it ended with %d", call, n, WEXITSTATUS(status));
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* --- what is left --- */

static void check_runs(Ledger *l, const Told *t, const char *call, unsigned n) {
        for (size_t i = 0; i < t->n_committed; i++)
                if (!ledger_get(l, t->committed[i]))
                        fail_msg("%s %u: run %" PRIu64 " was committed and is lost", call, n, t->committed[i]);
        for (size_t i = 0; i < t->n_ended; i++)
                if (ledger_get(l, t->ended[i])->state != RUN_DONE)
                        fail_msg("%s %u: the end of run %" PRIu64 " is lost", call, n, t->ended[i]);
}

/* The newest run of the job and the stamp of its trigger are of the same turn. */
static void check_stamp(Ledger *l, const char *call, unsigned n) {
        usec_t stamp = 0;
        Seen s = { .stop_at = 1 };

        (void)ledger_get_stamp(l, "kept", "k", &stamp);
        (void)ledger_list(l, "kept", 0, 1, see, &s);
        if (stamp != (s.n > 0 ? ledger_get(l, s.ids[0])->scheduled : 0))
                fail_msg("%s %u: a stamp without its run, or a run without its stamp", call, n);
}

typedef struct Ends {
        Ledger *ledger;
        size_t n_ended, n_followers;
        uint64_t newest, newest_ended;
        bool is_newest_ended, is_wrong;
} Ends;

static int count_end(const RunRecord *r, void *userdata) {
        Ends *e = userdata;
        bool is_ended = r->state == RUN_DONE;

        if (e->newest == 0) {
                e->newest = r->id;
                e->is_newest_ended = is_ended;
        }
        if (is_ended && e->newest_ended == 0)
                e->newest_ended = r->id;
        e->n_ended += is_ended;
        return 0;
}

static int count_follower(const RunRecord *r, void *userdata) {
        Ends *e = userdata;

        e->n_followers++;
        return 0;
}

static int check_alarm(const LedgerAlarm *a, void *userdata) {
        Ends *e = userdata;

        if (streq(a->key, "failed"))
                e->is_wrong = a->run != e->newest_ended;
        else
                e->is_wrong = e->is_newest_ended || a->run != e->newest;
        return e->is_wrong;
}

/* The end of a run, the alarm about it and the run that follows it are of the same turn. */
static void check_ends(Ledger *l, const char *call, unsigned n) {
        Ends e = { .ledger = l };
        size_t n_expected;

        assert_int_equal(ledger_list(l, "kept", 0, UINT32_MAX, count_end, &e), 0);
        assert_int_equal(ledger_list(l, "follower", 0, UINT32_MAX, count_follower, &e), 0);
        if (e.n_followers != e.n_ended)
                fail_msg("%s %u: %zu runs ended and %zu followed", call, n, e.n_ended, e.n_followers);
        n_expected = (size_t)(e.n_ended > 0) + (size_t)(e.newest > 0 && !e.is_newest_ended);
        if (ledger_list_alarms(l, NULL, check_alarm, &e) != 0 || count_alarms(l, "kept") != n_expected)
                fail_msg("%s %u: an alarm without its run, or a run without its alarm", call, n);
}

typedef struct Batches {
        size_t n;
        uint64_t seen;
        bool is_wrong;
} Batches;

static int check_batch(const char *job, const char *key, uint64_t id, const void *bytes, size_t n, void *userdata) {
        char expected[BATCH_BYTES];
        Batches *b = userdata;

        if (streq(key, "seen")) {
                memcpy(&b->seen, bytes, sizeof(b->seen));
                return 0;
        }
        make_batch(id, expected);
        b->n++;
        b->is_wrong = b->is_wrong || n != sizeof(expected) || memcmp(bytes, expected, n) != 0;
        return 0;
}

static int count_open(const RunRecord *r, void *userdata) {
        *(size_t *)userdata += r->state != RUN_DONE;
        return 0;
}

/* A run that is not over has what it was given, one that is has not; the watch has seen what the newest was given. */
static void check_batches(Ledger *l, const char *call, unsigned n) {
        Batches b = {};
        size_t n_open = 0;
        Seen s = { .stop_at = 1 };

        (void)ledger_list(l, "kept", 0, UINT32_MAX, count_open, &n_open);
        (void)ledger_list(l, "kept", 0, 1, see, &s);
        if (ledger_list_blobs(l, "kept", NULL, check_batch, &b) != 0 || b.is_wrong)
                fail_msg("%s %u: what was kept is wrong", call, n);
        if (b.n != n_open || b.seen != (s.n > 0 ? s.ids[0] : 0))
                fail_msg("%s %u: %zu runs go on, %zu have what they were given", call, n, n_open, b.n);
}

/* What a database of version 1 had to begin with. */
static void check_old(Ledger *l, const char *call, unsigned n) {
        usec_t usec = 0;

        (void)ledger_get_stamp(l, "old", "k", &usec);
        if (usec != 77 || count_runs(l, "old") != 10)
                fail_msg("%s %u: what was there is lost", call, n);
}

static void check_ledger(Told *t, const char *call, unsigned n) {
        Ledger *l = open_ledger(NULL);

        if (!is_ok(l) || l->n_replaced > 0 || store_check(l->store, USEC_PER_MINUTE) < 0)
                fail_msg("%s %u: the database is damaged", call, n);
        check_runs(l, t, call, n);
        check_stamp(l, call, n);
        check_ends(l, call, n);
        check_batches(l, call, n);
        if (t->from_version_1)
                check_old(l, call, n);
        hear(t, &(Word){ GIVEN, add(l, "checked") });
        ledger_close(l);
}

static bool has_strace(void) {
        return system("strace -o /dev/null true 2>/dev/null") == 0;
}

static void kill_at_every(const char *call, bool from_version_1) {
        Told *t = calloc(1, sizeof(*t));
        unsigned n = 0;

        if (!has_strace()) {
                print_message("# strace is not here, or may not trace\n");
                free(t);
                skip();
        }
        t->from_version_1 = from_version_1;
        while (!run_daemon("live", call, ++n, t))
                if (n % 2 == 0) /* else the next one finds it as it is, and dies over that */
                        check_ledger(t, call, n);
        check_ledger(t, call, n);
        print_message("# %s: killed at %u of them, %zu turns were committed\n", call, n - 1, t->n_committed);
        free(t);
}

static void test_kill_at_every(void **state) {
        kill_at_every(*state, /* from_version_1= */ false);
}

static void test_tear_every_write(void **state) {
        Told *t = calloc(1, sizeof(*t));
        unsigned n = 0;

        while (!run_daemon("tear", "torn write", ++n, t))
                check_ledger(t, "torn write", n);
        check_ledger(t, "torn write", n);
        assert_true(n > 20);
        free(t);
}

static const char rows_1[] =
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10)"
        " INSERT INTO runs (id, job, cause, state, result, code, attempt, trigger_index, parent, scheduled, requested,"
        " started, ended, pid, boot)"
        " SELECT i, 'old', 'manual', 'done', 'exit', 0, 1, 0, 0, 1, 1, 1, 1, 0, '' FROM n;"
        "INSERT INTO marks VALUES ('old', 'k', 77)";

static void test_kill_at_every_from_version_1(void **state) {
        run_sql(version_1);
        run_sql(rows_1);
        kill_at_every(*state, /* from_version_1= */ true);
}

/* Whether there were as many calls as that. */
static bool was_hit(void) {
        _cleanup_free_ char *line = NULL;
        FILE *f = fopen(in_directory("trace"), "re");
        bool hit = false;
        size_t n = 0;

        assert_non_null(f);
        while (!hit && getline(&line, &n, f) >= 0)
                hit = strstr(line, "(INJECTED)");
        (void)fclose(f);
        return hit;
}

static void test_error_at_every(void **state) {
        const char *call = *state;
        Told *t = calloc(1, sizeof(*t));
        unsigned n = 0;

        if (!has_strace()) {
                print_message("# strace is not here, or may not trace\n");
                free(t);
                skip();
        }
        do {
                assert_true(run_daemon("suffer", call, ++n, t));
                if (n % 2 == 0)
                        check_ledger(t, call, n);
        } while (was_hit());
        check_ledger(t, call, n);
        print_message("# %s: failed at %u of them\n", call, n - 1);
        free(t);
}

/* strace counts each kind of call by itself. */
#define kill_test(call) \
        { "kill at every " call, test_kill_at_every, make_directory, remove_directory, (void *)call }
#define upgrade_test(call)                                                                                           \
        {                                                                                                            \
                "upgrade, kill at every " call, test_kill_at_every_from_version_1, make_directory, remove_directory, \
                        (void *)call                                                                                 \
        }
#define error_test(call) \
        { "error at every " call, test_error_at_every, make_directory, remove_directory, (void *)call }

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                kill_test("pwrite64"),     kill_test("write"),      kill_test("fdatasync"),
                kill_test("fsync"),        kill_test("renameat"),   kill_test("unlink"),
                kill_test("ftruncate"),    kill_test("openat"),     upgrade_test("pwrite64"),
                upgrade_test("fdatasync"), error_test("pwrite64"),  error_test("fdatasync"),
                error_test("pread64"),     error_test("ftruncate"), ledger_test(test_tear_every_write),
        };

        if (argc == 4) {
                torn_write_begin();
                torn.at = (unsigned)atoi(argv[3]);
                torn.keep = torn.at * 1237;
        }
        if (argc >= 3) {
                may_fail = streq(argv[1], "suffer");
                log_open(LOG_TARGET_NULL);
                return live(argv[2]);
        }
        if (readlink("/proc/self/exe", program, sizeof(program) - 1) < 0)
                return EXIT_FAILURE;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
