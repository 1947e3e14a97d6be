#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Match rules as AddMatch takes them, for the peers of the control socket. D-Bus specification, "Match Rules". */

#include "util/macro.h"

#define MATCH_RULE_TEXT_MAX 1024 /* bytes of a rule as written */

typedef struct MatchRule MatchRule;

/* The parts of a signal that a rule may match. */
typedef struct MatchSubject {
        const char *path;
        const char *interface;
        const char *member;
        const char *const *senders; /* the names of the sender, NULL-terminated */
} MatchSubject;

/* -EINVAL: not a match rule; -E2BIG: longer than MATCH_RULE_TEXT_MAX; -ENOMEM. */
int match_rule_new(MatchRule **ret, const char *text);
MatchRule *match_rule_free(MatchRule *r);
DEFINE_CLEANUP(MatchRule, match_rule_free)

/* The rule as it was written, by which RemoveMatch finds it again. */
const char *match_rule_text(const MatchRule *r) _pure_;

bool match_rule_matches(const MatchRule *r, const MatchSubject *s) _pure_;
