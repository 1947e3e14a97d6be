#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The properties of a D-Bus object -> the members of a struct, by a table. */

#include <systemd/sd-bus.h>

#include "util/macro.h"

/* The member at offset has the type that belongs to the D-Bus type: s, o: const char * (valid as long as the message
 * is held), t: uint64_t, u: uint32_t, i: int32_t, b: int, as: char ** (the caller frees it), a(ss): PropertyPair *,
 * a(sts): PropertyAlarm *, a(ssss): PropertyWatch *, a{st}: PropertyNumber *, all ended by an empty one (the caller
 * frees the array; its strings are the message's). */
typedef struct PropertyMap {
        const char *name;
        const char *type;
        size_t offset;
} PropertyMap;

typedef struct PropertyPair {
        const char *key;
        const char *value;
} PropertyPair;

typedef struct PropertyAlarm {
        const char *key;
        uint64_t raised;
        const char *sentence;
} PropertyAlarm;

typedef struct PropertyWatch {
        const char *key, *path, *state, *sentence;
} PropertyWatch;

typedef struct PropertyNumber {
        const char *name;
        uint64_t value;
} PropertyNumber;

/* Reads the a{sv} of GetAll. What the map does not name is skipped, what does not come is left as it was. A property
 * of another type is -ENXIO. */
int properties_read(sd_bus_message *m, const PropertyMap *map, size_t n, void *ret);

/* Reads an a(ss); as above. */
int properties_read_pairs(sd_bus_message *m, PropertyPair **ret);
