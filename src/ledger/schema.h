#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The tables of the database and the way from each earlier version to this one. */

#include <sqlite3.h>

#define SCHEMA_VERSION 5

/* Whether the database may be written by us: 0, its version may be 0 (empty) to SCHEMA_VERSION; -EPROTONOSUPPORT: a
 * newer vaktd made it; -EMEDIUMTYPE: somebody else did; -EBADMSG: it is damaged, or no database; other negative
 * errnos: it could not be read. Writes nothing. */
int schema_check(sqlite3 *db);

/* Brings a database that was checked to SCHEMA_VERSION, a transaction a step. */
int schema_migrate(sqlite3 *db);
