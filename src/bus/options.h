#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The options of a method, a{sv}, by a table. */

#include <systemd/sd-bus.h>

typedef struct Option {
        const char *name, *type;
        int (*read)(sd_bus_message *m, void *ret, sd_bus_error *e); /* its value, from within the variant */
} Option;

typedef struct OptionTable {
        const char *kind, *method; /* "Option", "Run" */
        const char *list;          /* "the options are …", for a client that names another one */
        const Option *options;
        size_t n;
} OptionTable;

/* ret is passed to the readers. An option that is not in the table or has the wrong type is refused. */
int options_read(sd_bus_message *m, const OptionTable *table, void *ret, sd_bus_error *e);

/* Sets the error that says what is wrong with an option. */
int option_refuse(const OptionTable *table, const char *name, const char *what, sd_bus_error *e);
