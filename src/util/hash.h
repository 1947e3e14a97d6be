#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* SipHash-1-3 of bytes: quick on names, and nobody who chooses the names can make the tables slow. */

#include <stddef.h>
#include <stdint.h>

/* Keyed by seed. The same everywhere and for good: what is kept on disk may contain it. */
uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t n);

/* A seed that is drawn once a process, for tables in memory. */
uint64_t hash_seed(void);
