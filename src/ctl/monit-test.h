#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What monit tests, as a condition of vaktd. */

#include "ctl/monit-words.h"

typedef enum MonitKind {
        MONIT_PROCESS,
        MONIT_FILE,
        MONIT_FIFO,
        MONIT_DIRECTORY,
        MONIT_FILESYSTEM,
        MONIT_HOST,
        MONIT_SYSTEM,
        MONIT_PROGRAM,
        MONIT_NETWORK,
        _MONIT_KIND_MAX,
} MonitKind;

/* What a check is about. */
typedef struct MonitSubject {
        MonitKind kind;
        const char *name;   /* of the check; a process needs it */
        const char *target; /* path, file with the PID, regular expression, address or interface; "" for the machine */
        bool is_pattern;    /* a process is found by a regular expression */
} MonitSubject;

/* A test that was translated, or not. */
typedef struct MonitTest {
        char *condition;  /* for When=; or NULL */
        bool is_exec;     /* the condition executes a program */
        bool is_change;   /* a change of the target, for PathModified= */
        char *reason;     /* why it is neither, a sentence for people; or NULL */
        const char *loss; /* what gets lost in the translation, the same; or NULL */
} MonitTest;

void monit_test_translate(MonitTest *ret, const MonitSubject *subject, const MonitWord *words, size_t n);
void monit_test_done(MonitTest *t);
