#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Section [Path] of a job file: the parsers of its keys, and the end of it. */

#include "config/job-builder.h"

/* Parsers (KeyParse) for the table of keys. The definition has no section until one is called: there is no field. */
int path_parse_source(const KeyLine *k, void *field);  /* the PathKind is the argument */
int path_parse_setting(const KeyLine *k, void *field); /* the element of path_keys is the argument */

/* How a setting is read. */
typedef struct PathKey {
        KeyParse parse; /* is given a row with the argument */
        size_t offset;  /* of the field in PathDef; the others are as in KeyRow */
        size_t size;
        const void *argument;
        bool repeatable;
} PathKey;

extern const PathKey path_keys[_PATH_SETTING_MAX];

/* Validates the section as a whole and completes it. Problems go to their lines. 0 or -ENOMEM. */
int path_finish(Builder *b);

void path_lines_done(PathLines *lines);
