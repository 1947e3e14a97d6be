#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the files of org.vaktd1.Manager share: api-manager.c has the interface, api-lists.c the methods that return
 * lists, api-values.c those about values of conditions, api-definitions.c those about definitions in force, api-once.c
 * those about jobs that run once, api-explain.c those that explain. */

#include "bus/authorize.h"
#include "bus/connection.h"

#define REPLY_SIZE_MAX ((size_t)31 * 1024 * 1024) /* bytes: a bus accepts 32 MiB per message */

/* A run in a list. */
#define LIST_RUNS_ROW    "(tsssssttttiuo)"
#define QUERY_RUNS_ROW   "(tsssssttttiuosstttsstt)"
#define LIVE_RUNS_ROW    "(tsssssttttiuosstttsstts)"
#define QUERY_JOBS_TYPES "ssssssutttttuuuubbo"

/* Reads the name of a job; an impossible name is refused here, before anything is done with it. */
int api_read_job_name(sd_bus_message *m, const char **ret, sd_bus_error *e);

/* Reads the name of a job that there is. */
int api_read_job(const Connection *c, sd_bus_message *m, const Job **ret, sd_bus_error *e);

/* A failed request or look-up of a job as the client sees it. */
int api_job_error(const Connection *c, int error, const char *name, sd_bus_error *e);

/* Begins a reply that may be large. */
int api_new_large_reply(Connection *c, sd_bus_message *m, sd_bus_message **ret, sd_bus_error *e);

/* Closes the list that the reply ends with, and sends it. r: an error that came before, which is returned. */
int api_send_list(sd_bus_message *reply, int r);

/* Like authorize(), for a message that begins with the name of a job; it may be followed by a number. action: as in
 * Permission. */
int api_authorize_job(Connection *c, sd_bus_message *m, const char *action, AuthorizedFunc next, sd_bus_error *e);

int method_list_definitions(sd_bus_message *m, void *userdata, sd_bus_error *e);
int method_get_definition(sd_bus_message *m, void *userdata, sd_bus_error *e);
int method_create_once(sd_bus_message *m, void *userdata, sd_bus_error *e);
int method_remove_once(sd_bus_message *m, void *userdata, sd_bus_error *e);
int method_explain(sd_bus_message *m, void *userdata, sd_bus_error *e);
int method_explain_path(sd_bus_message *m, void *userdata, sd_bus_error *e);
int method_plan(sd_bus_message *m, void *userdata, sd_bus_error *e);
int method_list_jobs(sd_bus_message *m, void *userdata, sd_bus_error *e);
int method_query_jobs(sd_bus_message *m, void *userdata, sd_bus_error *e);
int method_list_runs(sd_bus_message *m, void *userdata, sd_bus_error *e);
int method_query_runs(sd_bus_message *m, void *userdata, sd_bus_error *e);
int method_list_live_runs(sd_bus_message *m, void *userdata, sd_bus_error *e);
int method_list_alarms(sd_bus_message *m, void *userdata, sd_bus_error *e);
int method_list_pools(sd_bus_message *m, void *userdata, sd_bus_error *e);
int method_list_values(sd_bus_message *m, void *userdata, sd_bus_error *e);
int method_query_values(sd_bus_message *m, void *userdata, sd_bus_error *e);
