#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The exit statuses of vaktctl; vaktctl(1) documents the numbers, and scripts rely on them. */

typedef enum ExitCode {
        CTL_DONE = 0,
        CTL_FAILED = 1,
        CTL_USAGE = 2,
        CTL_RUN_FAILED = 3, /* the run that was waited for */
        CTL_NO_SUCH_JOB = 4,
        CTL_NOT_PERMITTED = 5,
        CTL_NO_DAEMON = 6,
        CTL_UNKNOWN = 7, /* the condition that was tested; 0 and CTL_FAILED: it is true, false */
} ExitCode;

#define EXIT_SIGNAL_BASE 128 /* of a program that a signal ends, as shells count */
