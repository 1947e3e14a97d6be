#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The language of vaktctl. */

#include "util/i18n.h"

/* Translates from now on, as the environment says (LANGUAGE, LC_ALL, LC_MESSAGES, LANG). Translations are UTF-8, as
 * everything that is printed. */
void i18n_init(void);
