/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Match rules: KEY=VALUE pairs with the quoting of the D-Bus specification, in which a backslash is literal except
 * before an apostrophe outside of quotes. Left out on purpose: the arguments of a signal (arg0=, arg0path=, …) are
 * accepted and match any value, so that a peer may get too many signals but never too few; its library compares them
 * again anyway. */

#include "bus/match-rule.h"

typedef enum MatchKey {
        MATCH_TYPE,
        MATCH_SENDER,
        MATCH_INTERFACE,
        MATCH_MEMBER,
        MATCH_PATH,
        MATCH_PATH_NAMESPACE,
        MATCH_DESTINATION,
        MATCH_EAVESDROP,
        _MATCH_KEY_MAX,
} MatchKey;

static const char *const match_key_names[_MATCH_KEY_MAX] = {
        [MATCH_TYPE] = "type",
        [MATCH_SENDER] = "sender",
        [MATCH_INTERFACE] = "interface",
        [MATCH_MEMBER] = "member",
        [MATCH_PATH] = "path",
        [MATCH_PATH_NAMESPACE] = "path_namespace",
        [MATCH_DESTINATION] = "destination",
        [MATCH_EAVESDROP] = "eavesdrop",
};

struct MatchRule {
        char *text;
        char *values;                       /* the unquoted values one after the other, each with its NUL */
        const char *by_key[_MATCH_KEY_MAX]; /* into values; NULL: anything matches */
};

/* True for "arg0" … "arg63", "arg0path" … "arg63path" and "arg0namespace". */
static bool is_argument_key(const char *key, size_t n) {
        size_t i = 3;
        unsigned index = 0;

        if (n < 4 || strncmp(key, "arg", 3) != 0)
                return false;
        for (; i < n && i < 5 && key[i] >= '0' && key[i] <= '9'; i++)
                index = index * 10 + (unsigned)(key[i] - '0');
        if (i == 3 || index > 63)
                return false;
        if (i == n || (n - i == 4 && strncmp(key + i, "path", 4) == 0))
                return true;
        return index == 0 && n - i == 9 && strncmp(key + i, "namespace", 9) == 0;
}

static int match_key_from_string(const char *key, size_t n) {
        for (MatchKey k = 0; k < _MATCH_KEY_MAX; k++)
                if (strlen(match_key_names[k]) == n && strncmp(match_key_names[k], key, n) == 0)
                        return (int)k;
        return is_argument_key(key, n) ? (int)_MATCH_KEY_MAX : -EINVAL;
}

/* Unquotes the value at *p up to its comma or the end into *to, which has room for it, and advances both. */
static int match_read_value(const char **p, char **to) {
        bool quoted = false;
        const char *s = *p;
        char *out = *to;

        for (; *s != '\0' && (quoted || *s != ','); s++) {
                if (*s == '\'')
                        quoted = !quoted;
                else if (!quoted && s[0] == '\\' && s[1] == '\'')
                        *out++ = *++s;
                else
                        *out++ = *s;
        }
        if (quoted)
                return -EINVAL;
        *out++ = '\0';
        *p = s;
        *to = out;
        return 0;
}

/* Reads one KEY=VALUE at *p. */
static int match_read_pair(MatchRule *r, const char **p, char **to) {
        const char *equals, *value = *to;
        int key, e;

        equals = strchr(*p, '=');
        if (!equals)
                return -EINVAL;
        key = match_key_from_string(*p, (size_t)(equals - *p));
        if (key < 0)
                return key;
        *p = equals + 1;
        e = match_read_value(p, to);
        if (e < 0)
                return e;
        if (key == _MATCH_KEY_MAX)
                return 0;
        if (r->by_key[key])
                return -EINVAL; /* twice */
        r->by_key[key] = value;
        return 0;
}

static int match_parse(MatchRule *r) {
        const char *p = r->text;
        char *to = r->values;
        int e;

        while (*p != '\0') {
                p += strspn(p, " \t\n");
                if (*p == '\0')
                        break;
                e = match_read_pair(r, &p, &to);
                if (e < 0)
                        return e;
                if (*p == ',')
                        p++;
        }
        return r->by_key[MATCH_PATH] && r->by_key[MATCH_PATH_NAMESPACE] ? -EINVAL : 0;
}

int match_rule_new(MatchRule **ret, const char *text) {
        _cleanup_(match_rule_freep) MatchRule *r = NULL;
        size_t n = strnlen(text, MATCH_RULE_TEXT_MAX + 1);
        int e;

        assert(ret);

        if (n > MATCH_RULE_TEXT_MAX)
                return -E2BIG;
        r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        r->text = strdup(text);
        r->values = malloc(n + 1); /* a value and its NUL are never longer than KEY=VALUE */
        if (!r->text || !r->values)
                return -ENOMEM;
        e = match_parse(r);
        if (e < 0)
                return e;
        *ret = TAKE_PTR(r);
        return 0;
}

MatchRule *match_rule_free(MatchRule *r) {
        if (!r)
                return NULL;
        free(r->text);
        free(r->values);
        return mfree(r);
}

const char *match_rule_text(const MatchRule *r) {
        return r->text;
}

static bool matches_value(const char *wanted, const char *value) {
        return !wanted || streq(wanted, value);
}

static bool matches_sender(const char *wanted, const char *const *senders) {
        if (!wanted)
                return true;
        for (; *senders; senders++)
                if (streq(wanted, *senders))
                        return true;
        return false;
}

/* A namespace contains the path itself and everything below it. */
static bool matches_namespace(const char *wanted, const char *path) {
        const char *rest;

        if (!wanted || streq(wanted, "/"))
                return true;
        rest = startswith(path, wanted);
        return rest && (*rest == '\0' || *rest == '/');
}

bool match_rule_matches(const MatchRule *r, const MatchSubject *s) {
        return matches_value(r->by_key[MATCH_TYPE], "signal") && !r->by_key[MATCH_DESTINATION] &&
               matches_value(r->by_key[MATCH_PATH], s->path) &&
               matches_namespace(r->by_key[MATCH_PATH_NAMESPACE], s->path) &&
               matches_value(r->by_key[MATCH_INTERFACE], s->interface) &&
               matches_value(r->by_key[MATCH_MEMBER], s->member) &&
               matches_sender(r->by_key[MATCH_SENDER], s->senders);
}
