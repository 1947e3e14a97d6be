#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* SipHash-1-3 of bytes: fast for names, and users who choose the names cannot make the tables slow. */

#include <stddef.h>
#include <stdint.h>

/* Keyed by seed. The result is the same everywhere and must never change: it may be stored on disk. */
uint64_t hash_bytes(uint64_t seed, const void *bytes, size_t n);

/* A random seed that is generated once per process, for tables in memory. */
uint64_t hash_seed(void);
