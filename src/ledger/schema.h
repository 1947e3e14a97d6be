#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The tables of the database and the upgrade from each earlier version. */

#include <sqlite3.h>

#define SCHEMA_VERSION 7

/* Whether we may write to the database: 0, its version may be 0 (empty) to SCHEMA_VERSION; -EPROTONOSUPPORT: created
 * by a newer vaktd; -EMEDIUMTYPE: created by another program; -EBADMSG: it is damaged, or not a database; other
 * negative errnos: it could not be read. Writes nothing. */
int schema_check(sqlite3 *db);

/* Upgrades a database that was checked to SCHEMA_VERSION, one transaction per step. */
int schema_migrate(sqlite3 *db);
