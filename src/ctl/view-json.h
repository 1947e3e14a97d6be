#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Jobs, runs, pools and diagnostics in the form of --json. The results belong to the caller. */

#include "client/daemon-view.h"
#include "client/job-view.h"
#include "client/run-view.h"
#include "ctl/json.h"

json_object *diagnostic_json(const DiagnosticView *v);
json_object *diagnostic_views_json(const DiagnosticViews *d);
json_object *pool_views_json(const PoolViews *p);
json_object *job_view_json(const JobView *v);
json_object *run_view_json(const RunView *v);
