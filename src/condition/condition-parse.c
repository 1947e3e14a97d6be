/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From text to tree. "or" binds weaker than "and", that weaker than "not"; operators wait on a stack until what they
 * bind is complete (Dijkstra's shunting yard), so that no text can make the parser's own stack grow. Each problem is
 * told with its column, what is wrong, and what would be right. */

#include <assert.h>

#include "condition/condition-internal.h"
#include "util/array.h"
#include "util/utf8.h"
#include "util/words.h"

#define SHOWN_MAX     64
#define KIND_NAME_MAX 32

typedef enum Pending {
        PENDING_PARENTHESIS,
        PENDING_OR, /* in the order of how strongly they bind */
        PENDING_AND,
        PENDING_NOT,
} Pending;

/* Between two of what counts as depth, one "or" and one "and" can wait. */
#define PENDING_MAX (3 * CONDITION_DEPTH_MAX + 2)

typedef struct Parser {
        Scanner scanner;
        Condition *condition;
        struct {
                Pending type;
                const char *at;
        } pending[PENDING_MAX];
        size_t n_pending;
        unsigned depth;
} Parser;

static int parser_push(Parser *p, Pending type, const char *at) {
        if (type == PENDING_PARENTHESIS || type == PENDING_NOT) {
                if (p->depth >= CONDITION_DEPTH_MAX)
                        return scanner_complain(&p->scanner, at,
                                                "There are more than %d parentheses and \"not\" in each other. "
                                                "Write it with fewer.",
                                                CONDITION_DEPTH_MAX);
                p->depth++;
        }
        assert(p->n_pending < PENDING_MAX);
        p->pending[p->n_pending].type = type;
        p->pending[p->n_pending++].at = at;
        return 0;
}

/* Applies what binds at least so strongly, up to the next open parenthesis. */
static int parser_apply(Parser *p, Pending least) {
        static const StepType steps[] = { [PENDING_OR] = STEP_OR, [PENDING_AND] = STEP_AND, [PENDING_NOT] = STEP_NOT };

        while (p->n_pending > 0 && p->pending[p->n_pending - 1].type >= least) {
                Pending type = p->pending[--p->n_pending].type;
                int r = condition_add_step(p->condition, steps[type]);

                if (r < 0)
                        return r;
                p->depth -= type == PENDING_NOT;
        }
        return 0;
}

/* --- one test --- */

static int complain_kind(Scanner *s, const char *at, size_t n) {
        char name[KIND_NAME_MAX + 1] = "";
        const char *nearest;
        size_t shown = utf8_cut(at, MIN(n, (size_t)SHOWN_MAX));

        if (n == 0)
                return scanner_complain(s, at, "A condition is missing. Write, for example, \"%s\".",
                                        condition_kind_example(CONDITION_DISK_FREE));
        memcpy(name, at, MIN(n, (size_t)KIND_NAME_MAX));
        nearest = kind_nearest(name);
        if (nearest)
                return scanner_complain(s, at, "\"%.*s\" is not a condition. Did you mean \"%s\"?", (int)shown, at,
                                        nearest);
        return scanner_complain(s, at, "\"%.*s\" is not a condition. Write, for example, \"%s\".", (int)shown, at,
                                condition_kind_example(CONDITION_DISK_FREE));
}

static int take_kind(Scanner *s, Question *q) {
        const char *at = s->at;
        size_t n = strcspn(at, WORD_BLANKS "()<>=!\"'\\");
        int kind = kind_from_name(at, n);

        if (kind < 0)
                return complain_kind(s, at, n);
        s->at += n;
        q->kind = (ConditionKind)kind;
        return 0;
}

static int take_question(Scanner *s, Question *q) {
        int r = take_kind(s, q);

        return r < 0 || !kind_row(q->kind)->take ? r : kind_row(q->kind)->take(s, q);
}

/* Returns 1, or 0 when none is next. */
static int take_operator(Scanner *s, ConditionOperator *ret) {
        static const struct {
                const char *text;
                ConditionOperator op;
        } operators[] = {
                /* the longer ones first */
                { "<=", CONDITION_LESS_EQUAL }, { ">=", CONDITION_GREATER_EQUAL }, { "==", CONDITION_EQUAL },
                { "!=", CONDITION_NOT_EQUAL },  { "<", CONDITION_LESS },           { ">", CONDITION_GREATER },
                { "=", CONDITION_EQUAL },
        };

        scanner_skip_blanks(s);
        for (size_t i = 0; i < ELEMENTSOF(operators); i++) {
                const char *rest = startswith(s->at, operators[i].text);

                if (rest) {
                        s->at = rest;
                        *ret = operators[i].op;
                        return 1;
                }
        }
        return 0;
}

static int take_limit(Scanner *s, ConditionTest *t) {
        const KindRow *row = kind_row(t->question.kind);
        const char *at;

        scanner_skip_blanks(s);
        at = s->at;
        t->op = CONDITION_IS;
        if (take_operator(s, &t->op) == 0) {
                if (row->unit == CONDITION_TRUTH)
                        return 0;
                return scanner_complain(s, at, "\"%s\" is %s: its limit is missing. Write, for example, \"%s\".",
                                        row->name, row->help, row->example);
        }
        if (row->unit == CONDITION_TRUTH)
                return scanner_complain(s, at, "\"%s\" is true or false and has no limit. Write, for example, \"%s\".",
                                        row->name, row->example);
        return limit_take(s, t);
}

static int parser_take_test(Parser *p) {
        Condition *c = p->condition;
        ConditionTest *t;
        int r;

        if (c->n_tests >= CONDITION_TESTS_MAX)
                return scanner_complain(&p->scanner, p->scanner.at,
                                        "There are more than %d tests in one condition. Remove some.",
                                        CONDITION_TESTS_MAX);
        t = ARRAY_NEXT(c->tests, c->n_tests);
        if (!t)
                return -ENOMEM;
        c->n_tests++;
        *t = (ConditionTest){ .column = (size_t)(p->scanner.at - p->scanner.text) + 1 };
        r = take_question(&p->scanner, &t->question);
        if (r >= 0)
                r = take_limit(&p->scanner, t);
        return r < 0 ? r : condition_add_step(c, STEP_TEST);
}

/* --- tests and what is between them --- */

/* Takes what stands before an operand, and the operand. */
static int parser_take_operand(Parser *p) {
        Scanner *s = &p->scanner;

        for (;;) {
                const char *at;
                int r;

                scanner_skip_blanks(s);
                at = s->at;
                if (*at == '(') {
                        s->at++;
                        r = parser_push(p, PENDING_PARENTHESIS, at);
                } else if (scanner_take_keyword(s, "not"))
                        r = parser_push(p, PENDING_NOT, at);
                else
                        return parser_take_test(p);
                if (r < 0)
                        return r;
        }
}

static int parser_close(Parser *p, const char *at) {
        int r = parser_apply(p, PENDING_OR);

        if (r < 0)
                return r;
        if (p->n_pending == 0)
                return scanner_complain(&p->scanner, at, "This parenthesis closes nothing. Remove it.");
        p->n_pending--;
        p->depth--;
        return 0;
}

static int complain_joint(Scanner *s, const char *at) {
        size_t n = strcspn(at, WORD_BLANKS);

        return scanner_complain(s, at,
                                "\"%.*s\" is not expected here. Write \"and\" or \"or\" before another condition, "
                                "and quotes around what contains blanks.",
                                (int)utf8_cut(at, MIN(n, (size_t)SHOWN_MAX)), at);
}

/* Takes what stands behind an operand. Returns 1 when another one has to follow, 0 at the end. */
static int parser_take_joint(Parser *p) {
        Scanner *s = &p->scanner;

        for (;;) {
                const char *at;
                bool is_and;
                int r;

                scanner_skip_blanks(s);
                at = s->at;
                if (*at == '\0')
                        return 0;
                if (*at == ')') {
                        s->at++;
                        r = parser_close(p, at);
                        if (r < 0)
                                return r;
                        continue;
                }
                is_and = scanner_take_keyword(s, "and");
                if (!is_and && !scanner_take_keyword(s, "or"))
                        return complain_joint(s, at);
                r = parser_apply(p, is_and ? PENDING_AND : PENDING_OR);
                if (r >= 0)
                        r = parser_push(p, is_and ? PENDING_AND : PENDING_OR, at);
                return r < 0 ? r : 1;
        }
}

static int parser_run(Parser *p) {
        int r;

        do {
                r = parser_take_operand(p);
                if (r >= 0)
                        r = parser_take_joint(p);
        } while (r > 0);
        if (r >= 0)
                r = parser_apply(p, PENDING_OR);
        if (r < 0)
                return r;
        if (p->n_pending > 0)
                return scanner_complain(&p->scanner, p->pending[p->n_pending - 1].at,
                                        "This parenthesis is not closed. Write \")\" behind what it contains.");
        return 0;
}

int question_parse(const char *text, Question *ret, ConditionError *reterr) {
        ConditionError unheard;
        Scanner s = { text, text, reterr ?: &unheard };
        Question q = {};
        int r;

        if (strlen(text) > CONDITION_TEXT_MAX)
                return scanner_complain(&s, text + CONDITION_TEXT_MAX, "This is longer than %d bytes. Shorten it.",
                                        CONDITION_TEXT_MAX);
        scanner_skip_blanks(&s);
        r = take_question(&s, &q);
        if (r >= 0)
                scanner_skip_blanks(&s);
        if (r >= 0 && *s.at != '\0')
                r = scanner_complain(&s, s.at,
                                     "This is not a part of the question. Write only what stands before the "
                                     "limit, such as \"disk-free /var\".");
        if (r < 0) {
                question_done(&q);
                return r;
        }
        *ret = q;
        return 0;
}

int condition_parse(const char *text, Condition **ret, ConditionError *reterr) {
        _cleanup_(condition_freep) Condition *c = calloc(1, sizeof(*c));
        ConditionError unheard;
        Parser p = { .scanner = { text, text, reterr ?: &unheard }, .condition = c };
        int r;

        if (!c)
                return -ENOMEM;
        if (strlen(text) > CONDITION_TEXT_MAX)
                return scanner_complain(&p.scanner, text + CONDITION_TEXT_MAX,
                                        "The condition is longer than %d bytes. Write it in several lines.",
                                        CONDITION_TEXT_MAX);
        r = parser_run(&p);
        if (r >= 0)
                r = condition_finish(c);
        if (r == -E2BIG)
                return scanner_complain(&p.scanner, p.scanner.at,
                                        "The condition is longer than %d bytes when it is written out. Write it in "
                                        "several lines.",
                                        CONDITION_TEXT_MAX);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}
