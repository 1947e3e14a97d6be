/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Spools that other people can write to, or that belong to them: whose rights each step has, and what they try: links
 * and other directories in the place of the spool and of where its items go to, and other files in the place of items
 * while these are claimed. Needs root, since it needs other users: is skipped without. VAKT_ATTACKS=N: so many claims
 * are attacked. */

#include <grp.h>
#include <signal.h>

#include "fs/identity.h"
#include "test-watch.h"
#include "watch/spool.h"

enum { ALICE = 54321, BOB = 54322 };

#define ATTACKS 2000U

static Spool *s;
static char *problem; /* what the last opening said */

static int open_as(const char *done, const char *failed, uid_t run_uid) {
        SpoolConfig config = { .path = at("in"), .job = "job", .done = done, .failed = failed, .run_uid = run_uid };

        s = spool_free(s);
        problem = mfree(problem);
        return spool_open(&s, &config, &problem);
}

static void says(const char *text, const char *words) {
        assert_non_null(text);
        if (!strstr(text, words))
                fail_msg("\"%s\" is not in \"%s\"", words, text);
}

static void make(const char *path, uid_t uid, mode_t mode) {
        make_directory(path);
        assert_int_equal(chown(path, uid, uid), 0);
        assert_int_equal(chmod(path, mode), 0);
}

static void write_as(const char *path, uid_t uid) {
        write_file(path, "x");
        assert_int_equal(chown(path, uid, uid), 0);
}

static bool is_there(const char *path) {
        struct stat st;

        return lstat(path, &st) == 0;
}

static uid_t owner_of(const char *path) {
        struct stat st;

        assert_int_equal(lstat(path, &st), 0);
        return st.st_uid;
}

static unsigned count_names(const char *path) {
        const struct dirent *d;
        DIR *dir = opendir(path);
        unsigned n = 0;

        assert_non_null(dir);
        while ((d = readdir(dir)))
                n += !streq(d->d_name, ".") && !streq(d->d_name, "..");
        closedir(dir);
        return n;
}

static int set_up(void **state) {
        int r = setup_world(state);

        return r < 0 ? r : chmod(w.directory, 0755);
}

static int tear_down(void **state) {
        s = spool_free(s);
        problem = mfree(problem);
        return teardown_world(state);
}

static void claim(const char *name, SpoolItem *ret) {
        int r = spool_claim(s, name, now_realtime(), ret);

        if (r < 0)
                fail_msg("claim: %s (%s)", strerror(-r), spool_problem(s));
}

/* --- a user's own spool --- */

/* All is done as the user, and nothing of it is ours. */
static void test_own(void **state) {
        SpoolItem i;

        make(at("in"), ALICE, 0755);
        make(at("done"), ALICE, 0700);
        write_as(at("in/a"), ALICE);
        assert_int_equal(open_as(at("done"), NULL, ALICE), 0);
        assert_int_equal(owner_of(at("in/.vakt-job")), ALICE);
        claim("a", &i);
        {
                _cleanup_free_ char *path = spool_item_path(s, &i);

                assert_true(is_there(path));
                *strrchr(path, '/') = '\0';
                assert_int_equal(owner_of(path), ALICE);
        }
        assert_int_equal(spool_done(s, &i), 0);
        assert_int_equal(owner_of(at("done/a")), ALICE);
        spool_item_done(&i);

        /* What she may not do is not done for her. */
        write_as(at("in/b"), ALICE);
        claim("b", &i);
        assert_int_equal(chmod(at("done"), 0500), 0);
        assert_int_equal(spool_done(s, &i), -EACCES);
        assert_int_equal(chmod(at("done"), 0700), 0);
        assert_int_equal(spool_done(s, &i), 0);
        spool_item_done(&i);
}

/* Runs of others would be led by her to their own files. */
static void test_whose_runs(void **state) {
        make(at("in"), ALICE, 0755);
        assert_int_equal(open_as(NULL, NULL, 0), -EPERM);
        says(problem, "belongs to uid 54321");
        says(problem, "runs as root");
        says(problem, "set User=uid 54321, or give");
        assert_int_equal(open_as(NULL, NULL, BOB), -EPERM);
        assert_int_equal(open_as(NULL, NULL, UID_UNKNOWN), -EPERM);
        assert_int_equal(open_as(NULL, NULL, ALICE), 0);
        assert_false(is_there(at("in/.vakt-other")));
}

