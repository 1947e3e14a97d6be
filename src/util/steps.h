#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Counts pieces of work that take about the same time: an entry of a table that is looked at, moved or freed, a name
 * that is looked up. A turn of the event loop has a bound in these that does not depend on how many files somebody
 * makes; counting them shows that on any machine, where a clock would show how busy it is. */

#include <stdint.h>

extern uint64_t steps_taken; /* since the start; each function that does such work adds to it */
