/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where the files lie: of the system whatever the environment says, of a user by the XDG variables or the home. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "config.h"
#include "util/places.h"
#include "util/strv.h"

static void set(const char *config, const char *state, const char *runtime, const char *home) {
        const struct {
                const char *name, *value;
        } all[] = {
                { "XDG_CONFIG_HOME", config },
                { "XDG_STATE_HOME", state },
                { "XDG_RUNTIME_DIR", runtime },
                { "HOME", home },
        };

        for (size_t i = 0; i < ELEMENTSOF(all); i++)
                assert_int_equal(all[i].value ? setenv(all[i].name, all[i].value, 1) : unsetenv(all[i].name), 0);
}

/* The directories of jobs, one after the other, each with a colon behind it. */
static void assert_job_dirs(bool user, const char *expected) {
        _cleanup_(strv_freep) char **dirs = NULL;
        char text[1024] = "";
        size_t n = 0;

        assert_int_equal(places_job_dirs(user, &dirs), 0);
        STRV_FOREACH(d, dirs)
                n += (size_t)snprintf(text + n, sizeof(text) - n, "%s:", *d);
        assert_string_equal(text, expected);
}

static void assert_place(int (*find)(bool user, char **ret), bool user, const char *expected) {
        _cleanup_free_ char *path = NULL;

        assert_int_equal(find(user, &path), 0);
        assert_string_equal(path, expected);
}

static void test_system(void **state) {
        set("/u/config", "/u/state", "/u/run", "/u");
        assert_place(places_settings, false, VAKT_SYSCONFDIR "/vaktd/vaktd.conf");
        assert_place(places_state_dir, false, VAKT_STATEDIR "/vaktd");
        assert_place(places_socket, false, "/run/vaktd/control");
        assert_job_dirs(false, VAKT_SYSCONFDIR
                        "/vaktd/jobs.d:/run/vaktd/jobs.d:/usr/local/lib/vaktd/jobs.d:" VAKT_LIBDIR "/vaktd/jobs.d:");
}

static void test_user(void **state) {
        set("/u/config", "/u/state", "/u/run", "/u");
        assert_place(places_settings, true, "/u/config/vaktd/vaktd.conf");
        assert_place(places_state_dir, true, "/u/state/vaktd");
        assert_place(places_socket, true, "/u/run/vaktd/control");
        assert_job_dirs(true, "/u/config/vaktd/jobs.d:/u/run/vaktd/jobs.d:" VAKT_LIBDIR "/vaktd/user-jobs.d:");
}

/* Unset, empty and relative are one. */
static void test_home(void **state) {
        static const char *const useless[] = { NULL, "", "config" };
        char socket[64];

        (void)snprintf(socket, sizeof(socket), "/run/user/%u/vaktd/control", (unsigned)getuid());
        for (size_t i = 0; i < ELEMENTSOF(useless); i++) {
                set(useless[i], useless[i], useless[i], "/u");
                assert_place(places_settings, true, "/u/.config/vaktd/vaktd.conf");
                assert_place(places_state_dir, true, "/u/.local/state/vaktd");
                assert_place(places_socket, true, socket);
        }
}

static void test_no_home(void **state) {
        char **dirs = NULL;
        char *path = NULL;

        set(NULL, NULL, NULL, "");
        assert_int_equal(places_settings(true, &path), -ENXIO);
        assert_int_equal(places_state_dir(true, &path), -ENXIO);
        assert_int_equal(places_job_dirs(true, &dirs), -ENXIO);
        assert_null(path);
        assert_null(dirs);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_system),
                cmocka_unit_test(test_user),
                cmocka_unit_test(test_home),
                cmocka_unit_test(test_no_home),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
