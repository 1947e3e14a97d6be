#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Maps the properties of a D-Bus object to the members of a struct, with a table; and reads lists of structs. */

#include "client/connection.h"

/* The member at offset has the type that belongs to the D-Bus type: s, o: const char * (valid as long as the message
 * is held), t: uint64_t, u: uint32_t, i: int32_t, b: int, as: char ** (the caller frees it); a(...), a{..}: a pointer
 * to what properties_read_rows() gives. */
typedef struct PropertyMap {
        const char *name; /* "": no property */
        const char *type;
        size_t offset;
        /* In JSON: its name (NULL: it is left out), which values are null, and the names of the members of rows. */
        const char *json;
        enum {
                NEVER_NULL,
                NULL_IF_ZERO,
                NULL_IF_MAX,
                NULL_IF_EITHER, /* a point in time */
        } null;
        const char *const *members;
} PropertyMap;

typedef struct JobRow {
        const char *name, *description, *state, *fragment, *tags, *last_result;
        uint32_t last_code;
        usec_t next, retry, last_start, last_end;
        uint64_t runs;
        uint32_t running, queued, skip, degraded;
        int paused, has_problem;
        const char *object;
} JobRow;

typedef struct AlarmRow {
        const char *job, *key;
        usec_t raised;
        uint64_t run; /* or 0 */
        const char *message;
} AlarmRow;

typedef struct PoolView {
        const char *name;
        uint32_t slots, running, waiting;
} PoolView;

typedef struct DiagnosticView {
        const char *file;
        uint32_t line; /* 0: the file as a whole */
        const char *message;
} DiagnosticView;

typedef struct PropertyPair {
        const char *key;
        const char *value;
} PropertyPair;

typedef struct PropertyAlarm {
        const char *key;
        uint64_t raised;
        const char *message;
} PropertyAlarm;

typedef struct PropertyWatch {
        const char *key, *path, *state, *message;
} PropertyWatch;

typedef struct PropertyNumber {
        const char *name;
        uint64_t value;
} PropertyNumber;

/* What a method returned, ended by an empty row. */
typedef struct Rows {
        sd_bus_message *message; /* that the strings belong to */
        union {
                void *items;
                JobRow *jobs;
                AlarmRow *alarms;
                PoolView *pools;
                DiagnosticView *diagnostics;
                PropertyPair *pairs;
                struct ValueView *values;
                struct DefinitionRow *definitions;
        };
        size_t n_items;
} Rows;

void rows_done(Rows *rows);

/* Reads the a{sv} of GetAll. Properties that are not in the map are ignored, and missing ones leave their member
 * unchanged, but a string is "" then. A property of another type is -ENXIO. */
int properties_read(sd_bus_message *m, const PropertyMap *map, size_t n, void *ret);

/* Reads a list of structs or of dictionary entries, such as a(sts). ret: a pointer to a pointer to a C struct that has
 * just the members of the D-Bus type, of the types above, in its order; only s, o, t, x, d, u and b may be among them.
 * The caller frees the array, which an empty struct ends; its strings are the message's. ret_n may be NULL. -ENXIO:
 * the message has another type; -ENOMEM. */
int properties_read_rows(sd_bus_message *m, const char *type, void *ret, size_t *ret_n);

/* Offsets of the members of such a struct, by the D-Bus types between the brackets. Returns the size of the struct. */
#define ROW_MEMBERS_MAX 19
size_t properties_lay_out(const char *members, size_t ret_offsets[static ROW_MEMBERS_MAX]);

/* Both fail as connection_call() does. The caller drops *ret_message, which what was read points into.
 *
 * Reads an object: GetAll of an interface, then as properties_read(). The call says where and how it is asked. What
 * was allocated for ret is the caller's to free on failure as well. */
int properties_get(Connection *c, const MethodCall *call, const char *interface, const PropertyMap *map, size_t n,
                   sd_bus_error *reterr, sd_bus_message **ret_message, void *ret);

/* Calls a method without arguments, and reads its reply like properties_read_rows(). */
int properties_get_rows(Connection *c, const MethodCall *call, const char *type, sd_bus_error *reterr, Rows *ret);
