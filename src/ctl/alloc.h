#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Memory of vaktctl. A program that asks, prints and exits has nothing to clean up when memory runs out: these
 * functions report that and exit, so that their callers do not have to handle it. For vaktctl only; the daemon never
 * does this. */

#include "util/macro.h"

__attribute__((__noreturn__)) void alloc_failed(void);

/* Room for n elements; p is NULL or what an earlier call returned. */
void *alloc_array(void *p, size_t n, size_t size);
char *alloc_string(const char *s);
char *alloc_format(const char *format, ...) _printf_(1, 2);

/* Append a copy to what strv_free() frees. */
void alloc_extend(char ***l, const char *value);
void alloc_extendf(char ***l, const char *format, ...) _printf_(2, 3);

/* As open_memstream(3); the caller frees the text, which is whole when the stream is closed. */
FILE *alloc_stream_open(char **text, size_t *n);
void alloc_stream_close(FILE *f);
