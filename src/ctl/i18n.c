/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Only LC_MESSAGES follows the environment here, and LC_CTYPE where text is measured: numbers and times have one form
 * in all languages, which job files and options accept. */

#include "ctl/i18n.h"

#include <locale.h>
#include <stdlib.h>

#include "config.h"

#define DOMAIN "vaktctl"

void i18n_init(void) {
        const char *directory = secure_getenv("VAKTCTL_LOCALE_DIR"); /* of a build that is not installed */

        setlocale(LC_MESSAGES, "");
        bindtextdomain(DOMAIN, isempty(directory) ? VAKT_LOCALEDIR : directory);
        bind_textdomain_codeset(DOMAIN, "UTF-8");
        textdomain(DOMAIN);
}
