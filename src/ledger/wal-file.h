#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* SQLite's interface to the operating system (a VFS), which writes a transaction to the write-ahead log with one
 * call. */

/* Name of that VFS, for sqlite3_open_v2(). NULL if it could not be registered, and for SQLite's default one. */
const char *wal_file_vfs(void);
