#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages of vaktctl in the language of the user, by gettext(3): _() around what is printed, N_() around what a table
 * holds and translated() prints, ngettext() where a number decides. States, results, causes and time spans are words
 * of job files and options, and stay as they are, as does everything that programs read. A program that does not call
 * i18n_init() of ctl/ has them in English. */

#include <libintl.h>

#include "util/macro.h"

#define _(text)  gettext(text)
#define N_(text) text

/* A text that N_() marks; "" stays so, for which gettext() has the header of the translation. */
static inline const char *translated(const char *text) {
        return isempty(text) ? text : gettext(text);
}
