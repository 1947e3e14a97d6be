#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A message of a parser, for the person who wrote what it parses. */

#include "util/macro.h"

/* Sets *reterr to a message that is the caller's to free. Returns -EINVAL, or -ENOMEM with *reterr untouched. */
int complain(char **reterr, const char *format, ...) _printf_(2, 3);
