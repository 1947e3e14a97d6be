#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Command lines that the service manager does not keep as they are. When it reads its files again it reads what it
 * wrote down of a transient unit, and of a command line with a "$", in systemd 252 with a ";", too, that is not what
 * it was told: a run that is about to start would be given another command line, and one of several commands the rest
 * of which is still to come would not find its place and be taken for over. (Tried with each byte, on 252 and 257.)
 *
 * Such a command is started through the program vakt-command, with its words encoded; it takes care of $VAR itself.
 *
 * It also brings what neither a unit's Environment= nor a file of EnvironmentFile= can hold: a path in $VAKT_PATH with
 * bytes that are no text, which is encoded there.
 *
 * And it marks the output of a run in a session of PAM, whose processes logind takes out of their unit: what they
 * write is found by the stream that the mark came by.
 */

#include "job/job-def.h"

/* What vakt-command exits with when there is nothing it can execute; it says why by ERRNO= of sd_notify(3) then. That
 * is what the service manager itself uses, and what the shell's 126 and 127 are for it. */
#define UNIT_COMMAND_FAILED 203

bool unit_command_is_garbled(const CommandDef *c) _pure_;

/* True for what the environment of a unit can hold: UTF-8, of characters that may be sent and have no effect of their
 * own. */
bool unit_text_is_plain(const char *s) _pure_;

/* Any bytes as text, for unit_command_decode_word(). The caller frees it; NULL without memory. */
char *unit_text_encode(const char *bytes);

/* The words with which vakt-command is called for a command, without its own path. decode_path: $VAKT_PATH is encoded.
 * -ENOMEM. */
int unit_command_encode(char ***ret, const CommandDef *c, bool decode_path, bool in_session);

/* The other way round, in place: "%24" becomes "$". False when it is no such word. */
bool unit_command_decode_word(char *word);
