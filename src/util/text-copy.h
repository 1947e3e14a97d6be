#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A struct whose strings are const char * is a view: it borrows them. This makes a copy that owns them. */

#include <stddef.h>

/* The struct of size bytes at view, and behind it in the same piece of memory the strings that its n members at these
 * offsets point to (NULL stays NULL). For free(); NULL if there is not enough memory. */
void *copy_with_texts(const void *view, size_t size, const size_t *offsets, size_t n);

#define COPY_WITH_TEXTS(view, offsets) copy_with_texts(view, sizeof(*(view)), offsets, ELEMENTSOF(offsets))
