#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The history of values: what probes have answered, in minutes for a day and in hours for a month. */

#include "condition/series.h"
#include "ledger/ledger.h"

#define VALUES_MINUTES_KEPT (24 * 60)
#define VALUES_HOURS_KEPT   (30 * 24)
#define VALUES_KEPT_USEC    (30 * USEC_PER_DAY) /* of a question that no job asks any more */
#define VALUES_MAX          2048                /* questions; there is no history of more */

typedef struct Values Values;
typedef struct Value Value;

/* -ENOMEM. */
int values_new(Values **ret, Ledger *ledger);
Values *values_free(Values *v);
DEFINE_CLEANUP(Values, values_free)

/* Takes up what an earlier daemon has kept; at most once, and before that nothing is written. Negative errno: the
 * ledger cannot be read. */
int values_load(Values *v);
/* Writes what goes on; the ledger is not used any more. */
void values_close(Values *v, const Instant *now);

/* A question was answered; NULL: no job asks any more. *value belongs to the question, and is NULL at first. Returns
 * true if values_list() lists something else now, other than times. */
bool values_note(Values *v, Value **value, const Question *q, const Reading *r, const Instant *now);

/* In the order of their texts. The reading is valid during the visit; at: of its last answer, or 0. Nonzero ends the
 * walk and is returned. */
typedef int (*ValuesVisit)(const char *question, ConditionKind kind, const Reading *last, bool is_used,
                           void *userdata);
int values_list(const Values *v, ValuesVisit visit, void *userdata);

/* Visits what is kept from since until before until, in buckets of a grain: minutes of the last day, and from an hour
 * on, hours of the last month; *grain is rounded up to one of these, or a multiple. 0: what is finest for since. The
 * last bucket may go on. -ENOENT: there is none of this question; other errors: the ledger cannot be read; -ENOMEM. */
typedef int (*BucketVisit)(usec_t start, const Bucket *b, void *userdata);
int values_query(Values *v, const char *question, usec_t since, usec_t until, usec_t *grain, const Instant *now,
                 BucketVisit visit, void *userdata);
bool values_has(const Values *v, const char *question);
