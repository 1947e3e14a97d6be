#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What client/ has read in the form of --json. The results belong to the caller. */

#include "client/daemon-view.h"
#include "client/job-view.h"
#include "client/run-view.h"
#include "ctl/json.h"

/* A view by its table. */
json_object *view_json(const PropertyMap *map, size_t n, const void *view);

/* Rows of a D-Bus type, as properties_read_rows() gives them. members: the names of their members, of which one that
 * ends in "_usec" is a time; NULL: each is a name and a value, all of them in one object. */
json_object *rows_json(const void *rows, const char *type, const char *const *members);

/* One such row. */
json_object *row_json(const void *row, const char *type, const char *const *members);

extern const char *const alarm_members[]; /* of a row of ListAlarms */

json_object *diagnostics_json(const DiagnosticView *rows);

/* What a walk gives of a run, or all that is known of its object. */
json_object *run_view_json(const RunView *v, bool with_object);

/* Whether a run with this result has an exit status, or was ended by a signal. */
bool code_is_known(const char *result, int code) _pure_;
