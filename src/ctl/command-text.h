#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The command of a job file, from words of a command line. */

#include <stdio.h>

#include "util/macro.h"

/* Whether only a shell can read a line. */
bool command_wants_shell(const char *line) _pure_;

/* The words as the value of Exec=, without %-specifiers in mind; of a single one that only a shell can read, the value
 * of Shell=, which *ret_uses_shell tells. The caller frees it. */
char *command_text(char **words, bool *ret_uses_shell);

/* One word as word_next() reads it: in quotes and with escapes if need be, without %-specifiers in mind. */
void command_put_word(FILE *f, const char *word);
