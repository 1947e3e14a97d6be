#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Words that stand for numbers of the system, as unit files write them. All return -EINVAL for a word that is none. */

#include "util/macro.h"

/* "SIGTERM", "TERM", "15", "RTMIN+3", "SIGRTMAX-1". */
int signal_from_name(const char *s);

/* "TEMPFAIL", "75", as `systemd-analyze exit-status` lists them. */
int exit_status_from_name(const char *s);

/* "EPERM", "1". */
int errno_from_name(const char *s);

/* "CAP_KILL", in any letter case. The list is in the order of the numbers. */
int capability_from_name(const char *s);
extern const char *const capabilities[];
extern const size_t n_capabilities;

/* "AF_UNIX" and so on, as linux knows them. */
extern const char *const address_families[];
extern const size_t n_address_families;

/* True for the full name of a unit that can be started, as systemd.unit(5) writes one: no template, no alias. */
bool unit_name_is_valid(const char *s) _pure_;

/* A whole number without a sign, nothing else. */
bool number_parse(const char *s, uint64_t *ret);
