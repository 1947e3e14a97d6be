/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The spool: each step, names of any bytes, directories that are not what they should be; and a daemon, of the few
 * lines that spool.h asks of one, which is killed at random while writers write: every item is processed, none is
 * acknowledged twice, none is taken half-written. VAKT_SEED=N repeats the moments. */

#include <dirent.h>
#include <signal.h>
#include <time.h>

#include "test-watch.h"
#include "watch/spool.h"

static Spool *s;
static char *problem; /* what the last opening said */

static int open_spool(Spool **ret, const char *path, const char *done, const char *failed, uid_t run_uid) {
        SpoolConfig config = { .path = path, .job = "job", .done = done, .failed = failed, .run_uid = run_uid };

        problem = mfree(problem);
        return spool_open(ret, &config, &problem);
}

static int setup_spool(void **state) {
        int r = setup_world(state);

        if (r < 0)
                return r;
        make_directory(at("in"));
        make_directory(at("done"));
        make_directory(at("failed"));
        return open_spool(&s, at("in"), at("done"), at("failed"), geteuid());
}

static int teardown_spool(void **state) {
        s = spool_free(s);
        return teardown_world(state);
}

static SpoolItem claim(const char *name) {
        SpoolItem i;

        assert_int_equal(spool_claim(s, name, now_realtime(), &i), 0);
        return i;
}

static bool is_there(const char *path) {
        struct stat st;

        return lstat(path, &st) == 0;
}

static void reopen(const char *done, const char *failed) {
        s = spool_free(s);
        assert_int_equal(open_spool(&s, at("in"), done, failed, geteuid()), 0);
}

static int visit_item(void *userdata, const SpoolItem *i) {
        sprintf((char *)userdata + strlen(userdata), "%s.%u ", i->name, i->attempt);
        return 0;
}

static const char *recovered(void) {
        static char text[4096];

        text[0] = '\0';
        assert_int_equal(spool_recover(s, visit_item, text), 0);
        return text;
}

static void test_done(void **state) {
        _cleanup_free_ char *path = NULL;
        SpoolItem i;

        write_file(at("in/a"), "x");
        i = claim("a");
        assert_false(is_there(at("in/a")));
        path = spool_item_path(s, &i);
        assert_true(is_there(path));
        assert_string_equal(recovered(), "a.1 ");
        assert_int_equal(spool_done(s, &i), 0);
        assert_true(is_there(at("done/a")));
        assert_string_equal(recovered(), "");
        assert_int_equal(spool_done(s, &i), 1); /* again: nothing happens */
        spool_item_done(&i);
}

static unsigned count_descriptors(void) {
        DIR *dir = opendir("/proc/self/fd");
        unsigned n = 0;

        assert_non_null(dir);
        while (readdir(dir))
                n++;
        (void)closedir(dir);
        return n;
}

/* Several steps find the spool once, and nothing of it stays open after them, so that it can be unmounted. */
static void test_kept_open(void **state) {
        unsigned before = count_descriptors();
        SpoolItem i, k;

        write_file(at("in/a"), "x");
        write_file(at("in/b"), "x");
        write_file(at("in/c"), "x");
        i = claim("a");
        assert_int_equal(count_descriptors(), before);
        spool_keep_open(s, true);
        k = claim("b");
        assert_int_equal(count_descriptors(), before + 2);
        assert_int_equal(spool_done(s, &i), 0);
        assert_int_equal(count_descriptors(), before + 2);
        spool_keep_open(s, false);
        assert_int_equal(count_descriptors(), before);
        assert_int_equal(spool_done(s, &k), 0);
        spool_item_done(&i);
        spool_item_done(&k);

        /* While they are closed, another directory may take its place. */
        assert_int_equal(rename(at("in"), at("moved")), 0);
        make_directory(at("in"));
        write_file(at("in/c"), "x");
        assert_int_equal(spool_claim(s, "c", now_realtime(), &i), -ESTALE);
        assert_int_equal(count_descriptors(), before);
        reopen(at("done"), at("failed"));
        spool_keep_open(s, true);
        i = claim("c");
        spool_item_done(&i);
        s = spool_free(s);
        assert_int_equal(count_descriptors(), before);
}

