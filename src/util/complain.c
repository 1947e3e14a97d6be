/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "util/complain.h"

#include <stdarg.h>
#include <stdio.h>

int complain(char **reterr, const char *format, ...) {
        char *text = NULL;
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&text, format, ap);
        va_end(ap);
        if (r < 0)
                return -ENOMEM;
        *reterr = text;
        return -EINVAL;
}
