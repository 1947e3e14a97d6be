/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A job that the daemon does not have, and what that may come from: a mistyped name, a file that was not read yet,
 * that is a template, or that a link masks. The files are looked for where the daemon says that its files are. */

#include "ctl/no-such-job.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "client/daemon-view.h"
#include "client/job-view.h"
#include "ctl/alloc.h"
#include "util/edit-distance.h"
#include "util/strv.h"

JobFileKind job_file_find(Ctl *c, const char *name, char **ret_path) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(daemon_view_done) DaemonView daemon = { 0 };

        if (ctl_is_remote(c) || isempty(name) || strchr(name, '/') ||
            daemon_view_get(c->connection, &error, &daemon) < 0)
                return JOB_FILE_NONE;
        STRV_FOREACH(directory, daemon.directories) {
                _cleanup_free_ char *path = alloc_format("%s/%s.job", *directory, name);
                struct stat st;

                if (stat(path, &st) < 0)
                        continue;
                *ret_path = TAKE_PTR(path);
                if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3))
                        return JOB_FILE_MASKED;
                return name[strlen(name) - 1] == '@' ? JOB_FILE_TEMPLATE : JOB_FILE_UNREAD;
        }
        return JOB_FILE_NONE;
}

/* The job whose name is probably meant; NULL: none. The caller frees it. */
static char *nearest_job(Ctl *c, const char *given) {
        const char *slash = strrchr(given, '/');
        _cleanup_free_ char *name = alloc_string(slash ? slash + 1 : given);
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(rows_done) Rows rows = { 0 };
        size_t n = strlen(name), n_suffix = strlen(".job");
        Nearest nearest;

        if (n > n_suffix && streq(name + n - n_suffix, ".job"))
                name[n - n_suffix] = '\0';
        nearest = nearest_begin(name);
        if (job_rows_get(c->connection, &error, &rows) < 0)
                return NULL;
        for (size_t i = 0; i < rows.n_items; i++)
                (void)nearest_take(&nearest, rows.jobs[i].name, name_distance(name, rows.jobs[i].name));
        return nearest.name ? alloc_string(nearest.name) : NULL;
}

bool job_complain_of_missing(Ctl *c, const char *name) {
        _cleanup_free_ char *path = NULL, *nearest = NULL;

        switch (job_file_find(c, name, &path)) {
        case JOB_FILE_MASKED:
                ctl_complain(_("Job '%s' is masked: %s is a link to /dev/null."), name, path);
                return true;
        case JOB_FILE_TEMPLATE:
                ctl_complain(_("'%s' is a template: %s. Write the name of an instance, such as '%sNAME'."), name, path,
                             name);
                return true;
        case JOB_FILE_UNREAD:
                ctl_complain(_("vaktd has not read %s yet; use 'vaktctl%s reload'."), path, c->user ? " --user" : "");
                return true;
        case JOB_FILE_NONE:
                break;
        }
        nearest = nearest_job(c, name);
        if (nearest)
                ctl_complain(_("There is no job '%s'. Did you mean '%s'?"), name, nearest);
        return nearest;
}
