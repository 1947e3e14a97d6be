#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The text of a configuration file -> its sections and assignments, nothing lost, each with its line. The syntax is
 * systemd.syntax(7)'s: whole-line comments with "#" and ";", a line that ends in "\" goes on (a blank takes the place
 * of the backslash, comment lines between are left out), blanks around "=" and at both ends do not count. */

#include "config/diagnostics.h"

#define BLANKS             " \t"
#define READER_LINE_MAX    ((size_t)64 * 1024) /* bytes in a line, continuations included */
#define READER_SECTION_MAX 80                  /* characters in a section's name */
#define READER_KEY_MAX     48                  /* characters in a key: inih needs the rest of its line for the value */

/* What is called, in the order of the file; strings are valid during the call. line is where the header or the key
 * stands, from 1. A negative errno from either ends the reading and is returned. */
typedef struct ReaderSink {
        int (*section)(void *userdata, unsigned line, const char *section);
        /* section is "" before the first header; value holds no control character but the tab */
        int (*assign)(void *userdata, unsigned line, const char *section, const char *key, const char *value);
        void *userdata;
} ReaderSink;

/* Reads n bytes of text. What is no configuration file's line is a problem; the others are delivered all the same.
 * Returns 0, also with problems; -ENOMEM, or what the sink returned. */
int reader_parse(const char *text, size_t n, const ReaderSink *sink, FileProblems *problems);

/* The length of the schedule at the beginning of a line of a crontab ("0 5 * * *" or "@daily"), behind which there is
 * more; 0 when it is no such line. */
size_t reader_crontab_schedule(const char *line) _pure_;
