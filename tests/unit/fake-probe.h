#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Probes whose readings a test sets. A program that is linked with fake-probe.c has these instead of those of probe/.
 * They tell as the real ones do: from the loop, in a later turn, and unknown is what was not set yet. */

#include "probe/probe.h"

/* What is known of a question from now on; question as question_format() writes it. whole: what value is a share of,
 * or 0. */
void fake_probe_set(const char *question, int64_t value, int64_t whole);
/* The same of a pattern: subject is what it is true of. */
void fake_probe_set_of(const char *question, const char *subject);
void fake_probe_set_unknown(const char *question, const char *reason);
/* Whether there is no memory for another use of a probe from now on. */
void fake_probe_refuse(bool refuse);
/* Nothing is known of any question, and none is refused. */
void fake_probe_forget(void);

/* Who asks that. */
unsigned fake_probe_n_uses(const char *question);
/* The probes that there are, of all managers. */
unsigned fake_probe_n(void);
