#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What mktime(3) of glibc makes of a wall clock time, on our own zones: needed where an answer has to be the same as
 * that of a program which asked libc. */

#include "time/civil.h"
#include "time/zone.h"

/* glibc's. */
#define PROBES_MAX 6
#define DST_STRIDE 601200
#define DST_REACH  (536454000 / 2 + DST_STRIDE)

/* The instant of the fields, which are brought into order. *dst says which of two is meant, 0 or 1, or -1; it is set
 * to what holds. *offset is the first guess at the offset to UTC, and set to the one found: glibc remembers it from
 * call to call, and starts with 0. False when glibc finds no way; nothing is changed then. */
bool libc_mktime(const Zone *zone, struct civil *c, int *dst, int64_t *offset, int64_t *ret);
