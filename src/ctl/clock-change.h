#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the changes of a zone's clock do to the elapses of an expression, in messages. All times are µs of
 * CLOCK_REALTIME. */

#include "ctl/expression.h"

/* What the next gap after an instant and up to another does to times that the expression names: left out, or made up
 * for behind the gap. next is the first elapse after the instant, or USEC_INFINITY. *after moves behind the gap that
 * is told about. wall: what expression_on_wall_clock() gave. NULL when there is no such gap; the caller frees the
 * message. */
char *clock_change_next_gap(const Expression *e, const Expression *wall, usec_t *after, usec_t next);

/* Which pass of a repeated hour an elapse is in, and what becomes of the other one. NULL when there is none. */
char *clock_change_overlap(const Expression *e, usec_t elapse);