/* Where items go has to be hers as well. */
static void test_targets(void **state) {
        make(at("in"), ALICE, 0755);
        make(at("roots"), 0, 0755);
        make(at("bobs"), BOB, 0755);
        make(at("drop"), 0, 01777);
        make(at("alice"), ALICE, 0755);
        make(at("alice/roots"), 0, 0755);
        assert_int_equal(open_as(at("roots"), NULL, ALICE), -EPERM);
        says(problem, "SpoolDone=");
        says(problem, "chown uid 54321");
        assert_int_equal(open_as(NULL, at("bobs"), ALICE), -EPERM);
        says(problem, "SpoolFailed=");
        assert_int_equal(open_as(at("alice/roots"), NULL, ALICE), -EPERM);
        says(problem, "can put another directory in its place");
        assert_int_equal(open_as(at("drop"), NULL, ALICE), 0);
}

/* The directories are replaced between two steps: by links, and by directories of others that lie about. */
static void test_replaced(void **state) {
        SpoolItem i;

        make(at("secret"), 0, 0700);
        make(at("alice"), ALICE, 0755);
        make(at("in"), ALICE, 0755);
        make(at("done"), ALICE, 0755);
        write_as(at("in/a"), ALICE);
        assert_int_equal(open_as(at("done"), NULL, ALICE), 0);
        claim("a", &i);
        assert_int_equal(rename(at("done"), at("old")), 0);
        assert_int_equal(symlink(at("secret"), at("done")), 0);
        assert_int_equal(lchown(at("done"), ALICE, ALICE), 0);
        assert_int_equal(spool_done(s, &i), -ELOOP);
        says(spool_problem(s), "symbolic link");
        assert_int_equal(unlink(at("done")), 0);
        assert_int_equal(rename(at("secret"), at("done")), 0);
        assert_int_equal(spool_done(s, &i), -ESTALE);
        assert_int_equal(count_names(at("done")), 0);
        assert_int_equal(rename(at("done"), at("secret")), 0);
        assert_int_equal(rename(at("old"), at("done")), 0);

        /* The spool itself. */
        write_file(at("secret/key"), "x");
        assert_int_equal(rename(at("in"), at("old")), 0);
        assert_int_equal(rename(at("secret"), at("in")), 0);
        assert_int_equal(spool_done(s, &i), -ESTALE);
        assert_int_equal(spool_claim(s, "key", now_realtime(), &i), -ESTALE);
        assert_int_equal(count_names(at("in")), 1);
        assert_int_equal(rename(at("in"), at("secret")), 0);
        assert_int_equal(symlink(at("secret"), at("in")), 0);
        assert_int_equal(lchown(at("in"), ALICE, ALICE), 0);
        assert_int_equal(spool_claim(s, "key", now_realtime(), &i), -ELOOP);
        assert_int_equal(count_names(at("secret")), 1);
        assert_int_equal(unlink(at("in")), 0);
        assert_int_equal(rename(at("old"), at("in")), 0);
        assert_int_equal(spool_done(s, &i), 0);
        spool_item_done(&i);
}

/* --- a spool that all may write --- */

static void test_drop(void **state) {
        SpoolItem i;

        make(at("in"), 0, 01777);
        make(at("done"), 0, 0755);
        make(at("failed"), 0, 01777);
        write_as(at("in/a"), ALICE);
        write_as(at("in/b"), BOB);
        write_as(at("in/r"), 0);
        assert_int_equal(open_as(at("done"), at("failed"), BOB), 0);
        assert_int_equal(owner_of(at("in/.vakt-job")), 0);
        claim("a", &i);
        {
                _cleanup_free_ char *path = spool_item_path(s, &i);
                struct stat st;

                *strrchr(path, '/') = '\0';
                assert_int_equal(stat(path, &st), 0);
                assert_int_equal(st.st_uid, 0);
                assert_int_equal(st.st_mode, S_IFDIR | 0711); /* it is lent no longer */
        }
        assert_int_equal(spool_done(s, &i), 0);
        assert_int_equal(owner_of(at("done/a")), ALICE);
        spool_item_done(&i);
        claim("b", &i);
        assert_int_equal(spool_fail(s, &i), 0);
        assert_int_equal(owner_of(at("failed/b")), BOB);
        spool_item_done(&i);
        claim("r", &i);
        assert_int_equal(spool_release(s, &i), 0);
        assert_true(is_there(at("in/r")));
        spool_item_done(&i);
        assert_int_equal(count_names(at("in/.vakt-job")), 0);

        /* Not to a directory that somebody made first where all may make some. */
        make(at("failed/squat"), ALICE, 0755);
        assert_int_equal(open_as(at("failed/squat"), NULL, 0), -EPERM);
        says(problem, "belongs to uid 54321, who may have created it before you");

        /* Where finished items go to a user's directory, they go there with that user's rights. */
        make(at("alice"), ALICE, 0755);
        write_as(at("in/c"), BOB);
        assert_int_equal(open_as(at("alice"), NULL, 0), 0);
        claim("c", &i);
        assert_int_equal(spool_done(s, &i), 0);
        assert_int_equal(owner_of(at("alice/c")), BOB);
        spool_item_done(&i);
}

