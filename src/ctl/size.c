/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Truncated, not rounded, like systemd: a limit of 100M that is reached within some bytes must not read as 100M. */

#include "ctl/size.h"

#include "util/macro.h"

char *size_format(char buf[static SIZE_TEXT_MAX], uint64_t n) {
        static const char letters[] = "EPTGMK";
        uint64_t unit = UINT64_C(1) << 60;

        for (const char *letter = letters; *letter; letter++, unit >>= 10) {
                uint64_t tenths;

                if (n < unit)
                        continue;
                tenths = n % unit * 10 / unit;
                if (tenths > 0)
                        (void)snprintf(buf, SIZE_TEXT_MAX, "%" PRIu64 ".%" PRIu64 "%c", n / unit, tenths, *letter);
                else
                        (void)snprintf(buf, SIZE_TEXT_MAX, "%" PRIu64 "%c", n / unit, *letter);
                return buf;
        }
        (void)snprintf(buf, SIZE_TEXT_MAX, "%" PRIu64 "B", n);
        return buf;
}
