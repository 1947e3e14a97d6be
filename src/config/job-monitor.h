#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Section [Monitor], and WaitFor=. */

#include "config/job-builder.h"

/* Parsers (KeyParse) for the table of keys. The field is the one of the definition. */
int monitor_parse_when(const KeyLine *k, void *field);      /* Condition * */
int monitor_parse_condition(const KeyLine *k, void *field); /* Condition *; each line is one more that must hold */
int monitor_parse_span(const KeyLine *k, void *field);      /* as key_parse_span() */
int monitor_parse_every(const KeyLine *k, void *field);     /* 0 and "infinity" are never */
int monitor_parse_chain(const KeyLine *k, void *field);
int wait_parse_condition(const KeyLine *k, void *field);

/* Validates what only the whole section can tell, and completes it. 0 or -ENOMEM. */
int monitor_finish(Builder *b);
