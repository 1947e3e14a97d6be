#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The verbs and options of vaktctl: one table of each, from which the help, the check of a command line and what
 * shells complete follow. */

#include "ctl/ctl.h"

typedef struct Option {
        char short_name; /* 0: none */
        const char *long_name;
        const char *argument;                    /* its name in the help; NULL: no argument */
        size_t flag;                             /* bool in Ctl that it sets, */
        size_t text;                             /* or string in Ctl that is its argument, */
        int (*parse)(Ctl *c, const char *value); /* or what takes the argument; exit code */
        const char *verbs;                       /* verbs that it can be used with, as named in the help; NULL: all */
        const char *help;
} Option;

typedef struct Verb {
        const char *name;
        const char *arguments; /* for the help, and for completion: JOB, RUN, FILE, … */
        unsigned min, max;     /* number of arguments */
        VerbFunction function; /* NULL: the help */
        const char *help;
} Verb;

struct CommandLine {
        const Option *options;
        size_t n_options;
        const Verb *verbs;
        size_t n_verbs;
};

/* The names of the priorities of the journal, in the order of their numbers. */
extern const char *const log_priorities[8];

/* NULL: there is none. */
const Verb *verb_by_name(const char *name) _pure_;

/* Whether an option can be used with a verb. */
bool option_goes_with(const Option *o, const char *verb) _pure_;
