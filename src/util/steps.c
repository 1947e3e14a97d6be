/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "util/steps.h"

uint64_t steps_taken;
