/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Paths that others can change, and acting as them. Needs root, since it needs other users: is skipped without. */

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "fs/acl.h"
#include "fs/beneath.h"
#include "fs/guarded.h"
#include "fs/identity.h"
#include "fs/mount-table.h"
#include "scratch-tree.h"

static void make_link(const char *target, const char *name, uid_t uid) {
        assert_int_equal(symlink(target, at(name)), 0);
        assert_int_equal(lchown(at(name), uid, uid), 0);
}

static int try(const char *path, char **reterr) {
        GuardedDirectory d = { .fd = -EBADF };
        int r = guarded_open(path, &d, reterr);

        guarded_close(&d);
        return r;
}

static void refuses(const char *name, int error, const char *words) {
        _cleanup_free_ char *text = NULL;

        assert_int_equal(try(at(name), &text), error);
        assert_non_null(text);
        if (!strstr(text, words))
                fail_msg("\"%s\" is not in \"%s\"", words, text);
}

static void test_owners(void **state) {
        GuardedDirectory d;

        make("alice", ALICE, 0700);
        make("alice/in", ALICE, 0777);
        assert_int_equal(guarded_open(at("alice/in/"), &d, NULL), 0);
        assert_int_equal(d.uid, ALICE);
        assert_false(d.is_trusted);
        assert_true(d.is_shared && d.is_writable_by_all);
        guarded_close(&d);
        assert_int_equal(guarded_open(top, &d, NULL), 0);
        assert_true(d.is_trusted);
        assert_false(d.is_shared);
        guarded_close(&d);
        assert_int_equal(try("/", NULL), 0);
        assert_int_equal(try("relative", NULL), -EINVAL);
        refuses("alice/missing", -ENOENT, "/alice/missing does not exist");

        /* What lies in a directory of hers has to be hers: she could have put another one there. */
        make("alice/bobs", BOB, 0755);
        make("alice/roots", 0, 0755);
        refuses("alice/bobs", -EPERM, "can put another directory in its place");
        refuses("alice/roots", -EPERM, "belongs to root");
}

static void test_shared(void **state) {
        make("drop", 0, 01777);
        make("drop/sub", 0, 0755);
        make("open", 0, 0777);
        make("open/sub", 0, 0755);
        assert_int_equal(chown(at("open"), 0, 0), 0);
        assert_int_equal(try(at("drop/sub"), NULL), 0);
        assert_int_equal(chmod(at("open"), 0777), 0);
        refuses("open", -EPERM, "sticky bit");
        refuses("open/sub", -EPERM, "sticky bit");
        assert_int_equal(chown(at("open"), 0, ALICE), 0);
        assert_int_equal(chmod(at("open"), 0775), 0);
        refuses("open/sub", -EPERM, "sticky bit"); /* her group's */
        assert_int_equal(chown(at("open"), 0, 0), 0);
        assert_int_equal(try(at("open/sub"), NULL), 0); /* root's own group */
}

/* setfacl -m u:alice:rwx: the directory is root's, and so is its group, and all the same alice can replace what is in
 * it. */
