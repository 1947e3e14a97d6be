/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The methods of org.vaktd1.Manager for jobs that run once. The text of a job says as whom it runs, so only root
 * and the user of the daemon may create one, whatever polkit permits. */

#include "bus/api-manager.h"
#include "bus/errors.h"
#include "bus/object-path.h"
#include "bus/text.h"

#define ONCE_TEXT_MAX ((size_t)64 * 1024) /* bytes; kept while the bus is asked who the caller is */

typedef struct Creation {
        const char *name, *text;
        usec_t at;
} Creation;

static int read_creation(sd_bus_message *m, Creation *ret, sd_bus_error *e) {
        int r = sd_bus_message_read(m, "sts", &ret->name, &ret->at, &ret->text);

        if (r < 0)
                return r;
        if (strnlen(ret->name, CLIENT_JOB_NAME_MAX + 1) > CLIENT_JOB_NAME_MAX ||
            strnlen(ret->text, ONCE_TEXT_MAX + 1) > ONCE_TEXT_MAX)
                return sd_bus_error_setf(e, ERROR_BAD_OPTION, "The job is too large: its text may have %zu bytes.",
                                         ONCE_TEXT_MAX);
        return 0;
}

static int creation_failed(const Creation *k, int error, const char *reason, sd_bus_error *e) {
        _cleanup_free_ char *copy = NULL;

        switch (-error) {
        case EINVAL:
                return sd_bus_error_set(e, ERROR_BAD_OPTION,
                                        text_fit(reason, TEXT_MAX, &copy) ?: "The text of the job is invalid.");
        case EEXIST:
                return sd_bus_error_setf(e, ERROR_BAD_OPTION,
                                         "There is a job '%s', or a file of one, already; choose another name.",
                                         k->name);
        case ENOTEMPTY:
                return sd_bus_error_setf(e, ERROR_BAD_OPTION,
                                         "There are drop-ins for a job '%s' in a directory %s.job.d; remove them, or "
                                         "choose another name.",
                                         k->name, k->name);
        case ENOENT:
                return sd_bus_error_setf(e, ERROR_BAD_OPTION,
                                         "'%s' is no name of a job: use letters, digits, '_', '.' and '-'.", k->name);
        case ERANGE:
                return sd_bus_error_set(e, ERROR_BAD_OPTION,
                                        "The time has passed, or is too late; times are in µs since 1970.");
        case ENOBUFS:
                return sd_bus_error_setf(e, ERROR_LIMIT_REACHED,
                                         "There are %d jobs that run once; cancel some, or wait until they have run.",
                                         ONCE_JOBS_MAX);
        case EIO:
                return sd_bus_error_set(e, SD_BUS_ERROR_IO_ERROR,
                                        "The job cannot be written to the state directory of vaktd; look for a full "
                                        "disk.");
        case ESHUTDOWN:
                return sd_bus_error_set(e, ERROR_SHUTTING_DOWN, "vaktd is shutting down; try again when it is back.");
        default:
                return sd_bus_error_set_errnof(e, error, "The job cannot be created: %m");
        }
}

static int create_authorized(Connection *c, sd_bus_message *m, sd_bus_error *e) {
        _cleanup_free_ char *reason = NULL;
        const Job *job;
        Creation k;
        int r;

        r = read_creation(m, &k, e);
        if (r < 0)
                return r;
        r = manager_add_once(c->api->manager, k.name, k.at, k.text, &reason, &job);
        return r < 0 ? creation_failed(&k, r, reason, e) : sd_bus_reply_method_return(m, "st", job->name, job->next);
}

int method_create_once(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Creation unused;
        int r;

        r = read_creation(m, &unused, e);
        if (r >= 0)
                r = sd_bus_message_rewind(m, /* complete= */ true);
        return r < 0 ? r : authorize(userdata, m, &(Permission){ .next = create_authorized }, e);
}

static int remove_authorized(Connection *c, sd_bus_message *m, sd_bus_error *e) {
        const char *name;
        int r;

        r = api_read_job_name(m, &name, e);
        if (r < 0)
                return r;
        r = manager_remove_once(c->api->manager, name);
        if (r == -EADDRINUSE)
                return sd_bus_error_setf(e, ERROR_BAD_OPTION,
                                         "Job '%s' does not run once; to remove it, remove its file and reload.",
                                         name);
        if (r == -EBUSY)
                return sd_bus_error_setf(e, ERROR_BUSY, "Job '%s' has a run; cancel that instead.", name);
        if (r == -ENOENT)
                return api_job_error(c, r, name, e);
        return r < 0 ? sd_bus_error_set_errnof(e, r, "The file of job '%s' cannot be removed: %m", name)
                     : sd_bus_reply_method_return(m, NULL);
}

int method_remove_once(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        return api_authorize_job(userdata, m, ACTION_MANAGE, remove_authorized, e);
}
