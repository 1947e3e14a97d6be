/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* sethostname() takes any bytes, and %h may end up in a Shell= line. */

#include "config/host-name.h"

#include <sys/utsname.h>

#include "util/macro.h"

void host_name_get(char host[HOST_SIZE]) {
        static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";

        struct utsname u;
        size_t n = 0;

        if (uname(&u) >= 0)
                n = strlen(u.nodename);
        if (n == 0 || n >= HOST_SIZE || u.nodename[strspn(u.nodename, allowed)] != '\0')
                memcpy(host, "localhost", sizeof("localhost"));
        else
                memcpy(host, u.nodename, n + 1);
}
