#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The small tables, read at once: see store_read_ahead(). */

#include "ledger/store.h"

typedef struct StoreAhead StoreAhead;

/* As store_get_stamp() and store_next_kept_job(). */
int ahead_get_stamp(const StoreAhead *a, const char *job, const char *key, usec_t *ret);
int ahead_next_kept_job(const StoreAhead *a, const char *after, char **ret);
bool ahead_has_states(const StoreAhead *a) _pure_; /* of any job */
