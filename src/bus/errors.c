/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Tables from the errors of core/manager.h to those of the bus. What stands in no table (no memory, say) keeps the
 * name that sd-bus gives to an errno. */

#include "bus/errors.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "bus/text.h"

typedef struct ErrorRow {
        int error;
        const char *name;
        const char *before, *after; /* of what it is about */
} ErrorRow;

static const ErrorRow job_errors[] = {
        { ENOENT, ERROR_NO_SUCH_JOB, "There is no job '", "'; 'vaktctl list' shows which there are." },
        { ENOEXEC, ERROR_INVALID_JOB, "The file of job '", "' is bad; correct it and reload." },
        { EBADF, ERROR_JOB_DISABLED, "Job '", "' is disabled; set Enabled=yes in its file and reload." },
        { ENODATA, ERROR_NO_PATHS, "Job '", "' watches no files: its file has no section [Path]." },
        { ESHUTDOWN, ERROR_SHUTTING_DOWN, "Nothing is started for job '",
          "' any more, since vaktd is ending; try again when it is back." },
        { ENOBUFS, ERROR_LIMIT_REACHED, "Too many runs wait already, so job '",
          "' cannot be queued; try again when some are done." },
        { ENOTSUP, ERROR_BAD_OPTION, "Job '", "' takes no files: its file has no section [Path], or says Unit=." },
        { EDESTADDRREQ, ERROR_BAD_OPTION, "Each run of job '",
          "' gets one file, so name it: 'vaktctl run JOB FILE'; 'vaktctl plan JOB' lists those that it watches." },
        { E2BIG, ERROR_BAD_OPTION, "Each run of job '", "' gets one file: run it once for each of them." },
        { EXDEV, ERROR_BAD_OPTION, "The file does not lie in the Spool= of job '", "', so it cannot be run for it." },
        { ETXTBSY, ERROR_BUSY, "The file in the spool of job '",
          "' is not there, is no regular file, or is being written; 'vaktctl why JOB FILE' says more." },
        { EAGAIN, ERROR_BUSY, "The spool of job '", "' cannot be worked on now; 'vaktctl status JOB' says why." },
        { EFBIG, ERROR_LIMIT_REACHED, "More files are watched than a run by hand of job '",
          "' is given; name those that it is to get." },
        { EBUSY, ERROR_BUSY, "Job '", "' is being changed at this moment; try again." },
};

static const ErrorRow run_errors[] = {
        { ENOENT, ERROR_NO_SUCH_RUN, "There is no run ", "; 'vaktctl history' shows which are remembered." },
        { EALREADY, ERROR_ALREADY_DONE, "Run ", " is over already; there is nothing left to end." },
        { ESHUTDOWN, ERROR_SHUTTING_DOWN, "Run ", " is left to the end of vaktd that is under way." },
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
