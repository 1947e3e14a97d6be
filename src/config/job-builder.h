#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A definition between the first line of its texts and the last: what the parsers of a job file's keys share. */

#include "config/job-context.h"
#include "config/key-table.h"
#include "config/reader.h"
#include "job/job-def.h"
#include "util/bytes.h"

/* Where something was set, so that what only the whole job can tell finds its line. */
typedef struct Place {
        const KeyRow *row;
        FileProblems *problems; /* of the text that it stands in */
        unsigned line;
        unsigned order; /* counts the lines of all texts; 0: it was not set */
        bool validated; /* false: a template's value with %i */
} Place;

/* A line whose value waits for the end. */
typedef struct WaitingLine {
        Place place;
        char *value;
} WaitingLine;

/* Of section [Timer]: times of the wall clock can be validated when the last line has said in which zone. */
typedef struct TimerLines {
        Place *triggers; /* one for each of the definition's */
        WaitingLine *except;
        size_t n_except;
        char *anchor; /* or NULL */
        bool persistent;
} TimerLines;

/* Of section [Path]. */
typedef struct PathLines {
        Place *sources; /* one for each of the definition's */
} PathLines;

/* Of section [Service]. */
typedef struct ServiceLines {
        Place *places;    /* one for each property of the definition */
        bool unvalidated; /* a template's value with %i is among them: the whole cannot be validated */
} ServiceLines;

/* One request of OnSuccess= and so on. */
typedef struct ChainLine {
        Place place;
        const char *target; /* in the definition's list */
} ChainLine;

#define UPKEEP_ARGUMENTS_MAX ((size_t)96 * 1024) /* bytes of them, well below what execve(2) takes */

typedef struct Builder {
        JobDef *def;
        JobFileContext *context;
        FileProblems *problems; /* one for each text */
        size_t n_problems;
        Place *places; /* one for each key that was set */
        size_t n_places;
        unsigned order;
        Bytes *text; /* the definition's, as job-file.h explains; NULL: it is not kept */
        char *shell;
        TimerLines timer;
        PathLines path;
        ServiceLines service;
        char **upkeep; /* the lines of [Rotate] and [Clean]: arguments of its program */
        size_t upkeep_bytes;
        ChainLine *chains;
        size_t n_chains;
} Builder;

static inline Builder *builder_of(const KeyLine *k) {
        return k->reading->userdata;
}

/* Writes down that the line is where something was set. */
void place_set(Place *p, const KeyLine *k);

/* Does so for its key (see KeyReading.note). 0 or -ENOMEM. */
int builder_note(const KeyLine *k);

/* Where a key of a section was set: the first line of a repeatable one, else the last. Its order is 0 when it was not.
 */
const Place *builder_place(const Builder *b, const char *section, const char *key) _pure_;

/* Where the first line of a section stands that sets something; NULL: none does. */
const Place *builder_section_place(const Builder *b, const char *section) _pure_;

/* The line that stood there, for a problem that is found late. */
KeyLine place_line(const Place *p, const char *value);

/* How many problems there are so far, in all texts. */
unsigned builder_n_problems(const Builder *b) _pure_;
