#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* New lines of a journal as they arrive, on an event loop. */

#include "ctl/journal.h"

typedef void (*JournalLineFunction)(const JournalLine *line, void *userdata);

typedef struct JournalTail JournalTail;

/* Takes over the journal, unless it fails; print() gets each line from the current position on. Negative errno. */
int journal_tail_new(JournalTail **ret, Journal *journal, sd_event *event, JournalLineFunction print, void *userdata);
JournalTail *journal_tail_free(JournalTail *t);
DEFINE_CLEANUP(JournalTail, journal_tail_free)

/* The writer has ended: prints what is still on its way. */
void journal_tail_finish(JournalTail *t);
