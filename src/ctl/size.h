#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sizes in bytes in the form of systemctl. Pure. */

#include <stdint.h>

#define SIZE_TEXT_MAX 16 /* bytes, with NUL */

/* "512B", "3.1M", "2G": to the base of 1024, with one decimal unless it is 0. Returns buf. */
char *size_format(char buf[static SIZE_TEXT_MAX], uint64_t n);
