/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The files of lists that runs are given: whole or not there, readable by the run and by nobody else as far as that
 * goes, and gone when nobody needs them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "exec/files-directory.h"
#include "util/file.h"

#define LIST      "/srv/a\nb\0-rf\0/srv/\xff"
#define LIST_SIZE sizeof(LIST)

static char directory[64];
static JobDef *def;
static FilesDirectory *paths;

static int set_up(void **state) {
        (void)snprintf(directory, sizeof(directory), "/tmp/vakt-test-paths-XXXXXX");
        assert_non_null(mkdtemp(directory));
        assert_int_equal(chmod(directory, 0755), 0);
        assert_int_equal(job_def_new(&def, "test"), 0);
        assert_int_equal(files_directory_new(&paths, directory, "unit"), 0);
        return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f) {
        return remove(path);
}

static int tear_down(void **state) {
        paths = files_directory_free(paths);
        def = job_def_unref(def);
        return nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void set_property(const char *name, const char *text, uint64_t number) {
        UnitProperty *p;

        def->rare->properties = reallocarray(def->rare->properties, def->rare->n_properties + 1, sizeof(UnitProperty));
        assert_non_null(def->rare->properties);
        p = &def->rare->properties[def->rare->n_properties++];
        *p = (UnitProperty){ .name = name, .signature = text ? "s" : "b" };
        if (text)
                assert_int_equal(unit_property_add_text(p, text, SIZE_MAX), 0);
        else
                assert_int_equal(unit_property_add_number(p, number), 0);
}

static int write_list(uint64_t run) {
        return files_directory_write(paths, run, def, LIST, LIST_SIZE);
}

static char *name_of(uint64_t run) {
        char *name = NULL;

        assert_int_equal(files_directory_name(paths, run, &name), 0);
        return name;
}

static struct stat stat_of(uint64_t run) {
        _cleanup_free_ char *name = name_of(run);
        struct stat st;

        assert_int_equal(stat(name, &st), 0);
        return st;
}

static bool is_there(const char *file) {
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/batches/%s", directory, file);
        return access(path, F_OK) == 0;
}

static void make(const char *file) {
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/batches/%s", directory, file);
        assert_int_equal(close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0400)), 0);
}

static unsigned n_files(void) {
        char path[128];
        DIR *d;
        unsigned n = 0;

        (void)snprintf(path, sizeof(path), "%s/batches", directory);
        d = opendir(path);
        assert_non_null(d);
        while (readdir(d))
                n++;
        assert_int_equal(closedir(d), 0);
        return n - 2;
}

/* --- writing --- */

static void test_write(void **state) {
        _cleanup_free_ char *name = name_of(812);
        mode_t mask = umask(0077); /* as in the service */
        char path[128], text[64];
        struct stat st;

        assert_int_equal(write_list(812), 0);
        (void)umask(mask);
        assert_int_equal(file_read(AT_FDCWD, name, text, sizeof(text)), LIST_SIZE);
        assert_memory_equal(text, LIST, LIST_SIZE);
        assert_int_equal(stat_of(812).st_mode, S_IFREG | 0400);
        assert_int_equal(n_files(), 1);
        (void)snprintf(path, sizeof(path), "%s/batches", directory);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode, S_IFDIR | 0711);

        /* Again, of another length; whoever reads the old one reads on. */
        assert_int_equal(files_directory_write(paths, 812, def, "x", 2), 0);
        assert_int_equal(file_read(AT_FDCWD, name, text, sizeof(text)), 2);
        assert_int_equal(n_files(), 1);

        files_directory_remove(paths, 812);
        assert_int_equal(n_files(), 0);
        files_directory_remove(paths, 812);
}

/* A daemon has died in the middle of it. */
static void test_write_over_remnant(void **state) {
        assert_int_equal(write_list(1), 0);
        make(".unit-2");
        assert_int_equal(write_list(2), 0);
        assert_int_equal(stat_of(2).st_size, LIST_SIZE);
        assert_false(is_there(".unit-2"));
}

static void test_nowhere(void **state) {
        _cleanup_(files_directory_freep) FilesDirectory *none = NULL, *absent = NULL;
        char path[128];

        assert_int_equal(files_directory_new(&none, NULL, "unit"), 0);
        assert_int_equal(files_directory_write(none, 1, def, LIST, LIST_SIZE), -ENOENT);
        assert_false(files_directory_claim(none, 1));
        files_directory_remove(none, 1);
        files_directory_sweep(none);

        (void)snprintf(path, sizeof(path), "%s/no/such", directory);
        assert_int_equal(files_directory_new(&absent, path, "unit"), 0);
        assert_int_equal(files_directory_write(absent, 1, def, LIST, LIST_SIZE), -ENOENT);
        files_directory_sweep(absent);
}

