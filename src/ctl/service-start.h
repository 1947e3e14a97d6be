#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Starting the daemon by its name on a bus, without waiting for one that cannot come. */

#include <systemd/sd-bus.h>

/* Returns 0 when the daemon is on the bus, or when a call to it will tell better what is wrong. -EHOSTDOWN: it is not
 * and does not come; *ret_unit_result (the caller's to free) is then the Result of its unit if that has failed, else
 * NULL. */
int service_start(sd_bus *bus, char **ret_unit_result);
