#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* [Rotate] and [Clean] as arguments: vakt-rotate and vakt-clean take the lines of the section, "MaxSize=10M", each as
 * an argument. Specifiers are replaced before, by who writes the arguments. */

#include "config/diagnostics.h"
#include "job/upkeep-def.h"

/* Reads n lines. Problems are told as those of a job file, but the file of one is the argument that it is about, or
 * the name of the section when it is about them all; its line is 0. 0; -EINVAL: there are problems; -ENOMEM. *ret is
 * the caller's, for rotate_def_done() or clean_def_done(), and only after 0. */
int upkeep_parse_rotate(char *const *lines, size_t n, RotateDef *ret, Diagnostics *problems);
int upkeep_parse_clean(char *const *lines, size_t n, CleanDef *ret, Diagnostics *problems);
