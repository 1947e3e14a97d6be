#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A line of JobDef.text: a number, two bytes, and the value as written with a NUL. The lower bits of the number are
 * that of its key; the others count blanks of the value that are NULs, so that what stands between them can be used
 * as the words of a command. */

#include "util/macro.h"

#define JOB_TEXT_KEY_BITS   10
#define JOB_TEXT_BLANKS_MAX ((1U << (16 - JOB_TEXT_KEY_BITS)) - 1)

static inline unsigned job_text_key(const char *line) {
        uint16_t number;

        memcpy(&number, line, sizeof(number));
        return number & ((1U << JOB_TEXT_KEY_BITS) - 1);
}

static inline unsigned job_text_blanks(const char *line) {
        uint16_t number;

        memcpy(&number, line, sizeof(number));
        return number >> JOB_TEXT_KEY_BITS;
}

static inline const char *job_text_value(const char *line) {
        return line + sizeof(uint16_t);
}

/* The line after it. */
static inline const char *job_text_next(const char *line) {
        const char *next = job_text_value(line);

        for (unsigned i = 0; i <= job_text_blanks(line); i++)
                next += strlen(next) + 1;
        return next;
}
