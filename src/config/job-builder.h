#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A definition between the first line of its texts and the last: what the parsers of a job file's keys share. */

#include "config/job-context.h"
#include "config/key-table.h"
#include "config/reader.h"
#include "job/job-def.h"

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
        WaitingLine anchor; /* value is NULL when there is none */
        Place zone;
        Place interval_from;
        Place catch_up;
        bool persistent;
} TimerLines;

/* The keys of section [Path] but those that name what is watched. */
typedef enum PathSetting {
        PATH_INCLUDE,
        PATH_EXCLUDE,
        PATH_EVENTS,
        PATH_RECURSIVE,
        PATH_CROSS_MOUNTS,
        PATH_SETTLE,
        PATH_SETTLE_MAX,
        PATH_BATCH,
        PATH_SPOOL_DONE,
        PATH_SPOOL_FAILED,
        PATH_LIMIT_INTERVAL,
        PATH_LIMIT_BURST,
        PATH_MAKE_DIRECTORY,
        PATH_DIRECTORY_MODE,
        PATH_BACKEND,
        PATH_POLL,
        _PATH_SETTING_MAX,
} PathSetting;

/* Of section [Path]. */
typedef struct PathLines {
        Place *sources;                    /* one for each of the definition's */
        Place settings[_PATH_SETTING_MAX]; /* the first line of a repeatable one, else the last */
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

typedef struct Builder {
        JobDef *def;
        JobFileContext *context;
        FileProblems *problems; /* one for each text */
        size_t n_problems;
        unsigned order;
        char *shell;
        Place exec_place; /* of the first Exec= that counts */
        Place shell_place;
        Place unit_place;
        TimerLines timer;
        PathLines path;
        Place monitor_place;   /* of the first line of [Monitor] */
        bool monitor_has_when; /* also when its last line is an empty one */
        ServiceLines service;
        ChainLine *chains;
        size_t n_chains;
} Builder;

static inline Builder *builder_of(const KeyLine *k) {
        return k->reading->userdata;
}

/* Writes down that the line is where something was set. */
void place_set(Place *p, const KeyLine *k);

/* The line that stood there, for a problem that is found late. */
KeyLine place_line(const Place *p, const char *value);

/* How many problems there are so far, in all texts. */
unsigned builder_n_problems(const Builder *b) _pure_;
