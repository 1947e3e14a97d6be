#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The texts of one job (its file, then its drop-ins) -> a checked definition. No I/O. See vaktd.job(5). */

#include "config/diagnostics.h"
#include "config/job-loader.h"
#include "config/source.h"
#include "job/job-def.h"
#include "time/zone.h"

#define JOB_TAGS_MAX          64
#define JOB_TAG_LENGTH_MAX    64 /* bytes */
#define JOB_DOCUMENTATION_MAX 64
#define JOB_INTERVAL_MIN      USEC_PER_MSEC

/* A request of OnSuccess=, OnFailure= or OnAlarm=, and where it stands. */
typedef struct Chain {
        char *target; /* name of the job; in a template "instance" stands for %i */
        char *file;
        unsigned line;
        bool validated; /* false: a template's value with %i */
} Chain;

typedef struct Chains {
        Chain *items;
        size_t n_items;
} Chains;

void chains_done(Chains *c);
int chains_copy(const Chains *from, Chains *ret); /* 0 or -ENOMEM; ret may be half full then */

/* What a definition depends on beside its texts. */
typedef struct JobFileContext {
        const char *host;      /* %h */
        ZoneCache *zones;      /* that the definition's zones are borrowed from; NULL: only UTC is known */
        LoaderTarget target;   /* what the runs will be made of */
        usec_t now;            /* realtime; tells which abbreviations the zones use */
        Chains *chains;        /* result, where it is not NULL: what a good file requests */
        bool zones_at_problem; /* result: what is wrong may be right when the system gets other zones */
} JobFileContext;

/* Builds the definition of the job name from texts[0], its file, and the others, merged in this order. name is NAME or
 * NAME@INSTANCE. What is wrong goes to d. The reference is the caller's. -EINVAL with problems in d (n_texts is at
 * least 1); -ENOMEM. */
int job_file_build(const char *name, JobFileContext *context, const JobText *texts, size_t n_texts, Diagnostics *d,
                   JobDef **ret);

/* Checks a template, NAME@, as far as that can be done without an instance: a value with %i is not validated. The same
 * errors. */
int job_file_check_template(const char *name, JobFileContext *context, const JobText *texts, size_t n_texts,
                            Diagnostics *d);
