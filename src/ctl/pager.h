#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A program that shows standard output page by page, chosen as systemd's tools choose theirs (systemctl(1),
 * "ENVIRONMENT"). */

#include <stdbool.h>

#include "util/macro.h"

typedef struct Pager Pager;

/* Starts $SYSTEMD_PAGER, $PAGER or less, and puts it behind standard output, and behind standard error where that is a
 * terminal. NULL when none is wanted or to be had: then all stays as it is. */
Pager *pager_open(void);

/* Ends the output and waits until the pager was left. Returns NULL. */
Pager *pager_close(Pager *p);
