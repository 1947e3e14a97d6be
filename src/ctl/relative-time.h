#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Times in readable form. All are µs of CLOCK_REALTIME; 0 (never) and USEC_INFINITY (none) give "-". */

#include "time/span.h"
#include "util/macro.h"

#define RELATIVE_TIME_MAX   (SPAN_TEXT_MAX + 32) /* bytes, with NUL and the words of a translation */
#define LOCAL_TIME_TEXT_MAX 64

/* "3min 12s ago", "in 2h 5min", "now". Returns buf. */
char *relative_time_format(char buf[static RELATIVE_TIME_MAX], usec_t t, usec_t now_realtime);

/* The finest unit in which a span is shown, µs. */
usec_t relative_time_accuracy(usec_t span) _const_;

/* How long something took: "1.203s", "2h 5min". Returns buf. */
char *duration_format(char buf[static SPAN_TEXT_MAX], usec_t span);

/* "Sun 2026-11-22 13:03:22 CET", in the local zone; short: "2026-11-22 13:03:22". Returns buf. */
char *local_time_format(char buf[static LOCAL_TIME_TEXT_MAX], usec_t t);
char *local_time_format_short(char buf[static LOCAL_TIME_TEXT_MAX], usec_t t);
