#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is handed to a program of ours in a memory file: numbers as they are in memory, texts with their length before
 * and a NUL behind. Needs the C library only. */

#include "util/macro.h"

#define SERIALIZED_MAX ((size_t)16 * 1024 * 1024) /* bytes */

/* --- writing --- */

/* Begins a memory file of this name; the caller ends with serialize_finish(). NULL with errno. */
FILE *serialize_begin(const char *name);

/* Closes f. An fd (O_CLOEXEC) that can be read from its beginning, -E2BIG or another negative errno. */
int serialize_finish(FILE *f);

void serialize_number(FILE *f, uint64_t number);
void serialize_bytes(FILE *f, const void *bytes, size_t n);
void serialize_text(FILE *f, const char *text);
void serialize_list(FILE *f, char *const *l);

/* --- reading --- */

typedef struct Deserializer {
        char *data;
        size_t size, at;
        bool bad; /* something did not fit: what was read is of no use. Check it once, at the end. */
} Deserializer;

/* Reads all of it. -EBADMSG, -ENOMEM. */
int deserialize_begin(Deserializer *d, int fd);
void deserialize_done(Deserializer *d);

uint64_t deserialize_number(Deserializer *d);
char *deserialize_text(Deserializer *d); /* lives as long as d; "" when it is bad */

/* Exactly n bytes. */
void deserialize_bytes(Deserializer *d, void *ret, size_t n);

/* A number of things, each of which takes some bytes; 0 when it is bad. */
size_t deserialize_count(Deserializer *d);

/* The list is the caller's, its texts are those of d. -ENOMEM. */
int deserialize_list(Deserializer *d, char ***ret);
