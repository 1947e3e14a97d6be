#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is wrong with files, as the daemon reports it. */

#include "ctl/ctl.h"

/* Strings are the message's that they were read from. */
typedef struct DiagnosticView {
        const char *file;
        uint32_t line; /* 0: the file as a whole */
        const char *message;
} DiagnosticView;

typedef struct DiagnosticViews {
        DiagnosticView *items;
        size_t n_items;
        sd_bus_message *reply;
} DiagnosticViews;

void diagnostic_views_done(DiagnosticViews *d);

/* Calls Diagnostics or Reload. Returns as ctl_call() does. */
int diagnostic_views_call(Ctl *c, const MethodCall *call, const char *look_at, DiagnosticViews *ret);
int diagnostic_views_get(Ctl *c, DiagnosticViews *ret);
