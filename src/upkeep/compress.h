#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Compresses and compares whole files by descriptor, from where they are positioned to their ends. */

#include <sys/stat.h>

#include "job/upkeep-def.h"

/* To read a hole takes as long as to read data, but it costs nobody any room: so there is an end to it. */
#define COMPRESS_HOLES_MAX ((off_t)16 << 30) /* bytes in a run */
#define COMPARE_HOLES_MAX  ((off_t)1 << 20)  /* bytes in a file */

/* How many bytes of a file are holes. */
off_t holes_of(const struct stat *st) _pure_;

typedef struct Compressor Compressor;

/* For files of one format, with level and threads as in RotateDef. */
int compressor_new(Compressor **ret, RotateCompress format, unsigned level, unsigned threads);
Compressor *compressor_free(Compressor *c);
DEFINE_CLEANUP(Compressor, compressor_free)

/* Returns how many bytes it has read, or a negative errno of read(2) and write(2); -ENOMEM, -EIO. */
int64_t compressor_run(Compressor *c, int from, int to);

/* Does a file, named with this suffix, hold exactly what another one holds? False as well if it is damaged, or not to
 * be read, or has more holes than COMPARE_HOLES_MAX. */
bool compressed_file_equals(int compressed, const char *suffix, int plain);
