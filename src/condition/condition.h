#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Conditions: the language of When=, Clear= and WaitFor= (vaktd.condition(7)), and what follows from readings.
 * Pure: who asks the machine is probe/.
 *
 * A condition is a tree of tests. A test is a question ("disk-free /var") and, where the answer is a number, a limit
 * ("< 10%"). What cannot be told is unknown, which is neither true nor false: not, and, or follow the logic of three
 * values (Kleene), so that "unknown or true" is true and "unknown and false" is false. */

#include <stddef.h>

#include "util/clock.h"
#include "util/macro.h"

#define CONDITION_TEXT_MAX  4096 /* bytes of a condition */
#define CONDITION_TESTS_MAX 64   /* tests in one condition */
#define CONDITION_DEPTH_MAX 32   /* parentheses and "not" in each other */

/* What is counted no further: a value above is one more, and a limit above is refused. */
#define CONDITION_ENTRIES_MAX 1000000
#define CONDITION_LINES_MAX   100000 /* of the journal */

typedef enum ConditionKind {
        CONDITION_AC_POWER,
        CONDITION_CERT_DAYS,
        CONDITION_CLOCK_SYNCHRONIZED,
        CONDITION_DISK_FREE,
        CONDITION_DISK_FULL_IN,
        CONDITION_ENTRIES,
        CONDITION_EXEC,
        CONDITION_FAILED_UNITS,
        CONDITION_FD_FREE,
        CONDITION_FILE_AGE,
        CONDITION_FILE_EXISTS,
        CONDITION_FILE_SIZE,
        CONDITION_INODE_FREE,
        CONDITION_JOB,
        CONDITION_JOURNAL_MATCHES,
        CONDITION_LISTENING,
        CONDITION_LOAD1,
        CONDITION_LOAD5,
        CONDITION_LOAD15,
        CONDITION_MEMORY_AVAILABLE,
        CONDITION_MOUNTED,
        CONDITION_ONLINE,
        CONDITION_PIDS_FREE,
        CONDITION_PRESSURE,
        CONDITION_PROCESS,
        CONDITION_SWAP_FREE,
        CONDITION_TEMPERATURE,
        CONDITION_UNIT,
        _CONDITION_KIND_MAX,
} ConditionKind;

/* What the integers of a reading count. */
typedef enum ConditionUnit {
        CONDITION_TRUTH,   /* 0 or 1; has no limit */
        CONDITION_COUNT,   /* pieces */
        CONDITION_BYTES,   /* */
        CONDITION_USEC,    /* µs */
        CONDITION_DAYS,    /* whole days, negative when they are over */
        CONDITION_MILLI,   /* thousandths: of a load, of a degree Celsius */
        CONDITION_PERCENT, /* parts of ten thousand, as PERCENT_ONE has it */
} ConditionUnit;

/* What is asked of the machine. Equal questions have one probe. */
typedef struct Question {
        ConditionKind kind;
        char *subject; /* path, name of a unit, process or job, port, program, resource of pressure; or NULL */
        char *aspect;  /* "failed", "active", "some", "tcp", the span of journal-matches; or NULL */
} Question;

typedef enum ConditionOperator {
        CONDITION_IS, /* of CONDITION_TRUTH */
        CONDITION_LESS,
        CONDITION_LESS_EQUAL,
        CONDITION_GREATER,
        CONDITION_GREATER_EQUAL,
        CONDITION_EQUAL,
        CONDITION_NOT_EQUAL,
} ConditionOperator;

typedef struct ConditionTest {
        Question question;
        ConditionOperator op;
        int64_t limit; /* in the unit of the kind; with is_share in parts of ten thousand of Reading.whole */
        bool is_share; /* "%" of what has a whole */
        size_t column; /* from 1, where it stands in the text */
} ConditionTest;

/* What is known of a question. */
typedef struct Reading {
        bool is_known;
        int64_t value;       /* in the unit of the kind */
        int64_t whole;       /* what value is a share of: bytes of the file system …; 0 when it is of nothing */
        usec_t at;           /* µs of CLOCK_REALTIME; when it was so */
        const char *reason;  /* why it is unknown: one sentence, borrowed; NULL when it is known */
        const char *subject; /* what of a pattern's it is true of, borrowed; NULL: what the question says */
} Reading;

#define CONDITION_NEVER INT64_MAX /* of CONDITION_USEC: it does not come to that */

typedef enum Truth {
        TRUTH_FALSE,
        TRUTH_TRUE,
        TRUTH_UNKNOWN,
} Truth;

typedef struct Condition Condition;

typedef struct ConditionError {
        size_t column; /* from 1, in bytes */
        char message[256];
} ConditionError;

/* Parses one. -EINVAL, with *reterr (may be NULL) filled in; -ENOMEM. What it was written as, normalized, parses to
 * an equal one (condition_format()). */
int condition_parse(const char *text, Condition **ret, ConditionError *reterr);
/* a and b; takes both over, also when it fails (-ENOMEM; -E2BIG: too many tests, parentheses or bytes). a may be NULL.
 */
int condition_and(Condition *a, Condition *b, Condition **ret);
/* not c; takes it over. The same errors. */
int condition_not(Condition *c, Condition **ret);
int condition_copy(const Condition *c, Condition **ret); /* -ENOMEM */
Condition *condition_free(Condition *c);
DEFINE_CLEANUP(Condition, condition_free)
/* The normalized form. The caller frees it. */
int condition_format(const Condition *c, char **ret);

/* Its tests in the order of the text. */
size_t condition_n_tests(const Condition *c) _pure_;
const ConditionTest *condition_test(const Condition *c, size_t i) _pure_;

/* readings[i] is about condition_test(c, i). A share of nothing (whole is 0) is unknown. */
Truth condition_truth(const Condition *c, const Reading *readings);
Truth condition_test_truth(const ConditionTest *t, const Reading *r);
/* The test that people are to be told about: of a true (false, unknown) condition the first one that makes it so. */
size_t condition_decisive_test(const Condition *c, const Reading *readings);

/* What a test asks, without its limit. The errors of condition_parse(). */
int question_parse(const char *text, Question *ret, ConditionError *reterr);
/* "disk-free /var", as it is written in a condition. The caller frees it. */
int question_format(const Question *q, char **ret);
int question_copy(Question *ret, const Question *q);
void question_done(Question *q);
int question_compare(const Question *a, const Question *b) _pure_;

/* A value (or limit) for people and for VAKT_VALUE: "9.3% (1.2G)", "26h 3min", "0.75", "yes". Fills buf, returns it.
 */
#define CONDITION_VALUE_MAX 64
const char *reading_format(char buf[static CONDITION_VALUE_MAX], const Question *q, const Reading *r);
/* A mean of values, of truths the share of those that are true: "1.5", "3.4%". */
const char *mean_format(char buf[static CONDITION_VALUE_MAX], ConditionKind k, double mean);
const char *limit_format(char buf[static CONDITION_VALUE_MAX], const ConditionTest *t);

const char *condition_kind_to_string(ConditionKind k) _const_;
const char *condition_kind_help(ConditionKind k) _const_;    /* what it measures, without a full stop */
const char *condition_kind_example(ConditionKind k) _const_; /* a condition with it */
ConditionUnit condition_kind_unit(ConditionKind k) _const_;
/* "unknown", "true", "false" */
const char *truth_to_string(Truth t) _const_;
