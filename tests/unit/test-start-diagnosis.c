/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What can be seen of the files of a run that could not be started, and what must not be said about them. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "exec/start-diagnosis.h"

static char top[] = "/tmp/start-diagnosis.XXXXXX";

static void put(const char *name, const char *content, mode_t mode) {
        char path[128];
        int fd;

        (void)snprintf(path, sizeof(path), "%s/%s", top, name);
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, content, strlen(content)), strlen(content));
        assert_int_equal(fchmod(fd, mode), 0);
        (void)close(fd);
}

static void put_script(const char *name, const char *interpreter) {
        char line[128];

        (void)snprintf(line, sizeof(line), "#!%s/%s\n", top, interpreter);
        put(name, line, 0755);
}

static int set_up(void **state) {
        char path[128];

        assert_non_null(mkdtemp(top));
        assert_int_equal(chmod(top, 0755), 0);
        put("plain", "text", 0644);
        put("garbage", "text that is no program", 0755);
        put("tiny", "", 0755);
        put("good", "#!/bin/sh\n", 0755);
        put("orphan", "#! /no/such/interpreter -x\n", 0755);
        put("secret", "#!/no/such/secret\n", 0711);
        put_script("prober", "private/nothing");
        put_script("prober-of-file", "private/file");
        (void)snprintf(path, sizeof(path), "%s/private", top);
        assert_int_equal(mkdir(path, 0700), 0);
        put("private/file", "", 0600);
        (void)snprintf(path, sizeof(path), "%s/link", top);
        return symlink("orphan", path);
}

static int tear_down(void **state) {
        char command[128];

        (void)snprintf(command, sizeof(command), "rm -r %s", top);
        return system(command);
}

