/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Three roots, each with a fixed place for the system and one for a user as in the XDG Base Directory Specification,
 * and the names below them. A variable that does not contain an absolute path counts as unset, as that specification
 * requires. */

#include "util/places.h"

#include "config.h"
#include "util/strv.h"

typedef struct Root {
        const char *system, *variable;
        const char *in_home; /* NULL: not in the home directory, but in the one that logind creates */
} Root;

static const Root config_root = { VAKT_SYSCONFDIR, "XDG_CONFIG_HOME", ".config" };
static const Root state_root = { VAKT_STATEDIR, "XDG_STATE_HOME", ".local/state" };
static const Root runtime_root = { "/run", "XDG_RUNTIME_DIR", NULL };

/* The path of a name below a root. */
static int place(const Root *root, bool user, const char *name, char **ret) {
        const char *value = getenv(root->variable), *home = getenv("HOME");

        if (!user)
                return string_format(ret, "%s/%s", root->system, name);
        if (value && value[0] == '/')
                return string_format(ret, "%s/%s", value, name);
        if (!root->in_home)
                return string_format(ret, "/run/user/%u/%s", (unsigned)getuid(), name);
        if (home && home[0] == '/')
                return string_format(ret, "%s/%s/%s", home, root->in_home, name);
        return -ENXIO;
}

static int add_place(char ***dirs, const Root *root, bool user) {
        char *path;
        int r;

        r = place(root, user, "vaktd/jobs.d", &path);
        return r < 0 ? r : strv_consume(dirs, path);
}

int places_job_dirs(bool user, char ***ret) {
        _cleanup_(strv_freep) char **dirs = NULL;
        int r;

        r = add_place(&dirs, &config_root, user);
        if (r >= 0)
                r = add_place(&dirs, &runtime_root, user);
        if (r >= 0 && !user)
                r = strv_extend(&dirs, "/usr/local/lib/vaktd/jobs.d");
        if (r >= 0)
                r = strv_extendf(&dirs, VAKT_LIBDIR "/vaktd/%s", user ? "user-jobs.d" : "jobs.d");
        if (r < 0)
                return r;
        *ret = TAKE_PTR(dirs);
        return 0;
}

int places_settings(bool user, char **ret) {
        return place(&config_root, user, "vaktd/vaktd.conf", ret);
}

int places_state_dir(bool user, char **ret) {
        return place(&state_root, user, "vaktd", ret);
}

int places_socket(bool user, char **ret) {
        return place(&runtime_root, user, "vaktd/control", ret);
}