static void test_shared_by_a_list(void **state) {
        _cleanup_close_ int fd = -EBADF;
        GuardedDirectory d;
        int r;

        make("list", 0, 0755);
        make("list/sub", 0, 0755);
        make_link("sub", "list/link", 0);
        fd = open(at("list"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = acl_give(fd, ALICE, 07);
        if (r == -EOPNOTSUPP)
                skip();
        assert_int_equal(r, 0);
        refuses("list", -EPERM, "sticky bit");
        refuses("list/sub", -EPERM, "sticky bit");
        assert_int_equal(chmod(at("list"), 01770), 0);
        refuses("list/link", -ELOOP, "symbolic link");
        assert_int_equal(guarded_open(at("list"), &d, NULL), 0);
        assert_true(d.is_shared);
        guarded_close(&d);
}

static void test_links(void **state) {
        make("real", 0, 0755);
        make("alice", ALICE, 0755);
        make("alice/in", ALICE, 0755);
        make("drop", 0, 01777);
        make_link("real", "by-root", 0);
        make_link(at("real"), "by-root-too", 0);
        make_link("real", "by-alice", ALICE);
        make_link("../real", "alice/link", ALICE);
        make_link("../real", "alice/roots-link", 0);
        make_link("../real", "drop/link", 0);
        make_link("cycle", "cycle", 0);
        assert_int_equal(try(at("by-root"), NULL), 0);
        assert_int_equal(try(at("by-root-too"), NULL), 0);
        refuses("by-alice", -ELOOP, "symbolic link that uid 54321 can change");
        refuses("alice/link", -ELOOP, "symbolic link that uid 54321 can change");
        refuses("alice/roots-link", -ELOOP, "symbolic link that uid 54321 can change");
        refuses("drop/link", -ELOOP, "directory that other users can write to");
        refuses("cycle", -ELOOP, "too many");
        assert_int_equal(try(at("real/../alice/in"), NULL), 0);
}

/* The type of what is found, or an error. */
static int found(const char *name, GuardedFind find) {
        _cleanup_close_ int fd = guarded_find_local(at(name), find);
        struct stat st;

        if (fd < 0)
                return fd;
        assert_int_equal(fstat(fd, &st), 0);
        return (int)(st.st_mode & S_IFMT);
}

static void test_find(void **state) {
        make("alice", ALICE, 0755);
        make("private", 0, 0700);
        make("private/in", 0, 0755);
        make_link("private/in", "by-root", 0);
        make_link("private/in", "alice/by-alice", ALICE);
        assert_int_equal(mknod(at("fifo"), S_IFIFO | 0644, 0), 0);
        assert_int_equal(chmod(top, 0755), 0);
        assert_int_equal(found("fifo", GUARDED_FIND_OWN), S_IFIFO);
        assert_int_equal(found("fifo/x", GUARDED_FIND_OWN), -ENOTDIR);
        assert_int_equal(found("fifo", GUARDED_FIND_PUBLIC), S_IFIFO);
        assert_int_equal(found("missing", GUARDED_FIND_PUBLIC), -ENOENT);
        assert_int_equal(found("private", GUARDED_FIND_PUBLIC), S_IFDIR);
        assert_int_equal(found("private/in", GUARDED_FIND_PUBLIC), -EPERM);
        assert_int_equal(found("private/missing", GUARDED_FIND_PUBLIC), -EPERM);
        assert_int_equal(found("private/in", GUARDED_FIND_OWN), S_IFDIR);
        assert_int_equal(found("by-root", GUARDED_FIND_PUBLIC), -EPERM);
        assert_int_equal(found("by-root", GUARDED_FIND_OWN), S_IFDIR);
        assert_int_equal(found("by-root", GUARDED_FIND_LINK), S_IFLNK);
        assert_int_equal(found("by-root/.", GUARDED_FIND_LINK), S_IFDIR);
        assert_int_equal(found("alice/by-alice", GUARDED_FIND_OWN), -ELOOP);
        assert_int_equal(found("alice/by-alice", GUARDED_FIND_LINK), S_IFLNK);
        assert_int_equal(found("alice/by-alice", GUARDED_FIND_ALL), -ENOENT); /* it leads to nothing there */
}

/* Most paths are found in one call; that one goes through no link and into no mount, whose kind nobody has asked for.
 */
static void test_find_at_once(void **state) {
        _cleanup_close_ int fd = -EBADF;

        make("a", 0, 0755);
        make("a/b", ALICE, 0700);
        make("a/mount", 0, 0755);
        make_link("a/b", "link", 0);
        assert_int_equal(found("a/b", GUARDED_FIND_ALL), S_IFDIR);
        assert_int_equal(found("a/b/missing", GUARDED_FIND_ALL), -ENOENT);
        assert_int_equal(open_within_mount(AT_FDCWD, at("link"), /* follow_last= */ true), -ELOOP);
        assert_int_equal(open_within_mount(AT_FDCWD, at("link/."), /* follow_last= */ false), -ELOOP);
        fd = open_within_mount(AT_FDCWD, at("link"), /* follow_last= */ false);
        assert_true(fd >= 0);
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("x", at("a/mount"), "tmpfs", 0, NULL) < 0)
                skip();
        make("a/mount/c", 0, 0755);
        assert_int_equal(open_within_mount(AT_FDCWD, at("a/mount/c"), /* follow_last= */ true), -EXDEV);
        assert_int_equal(open_within_mount(AT_FDCWD, at("a/mount"), /* follow_last= */ true), -EXDEV);
        assert_int_equal(found("a/mount/c", GUARDED_FIND_ALL), S_IFDIR);
        assert_int_equal(found("a/mount", GUARDED_FIND_ALL), S_IFDIR);
        assert_int_equal(umount(at("a/mount")), 0);
}

/* What file_examine() says: has the file a writer? Its size is that of the same moment. */
static int examine(int dir_fd, const char *name, uint64_t size) {
        struct statx s;
        int has_writer, r;

        r = file_examine(dir_fd, name, directory_is_ours_alone(dir_fd), &s, &has_writer);
        if (r < 0)
                return r;
        assert_true(S_ISREG(s.stx_mode));
        assert_int_equal(s.stx_size, size);
        return has_writer;
}

/* What is mounted over a file is not opened: it may be a device. */
static void test_examine_mount(void **state) {
        _cleanup_close_ int dir = -EBADF, file = -EBADF;

        make("b", 0, 0755);
        dir = open(at("b"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        file = openat(dir, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        file = safe_close(file);
        assert_int_equal(examine(dir, "file", 0), 0);
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("/dev/null", at("b/file"), NULL, MS_BIND, NULL) < 0)
                skip();
        dir = safe_close(dir);
        dir = open(at("b"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(examine(dir, "file", 0), -EXDEV);
        assert_int_equal(fchmod(dir, 0777), 0);
        assert_int_equal(examine(dir, "file", 0), -EOPNOTSUPP);
        assert_int_equal(umount(at("b/file")), 0);
}

/* Also what is no file, and whatever way it is opened: a FIFO would wait, and its opening is seen. */
static void test_writers(void **state) {
        for (unsigned shared = 0; shared < 2; shared++) {
                _cleanup_close_ int dir = -EBADF, writer = -EBADF;

                make("dir", 0, shared ? 0777 : 0755);
                dir = open(at("dir"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                writer = openat(dir, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
                assert_true(writer >= 0);
                assert_int_equal(directory_is_ours_alone(dir), !shared);
                assert_int_equal(file_has_writer(dir, "file"), 1);
                assert_int_equal(examine(dir, "file", 0), 1);
                assert_int_equal(write(writer, "abc", 3), 3);
                writer = safe_close(writer);
                assert_int_equal(file_has_writer(dir, "file"), 0);
                assert_int_equal(examine(dir, "file", 3), 0);
                assert_int_equal(symlinkat("file", dir, "link"), 0);
                assert_int_equal(examine(dir, "link", 0), shared ? -EOPNOTSUPP : -ELOOP);
                assert_int_equal(examine(dir, "missing", 0), -ENOENT);
                assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
                assert_int_equal(file_has_writer(dir, "link"), -EOPNOTSUPP);
                assert_int_equal(file_has_writer(dir, "fifo"), -EOPNOTSUPP);
                assert_int_equal(file_has_writer(dir, "missing"), -ENOENT);
                assert_int_equal(unlinkat(dir, "file", 0), 0);
                assert_int_equal(unlinkat(dir, "link", 0), 0);
                assert_int_equal(unlinkat(dir, "fifo", 0), 0);
                assert_int_equal(rmdir(at("dir")), 0);
        }
}

static int detached(bool asks_before, bool is_local) {
        _cleanup_close_ int fd = -EBADF;
        dev_t device = 0;

        if (mount("x", at("mount"), "tmpfs", 0, NULL) < 0)
                skip();
        fd = open(at("mount"), O_PATH | O_CLOEXEC);
        if (asks_before)
                assert_int_equal((is_local ? file_is_local : file_is_answered)(fd, &device), 0);
        assert_int_equal(umount2(at("mount"), MNT_DETACH), 0);
        if (asks_before) /* it is known by its device */
                assert_int_equal((is_local ? file_is_local : file_is_answered)(fd, &device), 0);
        device = 0;
        return (is_local ? file_is_local : file_is_answered)(fd, &device);
}

/* Its type is not known any more, and its user can still make who asks it wait; unless it was known before. The next
 * mount has the same number in the table, and is none that is known. */
static void test_unmounted(void **state) {
        _cleanup_close_ int root = open("/", O_PATH | O_CLOEXEC);
        dev_t device = 0;
        struct statx s;
        int known;

        assert_int_equal(file_is_answered(root, &device), 0);
        assert_int_equal(statx(root, "", AT_EMPTY_PATH, 0x4000 /* STATX_MNT_ID_UNIQUE */, &s), 0);
        known = s.stx_mask & 0x4000 ? 0 : -EREMOTE;
        make("mount", 0, 0755);
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                skip();
        for (unsigned i = 0; i < 4; i++) {
                assert_int_equal(detached(/* asks_before= */ false, /* is_local= */ i % 2), -EREMOTE);
                assert_int_equal(detached(/* asks_before= */ true, /* is_local= */ i % 2), known);
        }
}

static void test_make(void **state) {
        struct stat st;

        make("alice", ALICE, 0755);
        make("bob", BOB, 0755);
        assert_int_equal(guarded_make(at("new/below"), 02775, NULL), 0);
        assert_int_equal(stat(at("new/below"), &st), 0);
        assert_int_equal(st.st_mode, S_IFDIR | 02775);
        assert_int_equal(guarded_make(at("new/below"), 0700, NULL), 0);
        assert_int_equal(stat(at("new/below"), &st), 0);
        assert_int_equal(st.st_mode, S_IFDIR | 02775); /* it was there */

        /* Below her directory it is hers, and she cannot have it made elsewhere. */
        assert_int_equal(guarded_make(at("alice/a/b"), 0750, NULL), 0);
        assert_int_equal(stat(at("alice/a/b"), &st), 0);
        assert_int_equal(st.st_uid, ALICE);
        assert_int_equal(st.st_gid, ALICE);
        assert_int_equal(st.st_mode, S_IFDIR | 0750);
        make_link("../bob", "alice/link", ALICE);
        assert_int_equal(guarded_make(at("alice/link/x"), 0755, NULL), -ELOOP);
        assert_int_equal(access(at("bob/x"), F_OK), -1);
        /* Nor where she may not: her own directory, read-only for her. */
        assert_int_equal(chmod(at("alice/a/b"), 0500), 0);
        assert_int_equal(guarded_make(at("alice/a/b/c"), 0755, NULL), -EACCES);
}

static void test_identity(void **state) {
        const gid_t groups[] = { BOB };
        const Identity alice = { .uid = ALICE, .gid = ALICE, .groups = (gid_t *)groups, .n_groups = 1 };
        _cleanup_close_ int dir_fd = -EBADF;
        _cleanup_(identity_restore) IdentityScope as_alice = {};
        struct stat st;

        make("secret", 0, 0700);
        make("alice", ALICE, 0700);
        make("group", 0, 0770);
        assert_int_equal(chown(at("group"), 0, BOB), 0);
        assert_int_equal(chmod(at("group"), 0770), 0);
        make("root-group", 0, 0770);
        dir_fd = open(at("secret"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(dir_fd >= 0);

        assert_int_equal(identity_enter(&as_alice, &alice), 0);
        assert_null(as_alice.previous);
        /* None of root's rights are left: by path or by descriptor, by capability or by group. */
        assert_int_equal(open(at("secret/x"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600), -1);
        assert_int_equal(errno, EACCES);
        assert_int_equal(mkdirat(dir_fd, "x", 0700), -1);
        assert_int_equal(errno, EACCES);
        assert_int_equal(mkdir(at("root-group/x"), 0700), -1);
        assert_int_equal(chown(at("alice"), BOB, BOB), -1);
        assert_int_equal(chmod(at("root-group"), 0777), -1);
        assert_int_equal(mkdir(at("alice/x"), 0700), 0);
        assert_int_equal(mkdir(at("group/x"), 0700), 0); /* by her other group */
        assert_int_equal(stat(at("alice/x"), &st), 0);
        assert_int_equal(st.st_uid, ALICE);
        {
                _cleanup_(identity_restore) IdentityScope scope = {};

                assert_int_equal(identity_enter(&scope, NULL), 0);
                assert_int_equal(mkdir(at("secret/y"), 0700), 0);
        }
        assert_int_equal(mkdir(at("secret/z"), 0700), -1);
        identity_restore(&as_alice);
        assert_int_equal(mkdir(at("secret/z"), 0700), 0);
        assert_int_equal(chown(at("alice"), BOB, BOB), 0);
}

static void test_users(void **state) {
        _cleanup_(identity_done) Identity i = {};
        _cleanup_free_ char *name = NULL, *number = NULL;

        assert_int_equal(identity_of_user("root", &i), 0);
        assert_int_equal(i.uid, 0);
        assert_int_equal(identity_of_user("54321", &i), 0);
        assert_int_equal(i.uid, ALICE);
        assert_int_equal(identity_of_user("no-such-user-here", &i), -ENOENT);
        name = user_name(0);
        number = user_name(ALICE);
        assert_string_equal(name, "root");
        assert_string_equal(number, "uid 54321");
}

static void test_acl(void **state) {
        const Identity alice = { .uid = ALICE, .gid = ALICE };
        _cleanup_close_ int fd = -EBADF;
        _cleanup_(identity_restore) IdentityScope as_alice = {};
        int r;

        make("lent", 0, 0711);
        fd = open(at("lent"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = acl_give(fd, ALICE, 07);
        if (r == -EOPNOTSUPP)
                skip();
        assert_int_equal(r, 0);
        assert_int_equal(identity_enter(&as_alice, &alice), 0);
        assert_int_equal(mkdir(at("lent/a"), 0700), 0);
        identity_restore(&as_alice);
        assert_int_equal(acl_remove(fd), 0);
        assert_int_equal(fchmod(fd, 0711), 0);
        assert_int_equal(identity_enter(&as_alice, &alice), 0);
        assert_int_equal(mkdir(at("lent/b"), 0700), -1);
        identity_restore(&as_alice);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_owners, make_top, remove_top),
                cmocka_unit_test_setup_teardown(test_shared, make_top, remove_top),
                cmocka_unit_test_setup_teardown(test_shared_by_a_list, make_top, remove_top),
                cmocka_unit_test_setup_teardown(test_links, make_top, remove_top),
                cmocka_unit_test_setup_teardown(test_find, make_top, remove_top),
                cmocka_unit_test_setup_teardown(test_find_at_once, make_top, remove_top),
                cmocka_unit_test_setup_teardown(test_examine_mount, make_top, remove_top),
                cmocka_unit_test_setup_teardown(test_writers, make_top, remove_top),
                cmocka_unit_test_setup_teardown(test_unmounted, make_top, remove_top),
                cmocka_unit_test_setup_teardown(test_make, make_top, remove_top),
                cmocka_unit_test_setup_teardown(test_identity, make_top, remove_top),
                cmocka_unit_test_setup_teardown(test_users, make_top, remove_top),
                cmocka_unit_test_setup_teardown(test_acl, make_top, remove_top),
        };

        if (geteuid() != 0) {
                (void)printf("1..0 # SKIP needs root\n");
                return 0;
        }
        return cmocka_run_group_tests(tests, NULL, NULL);
}