static void test_group(void **state) {
        SpoolItem i;

        /* The owner of the file may write there as one of the group only. */
        make(at("in"), 0, 0700);
        assert_int_equal(chown(at("in"), 0, BOB), 0);
        assert_int_equal(chmod(at("in"), 01770), 0);
        write_as(at("in/a"), ALICE);
        assert_int_equal(open_as(NULL, NULL, 0), 0);
        claim("a", &i);
        assert_int_equal(spool_done(s, &i), 0);
        spool_item_done(&i);
        assert_int_equal(chmod(at("in"), 0770), 0);
        assert_int_equal(open_as(NULL, NULL, 0), -EPERM);
        says(problem, "chmod +t");
}

/* .vakt-JOB is gone, or somebody else's. */
static void test_claims(void **state) {
        SpoolItem i;

        make(at("in"), 0, 01777);
        make(at("in/.vakt-job"), ALICE, 0755);
        assert_int_equal(open_as(NULL, NULL, 0), -EPERM);
        says(problem, "/.vakt-job belongs to uid 54321 but must belong to root");
        assert_int_equal(rmdir(at("in/.vakt-job")), 0);
        write_as(at("in/.vakt-job"), ALICE);
        assert_int_equal(open_as(NULL, NULL, 0), -ENOTDIR);
        says(problem, "/.vakt-job is not a directory");
        assert_int_equal(unlink(at("in/.vakt-job")), 0);
        assert_int_equal(open_as(NULL, NULL, 0), 0);
        assert_int_equal(rmdir(at("in/.vakt-job")), 0);
        write_as(at("in/a"), ALICE);
        claim("a", &i); /* made anew */
        assert_int_equal(spool_done(s, &i), 0);
        spool_item_done(&i);
}

/* What lies in .vakt-job of her spool is hers, and is not looked at without end. */
static void test_too_many_claims(void **state) {
        make(at("alice"), ALICE, 0755);
        make(at("alice/in"), ALICE, 0755);
        make(at("alice/in/.vakt-job"), ALICE, 0755);
        for (unsigned i = 0; i <= 65536; i++) {
                const char *path = at("alice/in/.vakt-job/%016x.1", i);

                assert_int_equal(mkdir(path, 0755), 0);
                assert_int_equal(chown(path, ALICE, ALICE), 0);
        }
        {
                SpoolConfig config = { .path = at("alice/in"), .job = "job", .run_uid = ALICE };

                assert_int_equal(spool_open(&s, &config, &problem), -E2BIG);
        }
        says(problem, "contains more than 65536 items");
}

/* A second name of a file may be that of somebody else's. */
static void test_hard_links(void **state) {
        SpoolItem i;

        make(at("in"), 0, 01777);
        assert_int_equal(open_as(NULL, NULL, 0), 0);
        write_file(at("shadow"), "secret");
        assert_int_equal(link(at("shadow"), at("in/x")), 0);
        assert_int_equal(spool_claim(s, "x", now_realtime(), &i), -EAGAIN);
        assert_int_equal(spool_claim(s, "x", now_realtime() + 2 * USEC_PER_MINUTE, &i), -EMLINK);
        assert_true(is_there(at("in/x")));
        assert_int_equal(unlink(at("shadow")), 0);
        claim("x", &i); /* as link(2) and unlink(2) leave it */
        assert_int_equal(spool_done(s, &i), 0);
        spool_item_done(&i);
}

/* --- attacks --- */

static int no_matter _unused_; /* whether a step of an attack succeeded */

static void become(uid_t uid) {
        /* Last: a change of user takes it away. */
        if (setgroups(0, NULL) < 0 || setgid(uid) < 0 || setuid(uid) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
            getppid() == 1)
                _exit(9);
}

static unsigned attacks(void) {
        const char *n = getenv("VAKT_ATTACKS");

        return n ? (unsigned)atoi(n) : ATTACKS;
}

/* For a moment all is as it should be. */
static void behave(void) {
        for (unsigned i = 0; i < 300; i++)
                (void)syscall(SYS_getppid);
}

/* Her own file, a link and a second name of a file of hers, by turns, under one name. */
_Noreturn static void swap_items(const char *in) {
        become(ALICE);
        if (chdir(in) < 0)
                _exit(8);
        for (unsigned i = 0;; i++) {
                int fd = open("new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

                if (fd >= 0)
                        close(fd);
                (void)rename("new", "item");
                behave();
                no_matter = symlink("/etc/shadow", "link");
                if (i % 3 == 0)
                        (void)rename("link", "item");
                else if (i % 3 == 1)
                        no_matter = link("item", "other");
                else {
                        (void)mkfifo("new", 0600);
                        (void)rename("new", "item");
                }
                (void)unlink("other");
                (void)unlink("link");
        }
}

static pid_t start(void (*attack)(const char *), const char *path) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0)
                attack(path);
        return pid;
}

