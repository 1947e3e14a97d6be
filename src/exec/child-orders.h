#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the daemon tells vakt-exec to do, handed over in a memory file: arguments and environment of a process can
 * be read by others. And what vakt-exec answers when it cannot. */

#include "job/unit-property.h"

#define CHILD_FAILED_MAX 512 /* bytes of a message, its NUL included */

typedef struct ChildOrders {
        const char *directory; /* where the run starts, unless WorkingDirectory= says otherwise */
        const char *list;      /* a file that is to be given to the user of the run, "" = none */
        const char *program;   /* as written: absolute, or looked up in PATH */
        char **argv;
        bool expand;   /* $VAR in argv */
        char **passed; /* of our own variables, by PassEnvironment= */
        UnitProperty *properties;
        size_t n_properties;
} ChildOrders;

/* Writes them into a memory file that can be read from its beginning; an fd, -E2BIG or another negative errno. */
int child_orders_write(const ChildOrders *o);

typedef struct ChildOrdersText ChildOrdersText;

/* Reads them. The texts in *ret live as long as *ret_text, which the caller frees. -EBADMSG, -ENOMEM. */
int child_orders_read(int fd, ChildOrders *ret, ChildOrdersText **ret_text);
ChildOrdersText *child_orders_text_free(ChildOrdersText *t);
DEFINE_CLEANUP(ChildOrdersText, child_orders_text_free)

/* The answer: one write to a pipe that is closed when the run's program is executed. */
typedef struct ChildFailed {
        int error;                      /* errno */
        char message[CHILD_FAILED_MAX]; /* of what could not be done */
} ChildFailed;
