/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "util/spawn-signals.h"

#include <signal.h>

int spawn_set_signals(posix_spawnattr_t *attributes) {
        sigset_t all, none;
        int r;

        (void)sigfillset(&all);
        (void)sigemptyset(&none);
        r = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        if (r == 0)
                r = posix_spawnattr_setsigmask(attributes, &none);
        if (r == 0)
                r = posix_spawnattr_setsigdefault(attributes, &all);
        return r;
}