static void test_programs(void **state) {
        static const struct {
                unsigned line;
                const char *name;
                bool is_ours;
                int error;
                const char *words; /* behind the path */
        } rows[] = {
                { __LINE__, "missing", true, ENOENT, ": No such file or directory" },
                { __LINE__, "missing", false, ENOENT, ": No such file or directory" },
                { __LINE__, "plain/x", true, ENOTDIR, ": Not a directory" },
                { __LINE__, "plain", true, EACCES, ": Permission denied" },
                { __LINE__, "plain", false, EACCES, ": Permission denied" },
                { __LINE__, "", true, EACCES, ": Permission denied" },
                { __LINE__, "garbage", true, ENOEXEC, ": Exec format error" },
                { __LINE__, "tiny", true, ENOEXEC, ": Exec format error" },
                { __LINE__, "good", true, 0, NULL },
                { __LINE__, "orphan", true, ENOENT,
                  ": its interpreter /no/such/interpreter: No such file or directory" },
                { __LINE__, "orphan", false, ENOENT,
                  ": its interpreter /no/such/interpreter: No such file or directory" },
                { __LINE__, "link", true, ENOENT,
                  ": its interpreter /no/such/interpreter: No such file or directory" },
                { __LINE__, "secret", true, ENOENT, ": its interpreter /no/such/secret: No such file or directory" },
                { __LINE__, "secret", false, 0, NULL },
                /* a user may have written the script to see whether there is such a file */
                { __LINE__, "prober", false, 0, NULL },
                { __LINE__, "prober-of-file", false, 0, NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                char path[128], expected[DIAGNOSIS_MAX], found[DIAGNOSIS_MAX];
                int error;

                (void)snprintf(path, sizeof(path), "%s/%s", top, rows[i].name);
                (void)snprintf(expected, sizeof(expected), "%s%s", path, strempty(rows[i].words));
                error = diagnose_program(path, rows[i].is_ours, found);
                if (error != rows[i].error || (error > 0 && !streq(found, expected)))
                        fail_msg("line %u: %d, %s", rows[i].line, error, found);
        }
}

/* Somebody may have put the link there to see what is behind it. */
static void test_link_of_another(void **state) {
        char path[128], found[DIAGNOSIS_MAX];

        if (geteuid() != 0)
                skip();
        (void)snprintf(path, sizeof(path), "%s/foreign", top);
        assert_int_equal(symlink("orphan", path), 0);
        assert_int_equal(diagnose_program(path, false, found), ENOENT);
        assert_int_equal(lchown(path, 65534, 65534), 0);
        assert_int_equal(diagnose_program(path, false, found), 0);
        assert_int_equal(diagnose_program(path, true, found), ENOENT);
}

/* A name is looked for elsewhere, and a program that executes is fine. */
static void test_nothing_to_see(void **state) {
        char found[DIAGNOSIS_MAX];

        assert_int_equal(diagnose_program("no-such-name", true, found), 0);
        assert_int_equal(diagnose_program("/bin/true", true, found), 0);
        describe_exec_failure("/bin/true", ENOMEM, found);
        assert_string_equal(found, "/bin/true: Cannot allocate memory");
}

static UnitProperty *add(JobDef *def, UnitProperty *properties, const char *name, const char *signature) {
        UnitProperty *p = &properties[def->rare->n_properties++];

        *p = (UnitProperty){ .name = name, .signature = signature };
        def->rare->properties = properties;
        return p;
}

static void test_paths(void **state) {
        static const char *const settings[] = { "BindPaths", "ReadWritePaths", "RootDirectory", NULL };
        static const char *const output[] = { "StandardOutputFileToAppend", NULL };
        UnitProperty properties[8];
        RareDef rare = {};
        JobDef def = { .rare = &rare };
        char found[DIAGNOSIS_MAX];
        UnitProperty *p;

        assert_int_equal(diagnose_paths(&def, settings, found), 0);
        p = add(&def, properties, "ReadWritePaths", "as");
        assert_int_equal(unit_property_add_number(p, 3), 0);
        assert_int_equal(unit_property_add_text(p, "/tmp", SIZE_MAX), 0);
        assert_int_equal(unit_property_add_text(p, "-/no/optional", SIZE_MAX), 0);
        assert_int_equal(unit_property_add_text(p, "/no/such", SIZE_MAX), 0);
        assert_int_equal(diagnose_paths(&def, settings, found), ENOENT);
        assert_string_equal(found, "ReadWritePaths=/no/such: No such file or directory");
        p = add(&def, properties, "BindPaths", "a(ssbt)");
        assert_int_equal(unit_property_add_number(p, 1), 0);
        assert_int_equal(unit_property_add_text(p, "/no/source", SIZE_MAX), 0);
        assert_int_equal(unit_property_add_text(p, "/mnt", SIZE_MAX), 0);
        assert_int_equal(unit_property_add_number(p, 0), 0);
        assert_int_equal(unit_property_add_number(p, 0), 0);
        assert_int_equal(diagnose_paths(&def, settings, found), ENOENT);
        assert_string_equal(found, "BindPaths=/no/source: No such file or directory");
        p->values[3].number = 1;                           /* it may be missing */
        p = add(&def, properties, "ReadWritePaths", "as"); /* which takes back the first one */
        assert_int_equal(unit_property_add_number(p, 0), 0);
        assert_int_equal(diagnose_paths(&def, settings, found), 0);
        p = add(&def, properties, output[0], "s");
        assert_int_equal(unit_property_add_text(p, "/tmp/no-such-file-yet", SIZE_MAX), 0);
        assert_int_equal(diagnose_paths(&def, output, found), 0);
        p = add(&def, properties, output[0], "s");
        assert_int_equal(unit_property_add_text(p, "/no/directory/log", SIZE_MAX), 0);
        assert_int_equal(diagnose_paths(&def, output, found), ENOENT);
        assert_string_equal(found, "/no/directory/log: No such file or directory");
        p = add(&def, properties, "RootDirectory", "s"); /* in which all paths are others */
        assert_int_equal(unit_property_add_text(p, "/tmp", SIZE_MAX), 0);
        assert_int_equal(diagnose_paths(&def, output, found), 0);
        for (size_t i = 0; i < rare.n_properties; i++)
                unit_property_done(&properties[i]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_programs),
                cmocka_unit_test(test_link_of_another),
                cmocka_unit_test(test_nothing_to_see),
                cmocka_unit_test(test_paths),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
