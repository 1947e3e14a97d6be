#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A dbus-daemon of the test's own that stands for the system bus, and a vaktd that is to use it. */

#include "harness.h"

#define NOBODY ((uid_t)65534)

/* As harness_setup() and harness_teardown(), with a job "a". The bus does not run yet. */
int bus_setup(void **state);
int bus_teardown(void **state);
#define bus_test(f) cmocka_unit_test_setup_teardown(f, bus_setup, bus_teardown)

/* False when there is no dbus-daemon. */
bool bus_start(const Harness *h);
void bus_stop(void);

sd_bus *bus_connect(const Harness *h);
sd_bus *bus_connect_as(const Harness *h, uid_t uid); /* for root only, or (uid_t)-1 */
