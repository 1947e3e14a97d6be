#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One screen of vaktctl top as text: pure, so that it can be tested without a terminal. */

#include "ctl/top-model.h"
#include "util/clock.h"

#define TOP_SCREEN_ROWS_MAX    500
#define TOP_SCREEN_COLUMNS_MAX 1000

typedef struct TopStyle {
        size_t rows, columns;
        bool color;
        bool utf8; /* the terminal shows it */
} TopStyle;

typedef struct TopFrame {
        char **lines; /* one for each row of the screen, at most as wide as it, with colours */
        size_t n;
        usec_t changes; /* µs of CLOCK_REALTIME at which the text is another one, in whole seconds; USEC_INFINITY:
                           never */
} TopFrame;

void top_frame_compose(const TopModel *m, const TopStyle *style, usec_t now_realtime, TopFrame *ret);
void top_frame_done(TopFrame *f);
