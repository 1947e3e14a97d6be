#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The terminal as a full screen: it is put into raw mode and back, frames are drawn, keys are read. There is one for
 * the process. */

#include "util/macro.h"

typedef enum ScreenKey {
        KEY_NONE,
        KEY_UP = 0x100, /* others are characters */
        KEY_DOWN,
        KEY_PAGE_UP,
        KEY_PAGE_DOWN,
        KEY_HOME,
        KEY_END,
        KEY_ESCAPE,
} ScreenKey;

/* NULL, or why standard input and output cannot be used as a full screen: a sentence. */
const char *screen_problem(void);

/* Switches to the screen. Until screen_close(), every exit puts the terminal back: exit(3), and SIGINT, SIGTERM,
 * SIGHUP and SIGQUIT, which end the process as they do by default; SIGTSTP puts it back while the process is stopped.
 * Negative errno. */
int screen_open(void);
/* Puts the terminal back; may be opened again, for example after another program has used it. */
void screen_close(void);

/* Rows and columns now. */
void screen_size(size_t *ret_rows, size_t *ret_columns);

/* Writes the lines that are different from those on the screen, with one call. n: at most the rows of the screen. */
void screen_draw(char *const *lines, size_t n);
/* What is on the screen is not known any more: the next frame is drawn as a whole. */
void screen_forget(void);

/* Reads keys that were typed; KEY_NONE: there are no more now. *ret_closed: the terminal is gone. */
int screen_read_key(bool *ret_closed);
