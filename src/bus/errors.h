#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The errors that a client sees: org.vaktd1.Error.*, each with a message that says what to do. See org.vaktd1(5). */

#include <systemd/sd-bus.h>

#include "util/macro.h"

#define ERROR_NO_SUCH_JOB   "org.vaktd1.Error.NoSuchJob"
#define ERROR_NO_SUCH_RUN   "org.vaktd1.Error.NoSuchRun"
#define ERROR_NO_SUCH_PROBE "org.vaktd1.Error.NoSuchProbe"
#define ERROR_INVALID_JOB   "org.vaktd1.Error.InvalidJob"
#define ERROR_JOB_DISABLED  "org.vaktd1.Error.JobDisabled"
#define ERROR_ALREADY_DONE  "org.vaktd1.Error.AlreadyDone"
#define ERROR_NO_PATHS      "org.vaktd1.Error.NoPaths"
#define ERROR_BUSY          "org.vaktd1.Error.Busy"
#define ERROR_BAD_OPTION    "org.vaktd1.Error.BadOption"
#define ERROR_LIMIT_REACHED "org.vaktd1.Error.LimitReached"
#define ERROR_ACCESS_DENIED "org.vaktd1.Error.AccessDenied"
#define ERROR_SHUTTING_DOWN "org.vaktd1.Error.ShuttingDown"

/* Both fill e from the result of a function of core/manager.h, and return the negative errno that a method handler is
 * to return. detail (may be NULL) is further information, such as the problem of the job's file. */
int error_about_job(sd_bus_error *e, int error, const char *job, const char *detail);
int error_about_run(sd_bus_error *e, int error, uint64_t id);
