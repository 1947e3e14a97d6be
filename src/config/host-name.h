#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The host's name as %h shows it. */

#include <limits.h>

#define HOST_SIZE (HOST_NAME_MAX + 1)

/* The name that is set, or "localhost" when it is none that a sane host has: what root may set freely does not get
 * into command lines. */
void host_name_get(char host[HOST_SIZE]);