/* Its owner can mount something over any part of it. */
static void test_silent(void **state) {
        static const char *const places[] = { "in", "in/.vakt-job", "done" };
        SpoolItem i, other;
        int fd;

        if (!take_namespace())
                return;
        write_file(at("in/a"), "x");
        write_file(at("in/b"), "x");
        i = claim("a");
        for (size_t k = 0; k < ELEMENTSOF(places); k++) {
                if (!mount_silent(at("%s", places[k]), /* is_file= */ false, &fd))
                        return;
                assert_true(spool_done(s, &i) < 0);
                if (k < 2) {
                        assert_true(spool_claim(s, "b", now_realtime(), &other) < 0);
                        assert_true(spool_recover(s, visit_item, NULL) < 0);
                }
                unmount_silent(at("%s", places[k]), fd);
        }
        assert_true(mount_silent(at("in/b"), /* is_file= */ true, &fd));
        assert_int_equal(spool_claim(s, "b", now_realtime(), &other), -EBUSY);
        unmount_silent(at("in/b"), fd);
        assert_int_equal(spool_done(s, &i), 0);
        other = claim("b");
        spool_item_done(&i);
        spool_item_done(&other);
}

static void test_from_path(void **state) {
        static const struct {
                const char *path, *spool; /* NULL: it is none of the job's */
        } table[] = {
                { "/in/.vakt-job/00000000000000ff.12/a b", "/in" },
                { "//.vakt-job/00000000000000ff.12/a b", "/" },
                { "/in/.vakt-jobs/00000000000000ff.12/a", NULL },
                { "/in/vakt-job/00000000000000ff.12/a", NULL },
                { "/in/.vakt-job/00000000000000ff.failed/a", NULL },
                { "/in/.vakt-job/ff.1/a", NULL },
                { "/in/.vakt-job/00000000000000ff.12/", NULL },
                { ".vakt-job/00000000000000ff.12/a", NULL },
                { "00000000000000ff.12/a", NULL },
                { "/a", NULL },
                { "", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_free_ char *spool = NULL;
                SpoolItem item = {};
                int r = spool_item_from_path(table[i].path, "job", &spool, &item);

                if (r != (table[i].spool ? 0 : -EINVAL) || !streq_ptr(spool, table[i].spool))
                        fail_msg("%s: %d", table[i].path, r);
                if (r == 0)
                        assert_true(item.id == 255 && item.attempt == 12 && streq(item.name, "a b"));
                spool_item_done(&item);
        }
}

static void test_retry_and_fail(void **state) {
        SpoolItem i;

        write_file(at("in/a"), "x");
        i = claim("a");
        assert_int_equal(spool_retry(s, &i), 0);
        assert_int_equal(i.attempt, 2);
        reopen(at("done"), at("failed"));
        assert_string_equal(recovered(), "a.2 ");
        assert_int_equal(spool_fail(s, &i), 0);
        assert_true(is_there(at("failed/a")));
        spool_item_done(&i);

        /* Without a place for it, it stays and is not taken again. */
        reopen(NULL, NULL);
        write_file(at("in/b"), "x");
        i = claim("b");
        assert_int_equal(spool_fail(s, &i), 0);
        assert_string_equal(recovered(), "");
        assert_int_equal(spool_count_failed(s), 1);
        spool_item_done(&i);

        /* And without a place for what is done, it goes. */
        write_file(at("in/c"), "x");
        i = claim("c");
        assert_int_equal(spool_done(s, &i), 0);
        assert_string_equal(recovered(), "");
        spool_item_done(&i);
}

static void test_release(void **state) {
        SpoolItem i;

        write_file(at("in/a"), "x");
        i = claim("a");
        write_file(at("in/a"), "another");
        assert_int_equal(spool_release(s, &i), -EEXIST);
        unlink(at("in/a"));
        assert_int_equal(spool_release(s, &i), 0);
        assert_true(is_there(at("in/a")));
        assert_string_equal(recovered(), "");
        spool_item_done(&i);
}

static void test_names(void **state) {
        char longest[NAME_MAX + 1];
        const char *const names[] = { "new\nline", "-rf", "$HOME\"'", "\xff\xfe", longest };

        memset(longest, 'x', NAME_MAX);
        longest[NAME_MAX] = '\0';
        for (unsigned round = 0; round < 3; round++)
                for (size_t k = 0; k < ELEMENTSOF(names); k++) {
                        SpoolItem i;

                        write_file(at("in/%s", names[k]), "x");
                        i = claim(names[k]);
                        assert_string_equal(i.name, names[k]);
                        assert_int_equal(spool_done(s, &i), 0);
                        assert_true(is_there(at("done/%s", names[k])));
                        spool_item_done(&i);
                }
        /* None of those that had the same name was lost. */
        remove_tree(at("in/.vakt-job"));
        {
                unsigned n = 0;
                DIR *d = opendir(at("done"));

                while (readdir(d))
                        n++;
                closedir(d);
                assert_int_equal(n, 3 * ELEMENTSOF(names) + 2);
        }
}

static void test_not_claimable(void **state) {
        SpoolItem i = {};
        int fd;

        make_directory(at("in/directory"));
        assert_int_equal(symlink("/etc/passwd", at("in/link")), 0);
        assert_int_equal(mkfifo(at("in/fifo"), 0600), 0);
        assert_int_equal(spool_claim(s, "directory", 1, &i), -EINVAL);
        assert_int_equal(spool_claim(s, "link", 1, &i), -EINVAL);
        assert_int_equal(spool_claim(s, "fifo", 1, &i), -EINVAL);
        assert_int_equal(spool_claim(s, "gone", 1, &i), -ENOENT);
        assert_int_equal(spool_claim(s, "../done", 1, &i), -EINVAL);
        assert_int_equal(spool_claim(s, ".vakt-job", 1, &i), -EINVAL);
        fd = open(at("in/open"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(spool_claim(s, "open", 1, &i), -EBUSY);
        assert_true(is_there(at("in/open")));
        close(fd);
        i = claim("open");
        spool_item_done(&i);
}

/* The claim directory is not a link to somewhere, nor another's, and directories on other file systems are refused. */
static void test_bad_directories(void **state) {
        Spool *other = NULL;

        make_directory(at("x"));
        assert_int_equal(open_spool(&other, at("missing"), NULL, NULL, geteuid()), -ENOENT);
        assert_int_equal(symlink(at("done"), at("x/.vakt-job")), 0);
        assert_true(open_spool(&other, at("x"), NULL, NULL, geteuid()) < 0);
        unlink(at("x/.vakt-job"));
        make_directory(at("x/.vakt-job"));
        assert_int_equal(chmod(at("x/.vakt-job"), 0777), 0);
        assert_int_equal(open_spool(&other, at("x"), NULL, NULL, geteuid()), -EPERM);
        assert_int_equal(chmod(at("x/.vakt-job"), 0711), 0);
        assert_int_equal(open_spool(&other, at("x"), "/proc", NULL, geteuid()), -EXDEV);
        assert_null(other);
}

/* What is half done is found whole; what a run left there is kept. */
static void test_debris(void **state) {
        SpoolItem i;

        make_directory(at("in/.vakt-job/00000000000000aa.1")); /* made, and then killed */
        make_directory(at("in/.vakt-job/somebody's"));
        reopen(at("done"), at("failed"));
        assert_string_equal(recovered(), "");
        assert_false(is_there(at("in/.vakt-job/00000000000000aa.1")));
        assert_true(is_there(at("in/.vakt-job/somebody's")));
        write_file(at("in/a"), "x");
        i = claim("a");
        {
                _cleanup_free_ char *path = spool_item_path(s, &i), *other = NULL;

                assert_true(asprintf(&other, "%s.log", path) > 0);
                write_file(other, "log");
        }
        assert_int_equal(spool_done(s, &i), 0);
        assert_true(is_there(at("done/a")));
        assert_true(is_there(at("in/.vakt-job/%016llx.rest/a.log", (unsigned long long)i.id)));
        assert_string_equal(recovered(), "");
        /* A run that takes its item away itself has done so. */
        spool_item_done(&i);
        write_file(at("in/b"), "x");
        i = claim("b");
        {
                _cleanup_free_ char *path = spool_item_path(s, &i);

                unlink(path);
        }
        assert_int_equal(spool_done(s, &i), 1);
        spool_item_done(&i);
}

/* --- killed at random --- */

#define WRITERS 4
#define ITEMS   (getenv("VAKT_WATCH_FULL") ? 2500U : 500U) /* of each writer */
#define KILLS   50U

static FILE *journal;

/* Slowly, in pieces, as one who may be caught half-way. */
static _Noreturn void write_items(unsigned writer) {
        for (unsigned i = 0; i < ITEMS; i++) {
                int fd = open(at("in/%u-%u", writer, i), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

                if (fd < 0 || write(fd, "begin ", 6) != 6)
                        _exit(1);
                (void)sched_yield();
                if (write(fd, "end", 3) != 3)
                        _exit(1);
                close(fd);
        }
        _exit(0);
}

static void note(const char *format, uint64_t id, const char *name) {
        char line[NAME_MAX + 64];
        int n = snprintf(line, sizeof(line), format, (unsigned long long)id, name);

        if (write(fileno(journal), line, (size_t)n) != n)
                _exit(1);
}

static bool is_noted_done(uint64_t id) {
        char line[NAME_MAX + 64], name[NAME_MAX + 1];
        unsigned long long noted;
        bool found = false;

        rewind(journal);
        while (!found && fgets(line, sizeof(line), journal))
                found = sscanf(line, "success %llu %255s", &noted, name) == 2 && noted == id;
        return found;
}

/* The run: reads its item. Then the result is written down, and only then acknowledged. */
static void process(const SpoolItem *i) {
        _cleanup_free_ char *path = spool_item_path(s, i);
        char text[16] = "";
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
                _exit(2);
        close(fd);
        if (!streq(text, "begin end"))
                _exit(3);
        note("run %llu %s\n", i->id, i->name);
        (void)sched_yield(); /* a good place to be killed in */
        note("success %llu %s\n", i->id, i->name);
        if (spool_done(s, i) != 0)
                _exit(4);
}

static int recover_item(void *userdata, const SpoolItem *i) {
        if (!is_noted_done(i->id))
                process(i);
        else if (spool_done(s, i) != 0)
                _exit(5);
        return 0;
}

/* What lies in the spool. Returns how many could be claimed. */
static unsigned claim_items(void) {
        DIR *directory = opendir(at("in"));
        const struct dirent *e;
        unsigned n = 0;

        if (!directory)
                _exit(9);
        while ((e = readdir(directory))) {
                SpoolItem i;
                int r = e->d_name[0] != '.' ? spool_claim(s, e->d_name, now_realtime(), &i) : -EBUSY;

                if (r == -EBUSY)
                        continue;
                if (r < 0)
                        _exit(6);
                n++;
                process(&i);
                spool_item_done(&i);
        }
        (void)closedir(directory);
        return n;
}

/* Until nothing is left and the writers (who hold the other end) have ended. */
static _Noreturn void serve(int writers_fd) {
        char c;

        if (open_spool(&s, at("in"), at("done"), at("failed"), geteuid()) < 0)
                _exit(7);
        journal = fopen(at("journal"), "a+e");
        if (!journal || spool_recover(s, recover_item, NULL) != 0)
                _exit(8);
        do {
                bool over = read(writers_fd, &c, 1) == 0;

                if (claim_items() == 0 && over)
                        _exit(0);
        } while (true);
}

/* As long as work takes that is not always the same; no waiting for anything. */
static void some_time(unsigned *seed) {
        struct timespec t = { .tv_nsec = rand_r(seed) % (ITEMS * 10000) };

        (void)nanosleep(&t, NULL);
}

static void check_journal(void) {
        unsigned n_success = 0, n_run = 0;
        char line[NAME_MAX + 64];

        journal = fopen(at("journal"), "re");
        while (fgets(line, sizeof(line), journal)) {
                n_run += startswith(line, "run ") != NULL;
                n_success += startswith(line, "success ") != NULL;
        }
        fclose(journal);
        assert_int_equal(n_success, WRITERS * ITEMS);
        assert_true(n_run >= n_success);
        print_message("# %u items, %u runs\n", n_success, n_run);
        for (unsigned k = 0; k < WRITERS; k++)
                for (unsigned i = 0; i < ITEMS; i++)
                        assert_true(is_there(at("done/%u-%u", k, i)));
}

static void test_killed(void **state) {
        unsigned seed = getenv("VAKT_SEED") ? (unsigned)atoi(getenv("VAKT_SEED")) : 1;
        int pipe_fds[2], status = -1;
        pid_t writers[WRITERS], pid;

        s = spool_free(s);
        assert_int_equal(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
        for (unsigned k = 0; k < WRITERS; k++) {
                writers[k] = fork();
                if (writers[k] == 0)
                        write_items(k);
        }
        close(pipe_fds[1]);
        for (unsigned k = 0; k <= KILLS; k++) {
                pid = fork();
                if (pid == 0)
                        serve(pipe_fds[0]);
                if (k < KILLS) {
                        some_time(&seed);
                        (void)kill(pid, SIGKILL);
                }
                assert_int_equal(waitpid(pid, &status, 0), pid);
                if (WIFEXITED(status))
                        assert_int_equal(WEXITSTATUS(status), 0);
        }
        assert_int_equal(status, 0);
        for (unsigned k = 0; k < WRITERS; k++)
                assert_int_equal(waitpid(writers[k], &status, 0), writers[k]);
        close(pipe_fds[0]);
        check_journal();
}

#define spool_test(f) cmocka_unit_test_setup_teardown(f, setup_spool, teardown_spool)

int main(void) {
        const struct CMUnitTest tests[] = {
                spool_test(test_done),      spool_test(test_kept_open),      spool_test(test_silent),
                spool_test(test_from_path), spool_test(test_retry_and_fail), spool_test(test_release),
                spool_test(test_names),     spool_test(test_not_claimable),  spool_test(test_bad_directories),
                spool_test(test_debris),    spool_test(test_killed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
