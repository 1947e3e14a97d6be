#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Section [Timer] of a job file: the parsers of its keys, and the end of it. */

#include "config/job-builder.h"

/* Parsers (KeyParse) for the table of keys. The field is the one of the definition, where the row has one. */
int timer_parse_trigger(const KeyLine *k, void *field); /* the TriggerType is the argument */
int timer_parse_zone(const KeyLine *k, void *field);
int timer_parse_anchor(const KeyLine *k, void *field);
int timer_parse_except(const KeyLine *k, void *field);
int timer_parse_interval_from(const KeyLine *k, void *field);
int timer_parse_catch_up(const KeyLine *k, void *field);
int timer_parse_persistent(const KeyLine *k, void *field);

/* Of DstGap= and DstOverlap=. */
extern const KeyWords timer_gap_words, timer_overlap_words;

/* Parses what waited for the zone, and validates the section as a whole. Problems go to their lines. 0 or -ENOMEM. */
int timer_finish(Builder *b);

void timer_lines_done(TimerLines *lines);
