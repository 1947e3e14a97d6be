#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Numbers of bytes as systemctl shows them. Pure. */

#include <stdint.h>

#define SIZE_TEXT_MAX 16 /* bytes, with NUL */

/* "512B", "3.1M", "2G": to the base of 1024, one digit behind the point and none when that is 0. Returns buf. */
char *size_format(char buf[static SIZE_TEXT_MAX], uint64_t n);
