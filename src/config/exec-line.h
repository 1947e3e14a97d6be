#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The value of Exec=, written as ExecStart= of systemd.service(5): words, quotes and C escapes as there, the prefixes
 * "-", "@" and ":" in any order, and a lone ";" between two commands. $VAR is left for the executor. */

#include "config/specifier.h"
#include "job/job-def.h"

#define EXEC_WORDS_MAX 4096 /* arguments of one command */

/* Appends the command, or commands, to an array that stays the caller's on failure, and grows it. specifiers may be
 * NULL: none is replaced. They are replaced word by word after the splitting, so a value with blanks stays one word.
 * -EINVAL with a message in *reterr (freed by the caller); -ENOMEM. */
int exec_line_parse(const char *value, const Specifiers *specifiers, CommandDef **commands, uint16_t *n_commands,
                    char **reterr);

void command_def_done(CommandDef *c);
