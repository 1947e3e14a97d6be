#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the parser, the printer and the search of calendar expressions share. */

#include "time/calendar.h"

enum calendar_field {
        CALENDAR_YEAR,
        CALENDAR_MONTH,
        CALENDAR_DAY,
        CALENDAR_HOUR,
        CALENDAR_MINUTE,
        CALENDAR_USEC, /* seconds and their fraction, in µs */
        _CALENDAR_FIELD_MAX,
};

/* One item of a list: start, start..stop, start/repeat, start..stop/repeat. */
struct component {
        int32_t start;
        int32_t stop;   /* -1 for none */
        int32_t repeat; /* 0 for none */
};

enum calendar_suffix {
        CALENDAR_SUFFIX_NONE,
        CALENDAR_SUFFIX_UTC,
        CALENDAR_SUFFIX_ZONE,         /* "Europe/Oslo" */
        CALENDAR_SUFFIX_ABBREVIATION, /* "CET" of the local zone */
};

/* The components of all fields stand one behind the other, so that a typical expression is one block of 130 bytes. */
struct Calendar {
        LocalSet set;
        const Zone *zone;
        char *abbreviation;  /* as the zone spelled it when the expression was parsed */
        uint64_t seconds;    /* the whole seconds as a mask, or 0: ask the components */
        uint32_t days;       /* bit n: the n-th day; with from_end bit 32 - n: the n-th from the end */
        uint8_t weekdays;    /* bit 0 is Monday; 0 for any */
        uint8_t suffix;      /* enum calendar_suffix */
        int8_t dst;          /* with an abbreviation: 0 or 1, else -1 */
        bool from_end;       /* "~" */
        uint8_t margin_days; /* so near to a change of the clock only systemd's own way gives its answer */
        uint16_t end[_CALENDAR_FIELD_MAX]; /* where the components of a field end */
        struct component components[];
};

static inline const struct component *calendar_components(const Calendar *c, enum calendar_field field,
                                                          size_t *ret_n) {
        size_t begin = field > 0 ? c->end[field - 1] : 0;

        *ret_n = c->end[field] - begin;
        return c->components + begin;
}

/* The smallest value of a list from one on, -1 for none; no list at all has every value. Repetition without a stop
 * does not stop at the end of the field. */
int32_t components_next(const struct component *c, size_t n, int32_t from);

/* Fills in the masks from the components. */
void calendar_compile(Calendar *calendar);

/* The search in systemd's own steps, for where a clock change is near. -EDEADLK when systemd gives up. */
int calendar_walk(const Calendar *calendar, usec_t after, usec_t *ret);
