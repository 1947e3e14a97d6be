#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The keys of [Job] and [Run] that say what a run leads to, how often it is tried, and what it is kept for. */

#include "config/job-builder.h"

/* Parsers (KeyParse) for the table of keys. The field is the one of the definition, where the row has one. */
int run_parse_chain(const KeyLine *k, void *field);
int run_parse_unit(const KeyLine *k, void *field);
int run_parse_pool(const KeyLine *k, void *field);
int run_parse_priority(const KeyLine *k, void *field);
int run_parse_factor(const KeyLine *k, void *field);
int run_parse_success(const KeyLine *k, void *field);

/* Hands the requests of OnSuccess= and so on to the context, if it wants them. 0 or -ENOMEM. */
int run_finish_chains(Builder *b);