/* The directory that a socket is in may be everybody's: whatever else than our own directory is there is left alone.
 */
static void test_directory_of_others(void **state) {
        uid_t other = geteuid() == 0 ? 3999999 : geteuid();
        char path[128], target[128];

        assert_int_equal(chmod(directory, 01777), 0);
        (void)snprintf(path, sizeof(path), "%s/batches", directory);
        (void)snprintf(target, sizeof(target), "%s/target", directory);
        assert_int_equal(mkdir(target, 0755), 0);
        if (geteuid() == 0) { /* somebody was there first */
                assert_int_equal(mkdir(path, 0711), 0);
                assert_int_equal(chown(path, other, (gid_t)-1), 0);
                make("unit-5");
                assert_int_equal(write_list(1), -EPERM);
                assert_false(files_directory_claim(paths, 5));
                files_directory_remove(paths, 5);
                assert_int_equal(n_files(), 1);
                assert_int_equal(nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
        }
        assert_int_equal(symlink(target, path), 0);
        assert_true(write_list(1) < 0);
        assert_int_equal(n_files(), 0);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkdir(path, 0755), 0); /* ours, but open to all */
        assert_int_equal(chmod(path, 0777), 0);
        assert_int_equal(write_list(1), -EPERM);
        assert_int_equal(rmdir(path), 0);
        assert_int_equal(write_list(1), 0);
        assert_true(is_there("unit-1"));
        assert_int_equal(chmod(directory, 0777), 0); /* anybody could replace the directory */
        assert_int_equal(write_list(2), -EPERM);
        assert_int_equal(chmod(directory, 0755), 0);
}

static void test_failure_leaves_nothing(void **state) {
        struct rlimit limit, small;
        int r;

        assert_int_equal(write_list(1), 0);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
        small = (struct rlimit){ .rlim_cur = LIST_SIZE - 1, .rlim_max = limit.rlim_max };
        (void)signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        r = write_list(2);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        assert_int_equal(r, -EFBIG);
        assert_int_equal(n_files(), 1);
}

/* The service manager takes no path with links or dots in it. */
static void test_real_path(void **state) {
        _cleanup_(files_directory_freep) FilesDirectory *f = NULL;
        _cleanup_free_ char *name = NULL, *expected = name_of(7);
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/./../%s", directory, strrchr(directory, '/') + 1);
        assert_int_equal(files_directory_new(&f, path, "unit"), 0);
        assert_int_equal(files_directory_name(f, 7, &name), 0);
        assert_string_equal(name, expected);
}

/* --- who may read --- */

static void drop_chown(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2];

        assert_int_equal(syscall(SYS_capget, &header, data), 0);
        data[0].effective &= ~(1U << CAP_CHOWN);
        data[0].permitted &= ~(1U << CAP_CHOWN);
        assert_int_equal(syscall(SYS_capset, &header, data), 0);
}

