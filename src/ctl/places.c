/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where job files and settings lie, as vaktd without arguments looks for them. */

#include <unistd.h>

#include "config.h"
#include "ctl/alloc.h"
#include "ctl/places.h"
#include "util/strv.h"

/* $XDG_CONFIG_HOME, or what stands for it. */
static char *user_config_dir(void) {
        const char *e = getenv("XDG_CONFIG_HOME");

        return e && e[0] == '/' ? alloc_string(e) : alloc_format("%s/.config", strempty(getenv("HOME")));
}

char *places_runtime_dir(bool user) {
        const char *e = getenv("XDG_RUNTIME_DIR");

        if (!user)
                return alloc_string("/run");
        return e && e[0] == '/' ? alloc_string(e) : alloc_format("/run/user/%u", (unsigned)getuid());
}

static void add(char ***dirs, const char *folder, const char *name) {
        if (strv_consume(dirs, alloc_format("%s/vaktd/%s", folder, name)) < 0)
                alloc_failed();
}

char **places_job_dirs(bool user) {
        _cleanup_free_ char *config = user ? user_config_dir() : alloc_string(VAKT_SYSCONFDIR);
        _cleanup_free_ char *runtime = places_runtime_dir(user);
        char **dirs = NULL;

        add(&dirs, config, "jobs.d");
        add(&dirs, runtime, "jobs.d");
        if (!user)
                add(&dirs, "/usr/local/lib", "jobs.d");
        add(&dirs, VAKT_LIBDIR, user ? "user-jobs.d" : "jobs.d");
        return dirs;
}

char *places_settings(bool user) {
        _cleanup_free_ char *config = user ? user_config_dir() : alloc_string(VAKT_SYSCONFDIR);

        return alloc_format("%s/vaktd/vaktd.conf", config);
}
