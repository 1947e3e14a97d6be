#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Jobs that request each other in a cycle (OnSuccess=, OnFailure=, OnAlarm=): once begun, such runs never end. */

#include "config/job-entry.h"

/* Looks at the entries of a load, by name. Those that are new or changed and in a cycle get that as their problem, and
 * the previous version, which old() returns, takes their place. An instance that has no file of its own is its
 * template. 0 or -ENOMEM. */
int cycles_break(Entry *const *entries, size_t n, const Entry *(*old)(const void *userdata, const char *name),
                 const void *userdata);
