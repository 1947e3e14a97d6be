#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Time spans as systemd.time(7) writes them: "1h 30min", "2w", "infinity", "1.5s"; a bare number is in seconds. */

#include "util/clock.h"

#define SPAN_TEXT_MAX 64 /* bytes that any formatted span fits in, with its NUL */

/* Parses a span into µs, as `systemd-analyze timespan` does; a bare number counts in default_unit µs.
 * -EINVAL when it is no span (empty, unknown unit, negative), -ERANGE when it does not fit. ret untouched then. */
int span_parse_full(const char *s, usec_t default_unit, usec_t *ret);

/* The same into ns, which are the default unit, as systemd takes TimerSlackNSec=. */
int span_parse_nsec(const char *s, uint64_t *ret);

/* The same with seconds as the default unit. */
int span_parse(const char *s, usec_t *ret);

/* Writes a span as systemd prints it ("1h 30min", "infinity", "0"), nothing finer than accuracy µs. Returns buf. */
char *span_format(char buf[static SPAN_TEXT_MAX], usec_t span, usec_t accuracy);
