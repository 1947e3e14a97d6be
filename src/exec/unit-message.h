#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The call that starts a run as a transient unit. */

#include <systemd/sd-bus.h>

#include "exec/executor.h"

#define START_ORDER_CREDENTIAL_MAX (1000 * 1024) /* bytes: the service manager takes 1 MiB, the job's own included */

/* What has to be kept of an ExecutionRequest until the start is sure. */
typedef struct StartOrder {
        char *job;
        uint64_t run;
        usec_t timeout;
        char **environment; /* VAKT_JOB= and the others */
        char *list;         /* file with its paths, or NULL */
        bool list_is_credential;
        char *variables;      /* file that sets $VAKT_PATH, or the environment of the job; or NULL */
        bool is_environment;  /* it does the latter */
        bool path_is_encoded; /* $VAKT_PATH, for vakt-command */
        int listener;         /* of a runner: its standard input, borrowed; 0: it is a run */
} StartOrder;

/* unit: its name; file: with its paths, or with start_order_variables() or start_order_environment(); or NULL.
 * -ENOMEM. */
int start_order_new(StartOrder **ret, const ExecutionRequest *request, const char *unit, const char *file);
StartOrder *start_order_free(StartOrder *o);
DEFINE_CLEANUP(StartOrder, start_order_free)

/* What the executor knows of all runs. */
typedef struct StartContext {
        char *wrapper; /* path of vakt-command, or NULL when it is not there */
        char **login;  /* HOME= and the like of a run without User=; NULL: the service manager sets them */
} StartContext;

/* Everybody may read the environment of a unit, so the name of a file is not set there but in a file that the service
 * manager reads (EnvironmentFile=). Its text; the caller frees it. NULL without memory. */
char *start_order_variables(const char *path);
/* The way back. NULL also when it is no such text. */
char *start_order_read_variables(const char *text);

/* The same for the environment of a job that runs once, which is that of the user who created it, with all its
 * secrets. NULL in *ret for other requests. -ENOMEM. */
int start_order_environment(const ExecutionRequest *request, char **ret);

/* Appends the arguments of StartTransientUnit. -EILSEQ: without the wrapper the path cannot be handed over. */
int unit_message_append_start(sd_bus_message *m, const char *unit, const JobDef *def, const StartOrder *o,
                              const StartContext *context);

/* Its commands are the start of its unit, and not what is running after it: several of them; or one in a session of
 * PAM, where systemd 252 waits for the end of a Type=exec before it calls it started. */
bool unit_is_oneshot(const JobDef *def) _pure_;

/* A run of several commands that cannot be wrapped has one more at its end, which does nothing: a run that has not
 * come to it was cut short by the service manager reading its files again. */
bool unit_has_sentinel(const JobDef *def, const char *wrapper) _pure_;

/* Appends "(sv)" for a setting. -EINVAL: its values do not fit its signature. */
int unit_message_append_property(sd_bus_message *m, const UnitProperty *p);