static void stop(pid_t pid) {
        int status;

        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status)); /* it went on to the end */
}

static void test_attack_items(void **state) {
        unsigned n_claimed = 0, n_refused = 0;
        pid_t pid;

        make(at("in"), 0, 01777);
        assert_int_equal(open_as(NULL, NULL, 0), 0);
        pid = start(swap_items, at("in"));
        while (n_claimed + n_refused < attacks()) {
                SpoolItem i;
                struct stat st;
                int r = spool_claim(s, "item", now_realtime(), &i);

                n_refused += r < 0;
                if (r < 0)
                        continue;
                n_claimed++;
                {
                        _cleanup_free_ char *path = spool_item_path(s, &i);

                        /* A link(2) of hers that had found the file before it was taken may give it a second name even
                         * now; it is her own file all the same. */
                        assert_int_equal(lstat(path, &st), 0);
                        assert_true(S_ISREG(st.st_mode));
                        assert_int_equal(st.st_uid, ALICE);
                }
                assert_true(spool_done(s, &i) >= 0);
                spool_item_done(&i);
        }
        stop(pid);
        print_message("# %u claimed, %u refused\n", n_claimed, n_refused);
        assert_true(n_claimed > 0 && n_refused > 0);
}

/* Her spool and where it puts items, by turns hers, links to what she may not see, and what others left in her
 * directory. */
_Noreturn static void swap_directories(const char *home) {
        become(ALICE);
        if (chdir(home) < 0)
                _exit(8);
        for (;;) {
                int fd = open("in/item", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

                if (fd >= 0)
                        close(fd);
                behave();
                (void)rename("done", "done.old");
                no_matter = symlink("../secret", "done");
                (void)unlink("done");
                (void)rename("roots", "done");
                (void)rename("done", "roots");
                (void)rename("done.old", "done");
                (void)rename("in", "in.old");
                no_matter = symlink("../secret", "in");
                (void)unlink("in");
                (void)rename("roots", "in");
                (void)rename("in", "roots");
                (void)rename("in.old", "in");
        }
}

static void test_attack_directories(void **state) {
        _cleanup_free_ char *home = strdup(at("alice")), *in = NULL, *done = NULL;
        SpoolConfig config = { .job = "job", .run_uid = ALICE };
        const char *const names[] = { "roots", "done", "in" };
        unsigned n_done = 0, n_refused = 0, n_roots = 0;
        pid_t pid;

        make(at("secret"), 0, 0700);
        write_file(at("secret/item"), "x");
        make(home, ALICE, 0755);
        make(at("alice/in"), ALICE, 0755);
        make(at("alice/done"), ALICE, 0755);
        make(at("alice/roots"), 0, 0755);
        write_file(at("alice/roots/item"), "x");
        config.path = in = strdup(at("alice/in"));
        config.done = done = strdup(at("alice/done"));
        pid = start(swap_directories, home);
        for (unsigned k = 0; k < attacks(); k++) {
                SpoolItem i = {};
                int r = s ? 0 : spool_open(&s, &config, NULL);

                if (r >= 0)
                        r = spool_claim(s, "item", now_realtime(), &i);
                if (r >= 0)
                        r = spool_done(s, &i);
                n_done += r == 0;
                n_refused += r < 0;
                spool_item_done(&i);
                if (r == -ESTALE)
                        s = spool_free(s);
        }
        stop(pid);
        print_message("# %u done, %u refused\n", n_done, n_refused);
        assert_true(n_done > 0 && n_refused > 0);
        assert_int_equal(count_names(at("secret")), 1);
        /* Root's directory has one of three names, where the attack was stopped. */
        for (unsigned k = 0; k < ELEMENTSOF(names); k++)
                if (is_there(at("alice/%s", names[k])) && owner_of(at("alice/%s", names[k])) == 0)
                        n_roots += count_names(at("alice/%s", names[k]));
        assert_int_equal(n_roots, 1);
}

#define owner_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                owner_test(test_own),
                owner_test(test_whose_runs),
                owner_test(test_targets),
                owner_test(test_replaced),
                owner_test(test_drop),
                owner_test(test_group),
                owner_test(test_claims),
                owner_test(test_too_many_claims),
                owner_test(test_hard_links),
                owner_test(test_attack_items),
                owner_test(test_attack_directories),
        };

        if (geteuid() != 0) {
                (void)printf("1..0 # SKIP needs root\n");
                return 0;
        }
        return cmocka_run_group_tests(tests, NULL, NULL);
}
