#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sizes and percentages as systemd.syntax(7) and systemd.resource-control(5) write them. */

#include "util/macro.h"

#define SIZE_ENDLESS UINT64_MAX
#define PERCENT_ONE  100 /* parts of ten thousand in a percent */

/* "1G", "1.5G", "1G 500M", "4096", "64K": suffixes K M G T P E to the base 1024 or 1000, B for bytes. "infinity" is
 * SIZE_ENDLESS. -EINVAL when it is no size, -ERANGE when it does not fit. */
int size_parse(const char *s, uint64_t base, uint64_t *ret);

/* "20%", "50.25%": in parts of ten thousand, at most two decimals. -EINVAL, -ERANGE. */
int percent_parse(const char *s, uint32_t *ret);

/* The same part of 2^32 - 1, which is how the service manager is told one. */
uint32_t percent_scale(uint32_t permyriad) _const_;

#define SIZE_TEXT_MAX 16 /* bytes, with NUL */

/* "512B", "3.1M", "2G", in the form of systemctl: to the base of 1024, with one decimal unless it is 0. Returns buf.
 */
char *size_format(char buf[static SIZE_TEXT_MAX], uint64_t n);
