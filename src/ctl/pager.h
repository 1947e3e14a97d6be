#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A program that shows standard output page by page, chosen like that of systemd's tools (systemctl(1),
 * "ENVIRONMENT"). */

#include "util/macro.h"

typedef struct Pager Pager;

/* Starts $SYSTEMD_PAGER, $PAGER or less, and redirects standard output to it, and standard error if that is a
 * terminal. NULL if no pager is wanted or available: then nothing changes. */
Pager *pager_open(void);

/* Ends the output and waits until the pager has exited. Returns NULL. */
Pager *pager_close(Pager *p);
