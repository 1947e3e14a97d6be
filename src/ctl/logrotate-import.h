#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A block of the configuration of logrotate(8) as a job file with [Rotate]. */

#include "ctl/logrotate-read.h"

/* Adds the job, unless it would do something else; what it does not do becomes notes, and comments in it. */
void logrotate_import(Import *i, const LogrotateBlock *b);
