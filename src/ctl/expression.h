#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A calendar or cron expression as the verb calendar uses it: bound to its zone, and once more without one. */

#include "time/calendar.h"
#include "time/cron.h"

typedef struct Expression {
        Calendar *calendar; /* one of these two */
        Cron *cron;
        const Zone *zone; /* that its times are meant in */
        char *normalized;
} Expression;

void expression_done(Expression *e);

/* Whether a text has the outer form of a cron expression: five fields or more, or a word that starts with
 * "@". */
bool expression_looks_like_cron(const char *text);

/* Reads a calendar expression or, with cron, a cron expression if it is not a calendar expression and looks like one.
 * The zones belong to the cache; expressions that name no zone use the local one. -EINVAL with *reterr filled in. */
int expression_parse(const char *text, ZoneCache *cache, bool cron, usec_t now_realtime, Expression *ret,
                     TimeError *reterr);

/* The same expression with its zone replaced by UTC, so that its elapses are the wall clock times that it names.
 * -EOPNOTSUPP for one that is bound to summer or winter time by an abbreviation ("CEST"), which names no time that
 * the clock shows all year. */
int expression_on_wall_clock(const Expression *e, Expression *ret);

/* The first elapse after an instant; -ENOENT: never again. */
int expression_next(const Expression *e, usec_t after, usec_t *ret);
