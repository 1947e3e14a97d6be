/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Tables that map the errors of core/manager.h to those of the bus. Other errors (out of memory, for example) keep the
 * name that sd-bus gives to an errno. */

#include "bus/errors.h"

#include "bus/text.h"

typedef struct ErrorRow {
        int error;
        const char *name;
        const char *before, *after; /* of what it is about */
} ErrorRow;

static const ErrorRow job_errors[] = {
        { ENOENT, ERROR_NO_SUCH_JOB, "There is no job '", "'; use 'vaktctl list' to see all jobs." },
        { ENOEXEC, ERROR_INVALID_JOB, "The file of job '", "' is invalid; fix it and reload." },
        { EBADF, ERROR_JOB_DISABLED, "Job '", "' is disabled; set Enabled=yes in its file and reload." },
        { ENODATA, ERROR_NO_PATHS, "Job '", "' watches no files: its file has no [Path] section." },
        { ESHUTDOWN, ERROR_SHUTTING_DOWN, "No run is started for job '",
          "' because vaktd is shutting down; try again when it is back." },
        { ENOBUFS, ERROR_LIMIT_REACHED, "Too many runs are waiting, so job '",
          "' cannot be queued; try again when some have finished." },
        { ENOTSUP, ERROR_BAD_OPTION, "Job '", "' takes no files: its file has no [Path] section, or sets Unit=." },
        { EDESTADDRREQ, ERROR_BAD_OPTION, "Each run of job '",
          "' requires one file: use 'vaktctl run JOB FILE'; 'vaktctl plan JOB' lists the files that it watches." },
        { E2BIG, ERROR_BAD_OPTION, "Each run of job '", "' gets only one file: run it once for each file." },
        { EXDEV, ERROR_BAD_OPTION, "The file is not in the Spool= of job '", "'." },
        { ETXTBSY, ERROR_BUSY, "The file in the spool of job '",
          "' does not exist, is not a regular file, or is being written; see 'vaktctl why JOB FILE'." },
        { EAGAIN, ERROR_BUSY, "The spool of job '", "' cannot be used now; see 'vaktctl status JOB' for the reason." },
        { EFBIG, ERROR_LIMIT_REACHED, "More files are watched than a manual run of job '",
          "' can get; specify the files." },
        { EBUSY, ERROR_BUSY, "Job '", "' is just being changed; try again." },
};

static const ErrorRow run_errors[] = {
        { ENOENT, ERROR_NO_SUCH_RUN, "There is no run ", "; use 'vaktctl history' to see past runs." },
        { EALREADY, ERROR_ALREADY_DONE, "Run ", " has already ended." },
        { ESHUTDOWN, ERROR_SHUTTING_DOWN, "Run ", " cannot be cancelled because vaktd is shutting down." },
};

static int error_from_table(sd_bus_error *e, const ErrorRow *rows, size_t n, int error, const char *subject,
                            const char *detail) {
        for (const ErrorRow *row = rows; row < rows + n; row++)
                if (row->error == abs(error))
                        return sd_bus_error_setf(e, row->name, "%s%s%s%s%s", row->before, subject, row->after,
                                                 detail ? " " : "", strempty(detail));
        return sd_bus_error_set_errno(e, error);
}

int error_about_job(sd_bus_error *e, int error, const char *job, const char *detail) {
        _cleanup_free_ char *name = NULL, *more = NULL;

        assert(error != 0);

        name = text_clean(job, TEXT_IN_LIST_MAX);
        if (detail)
                more = text_clean(detail, TEXT_IN_LIST_MAX * 4);
        return error_from_table(e, job_errors, ELEMENTSOF(job_errors), error, strempty(name), more);
}

int error_about_run(sd_bus_error *e, int error, uint64_t id) {
        char text[24];

        assert(error != 0);

        (void)snprintf(text, sizeof(text), "%" PRIu64, id);
        return error_from_table(e, run_errors, ELEMENTSOF(run_errors), error, text, NULL);
}
