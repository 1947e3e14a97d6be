#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The effect of the clock changes of a zone on the elapses of an expression, in messages. All times are µs of
 * CLOCK_REALTIME. */

#include "ctl/expression.h"

/* What the next gap between two instants does to times that the expression names: left out, or made up for after the
 * gap. next is the first elapse after the instant, or USEC_INFINITY. *after is moved to the end of the gap that is
 * reported. wall: the result of expression_on_wall_clock(). NULL if there is no such gap; the caller frees the
 * message. */
char *clock_change_next_gap(const Expression *e, const Expression *wall, usec_t *after, usec_t next);

/* Which pass of a repeated hour an elapse is in, and what happens in the other one. NULL if there is none. */
char *clock_change_overlap(const Expression *e, usec_t elapse);