static int in_child(void (*function)(uint64_t), uint64_t run, uid_t uid) {
        pid_t pid = fork();
        int status;

        assert_true(pid >= 0);
        if (pid == 0) {
                if (uid > 0 && setresuid(uid, uid, uid) < 0)
                        _exit(99);
                function(run);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static void open_it(uint64_t run) {
        _cleanup_free_ char *name = name_of(run);
        int fd = open(name, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                _exit(errno);
}

static void write_in_sandbox(uint64_t run) {
        drop_chown();
        if (write_list(run) < 0)
                _exit(1);
}

static uid_t uid_of(const char *name) {
        const struct passwd *pw = getpwnam(name);

        assert_non_null(pw);
        return pw->pw_uid;
}

static void test_user(void **state) {
        uid_t nobody = uid_of("nobody"), other = uid_of("daemon");
        char number[16];

        if (geteuid() != 0)
                skip();
        set_property("User", "nobody", 0);
        assert_int_equal(write_list(1), 0);
        assert_int_equal(stat_of(1).st_uid, nobody);
        assert_int_equal(stat_of(1).st_mode & 07777, 0400);

        /* By number, whether there is such a user or not. */
        (void)snprintf(number, sizeof(number), "%u", (unsigned)nobody);
        set_property("User", number, 0);
        assert_int_equal(write_list(2), 0);
        assert_int_equal(stat_of(2).st_uid, nobody);
        set_property("User", "3999999", 0);
        assert_int_equal(write_list(3), 0);
        assert_int_equal(stat_of(3).st_uid, 3999999);

        /* Where that is not permitted, as in a tighter sandbox. */
        set_property("User", "nobody", 0);
        assert_int_equal(in_child(write_in_sandbox, 4, 0), 0);
        assert_int_equal(stat_of(4).st_uid, 0);
        assert_int_equal(stat_of(4).st_mode & 07777, 0440); /* the 4 of the group is the mask of the list */
        for (uint64_t run = 1; run <= 4; run++) {
                assert_int_equal(in_child(open_it, run, nobody), run == 3 ? EACCES : 0);
                assert_int_equal(in_child(open_it, run, other), EACCES);
        }
        /* root needs no list */
        set_property("User", "root", 0);
        assert_int_equal(write_list(5), 0);
        assert_int_equal(stat_of(5).st_mode & 07777, 0400);
        assert_int_equal(stat_of(5).st_uid, 0);
}

/* One that cannot be named now gets the list by other means; nobody else ever does. */
static void test_unknown_user(void **state) {
        static const struct {
                int line;
                const char *user;
                bool dynamic, known;
        } table[] = {
                { __LINE__, NULL, false, true },          { __LINE__, "", false, true },
                { __LINE__, "root", false, true },        { __LINE__, "no-such-user", false, false },
                { __LINE__, "4294967295", false, false }, { __LINE__, "99999999999999999999", false, false },
                { __LINE__, NULL, true, false },          { __LINE__, "no-such-user", true, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                if (table[i].user)
                        set_property("User", table[i].user, 0);
                if (table[i].dynamic)
                        set_property("DynamicUser", NULL, 1);
                assert_int_equal(write_list(i), 0);
                if (paths_reader_is_known(def) != table[i].known || (stat_of(i).st_mode & 07777) != 0400 ||
                    stat_of(i).st_uid != geteuid())
                        fail_msg("line %d: %o", table[i].line, stat_of(i).st_mode);
                while (def->rare->n_properties > 0)
                        unit_property_done(&def->rare->properties[--def->rare->n_properties]);
        }
}

/* --- what was left behind --- */

static void test_sweep(void **state) {
        static const char *const ours[] = { "unit-3", ".unit-4", "unit-18446744073709551615" };
        static const char *const others[] = { "child-3", ".child-3", "unit-3x", "unit-", "unit", "units-3", "other" };
        _cleanup_(files_directory_freep) FilesDirectory *next = NULL;

        assert_int_equal(write_list(1), 0);
        assert_int_equal(write_list(2), 0);
        assert_int_equal(write_list(20), 0);
        for (size_t i = 0; i < ELEMENTSOF(ours); i++)
                make(ours[i]);
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                make(others[i]);

        assert_int_equal(files_directory_new(&next, directory, "unit"), 0);
        assert_true(files_directory_claim(next, 20));
        assert_true(files_directory_claim(next, 2));
        assert_false(files_directory_claim(next, 5));
        assert_int_equal(files_directory_write(next, 4, def, "x", 2), 0);
        files_directory_sweep(next);
        assert_false(is_there("unit-1"));
        assert_true(is_there("unit-2"));
        assert_true(is_there("unit-4"));
        assert_true(is_there("unit-20"));
        for (size_t i = 0; i < ELEMENTSOF(ours); i++)
                assert_false(is_there(ours[i]));
        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                assert_true(is_there(others[i]));

        /* What comes later is nobody's remnant. */
        assert_int_equal(files_directory_write(next, 6, def, "x", 2), 0);
        files_directory_sweep(next);
        assert_true(is_there("unit-6"));
        assert_true(files_directory_claim(next, 6));
}

static void test_input(void **state) {
        assert_true(paths_are_input(def));
        set_property("User", "nobody", 0);
        assert_true(paths_are_input(def));
        set_property("StandardInput", "null", 0);
        assert_false(paths_are_input(def));
        def->rare->properties[1].name = "StandardInputFile";
        assert_false(paths_are_input(def));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_write, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_write_over_remnant, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_nowhere, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_directory_of_others, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_failure_leaves_nothing, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_real_path, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_user, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_unknown_user, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_sweep, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_input, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
