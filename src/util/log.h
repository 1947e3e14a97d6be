#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Logging: structured entries to the journal if standard error is connected to it (JOURNAL_STREAM), otherwise one
 * readable line per message on standard error. The levels are those of syslog. A problem is logged once, by the layer
 * that knows the job. */

#include <syslog.h>

#include "util/macro.h"

typedef enum LogTarget {
        LOG_TARGET_AUTO,
        LOG_TARGET_JOURNAL,
        LOG_TARGET_STDERR,
        LOG_TARGET_NULL,
} LogTarget;

/* What an entry is about; zero members are left out. */
typedef struct LogContext {
        const char *message_id;    /* from log-messages.h */
        const char *job;           /* VAKT_JOB= */
        uint64_t run;              /* VAKT_RUN= */
        const char *file;          /* CONFIG_FILE= */
        unsigned line;             /* CONFIG_LINE= */
        int error;                 /* ERRNO=, positive */
        const char *const *fields; /* further "NAME=value" strings, NULL-terminated */
} LogContext;

/* Call once at start; AUTO checks standard error. Without a call: standard error, LOG_INFO. */
void log_open(LogTarget target);
LogTarget log_target(void); /* what AUTO came to */
void log_set_max_level(int level);
extern int log_max_level; /* read only */

/* "debug" … "emerg", or "0" … "7"; -EINVAL. */
int log_level_from_string(const char *s);
const char *log_level_to_string(int level);

void log_full(int level, const LogContext *context, const char *format, ...) _printf_(3, 4);

#define log_is_enabled(level) ((level) <= log_max_level)
#define log_message(level, context, ...)                       \
        do {                                                   \
                if (log_is_enabled(level))                     \
                        log_full(level, context, __VA_ARGS__); \
        } while (false)
#define log_debug(...)   log_message(LOG_DEBUG, NULL, __VA_ARGS__)
#define log_info(...)    log_message(LOG_INFO, NULL, __VA_ARGS__)
#define log_notice(...)  log_message(LOG_NOTICE, NULL, __VA_ARGS__)
#define log_warning(...) log_message(LOG_WARNING, NULL, __VA_ARGS__)
#define log_error(...)   log_message(LOG_ERR, NULL, __VA_ARGS__)

/* Logs with ERRNO= and returns the error as a negative errno, so that "return log_error_errno(r, …)" works. %m in the
 * format is the error's text. */
#define log_errno(level, e, ...)                                                 \
        ({                                                                       \
                int _e = abs(e);                                                 \
                errno = _e;                                                      \
                log_message(level, (&(LogContext){ .error = _e }), __VA_ARGS__); \
                -_e;                                                             \
        })
#define log_error_errno(e, ...)   log_errno(LOG_ERR, e, __VA_ARGS__)
#define log_warning_errno(e, ...) log_errno(LOG_WARNING, e, __VA_ARGS__)
#define log_debug_errno(e, ...)   log_errno(LOG_DEBUG, e, __VA_ARGS__)

/* The first line of an output stream, by which the processes of a run are found, at level debug; it is not output. */
#define OUTPUT_MARK "vaktd: the output of a run begins"

/* Logs one unchanged line of a run's output: to the journal with VAKT_JOB= and VAKT_RUN=, or to standard error with
 * the time and the name of the job before it. The maximum level does not apply. */
void log_output(const char *job, uint64_t run, const char *line, size_t n, bool is_stderr);
