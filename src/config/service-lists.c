/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lists of words, and lines that are one element of a list. The service manager passes some bad words over with a line
 * in the journal; here each is a problem, because a filter without the word that was mistyped is another filter. */

#include "config/exec-line.h"
#include "config/names.h"
#include "config/service-convert.h"
#include "util/string-table.h"
#include "util/strv.h"
#include "util/utf8.h"
#include "util/words.h"

#define LETTERS         "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS          "0123456789"
#define CREDENTIAL_MAX  255      /* bytes in the name of a credential */
#define CREDENTIAL_SIZE 0x100000 /* bytes in one, as systemd has it */
#define JOURNAL_FIELD   64       /* bytes in the name of a field */
#define HASH_MIN        16       /* bytes */

/* --- checks of words --- */

/* Returns the length of a variable's name that s begins with. */
static size_t variable_length(const char *s) {
        return *s >= '0' && *s <= '9' ? 0 : strspn(s, LETTERS DIGITS "_");
}

static int check_assignment(const KeyLine *k, char *word) {
        size_t n = variable_length(word);

        if (n > 0 && word[n] == '=')
                return 1;
        return service_problem_word(k, word,
                                    "is not an assignment. Write NAME=value, in quotes if there are blanks in "
                                    "it.");
}

static int check_variable(const KeyLine *k, char *word) {
        size_t n = variable_length(word);

        return n > 0 && word[n] == '\0' ? 1 : service_problem_word(k, word, "is not a valid variable name.");
}

static int check_assignment_or_variable(const KeyLine *k, char *word) {
        size_t n = variable_length(word);

        return n > 0 && (word[n] == '\0' || word[n] == '=')
                       ? 1
                       : service_problem_word(k, word, "is neither a variable name nor an assignment.");
}

/* "-" says that the path need not be there, "+" that it is meant below RootDirectory=. */
static int check_prefixed_path(const KeyLine *k, char *word) {
        char *path = word;

        path += *path == '-';
        path += *path == '+';
        return service_check_path(k, path);
}

static int check_group(const KeyLine *k, char *word) {
        if (*word != '\0' && !strpbrk(word, ":/ \t\n"))
                return 1;
        return service_problem_word(k, word, "is not a valid group name.");
}

static int check_one_of(const KeyLine *k, const char *word, const char *const *known, size_t n, const char *what) {
        if (string_table_find(known, n, word) >= 0)
                return 1;
        return service_problem_unknown(k, word, known, n, what, "");
}

static int check_controller(const KeyLine *k, char *word) {
        static const char *const known[] = {
                "cpu", "cpuacct", "cpuset", "io", "blkio", "memory", "devices", "pids",
        };

        return check_one_of(k, word, known, ELEMENTSOF(known), "control group controller");
}

static int check_architecture(const KeyLine *k, char *word) {
        static const char *const known[] = {
                "native",   "x86",    "x86-64",     "x32",      "arm",       "arm64",         "loongarch64",
                "mips",     "mips64", "mips64-n32", "mips-le",  "mips64-le", "mips64-le-n32", "parisc",
                "parisc64", "ppc",    "ppc64",      "ppc64-le", "riscv64",   "s390",          "s390x",
        };

        return check_one_of(k, word, known, ELEMENTSOF(known), "architecture");
}

static int check_plain_system_call(const KeyLine *k, char *word) {
        return service_check_system_call(k, word);
}

/* In a list of what is forbidden "NAME:EPERM" says what the caller is told. */
static int check_system_call(const KeyLine *k, char *word) {
        char *colon = strchr(word, ':');
        int r;

        if (!colon)
                return check_plain_system_call(k, word);
        if (k->value[0] != '~')
                return service_problem_word(k, word,
                                            "is followed by an error, which only a list that begins with \"~\" "
                                            "may have.");
        if (!streq(colon + 1, "kill") && errno_from_name(colon + 1) < 0)
                return service_problem_word(k, word,
                                            "does not end in an error of a system call. Write a name, such as EPERM, "
                                            "or \"kill\".");
        *colon = '\0';
        r = check_plain_system_call(k, word);
        *colon = ':';
        return r;
}

static int check_address_family(const KeyLine *k, char *word) {
        if (string_table_find(address_families, n_address_families, word) >= 0)
                return 1;
        return service_problem_unknown(k, word, address_families, n_address_families, "address family",
                                       "Write names of address_families(7), such as AF_UNIX, or none.");
}

static int check_file_system(const KeyLine *k, char *word) {
        return service_check_file_system(k, word);
}

static int check_interface(const KeyLine *k, char *word) {
        size_t n = strcspn(word, " \t\n/:");

        return n > 0 && n < 16 && word[n] == '\0'
                       ? 1
                       : service_problem_word(k, word, "is not a valid network interface name.");
}

static int check_directory(const KeyLine *k, char *word) {
        _cleanup_free_ char *absolute = NULL;
        int r;

        if (*word == '/' || *word == '\0')
                return service_problem_word(k, word,
                                            "is not a relative path. Write the name of a directory, without the "
                                            "directory in which it is created.");
        if (asprintf(&absolute, "/%s", word) < 0)
                return -ENOMEM;
        r = service_check_path(k, absolute);
        if (r > 0)
                strcpy(word, absolute + 1);
        return r;
}

const ServiceWordRule service_assignments = { check_assignment };
const ServiceWordRule service_variables = { check_variable };
const ServiceWordRule service_assignments_or_variables = { check_assignment_or_variable };
const ServiceWordRule service_paths = { check_prefixed_path };
const ServiceWordRule service_groups = { check_group };
const ServiceWordRule service_controllers = { check_controller };
const ServiceWordRule service_architectures = { check_architecture };
const ServiceWordRule service_system_calls = { check_system_call };
const ServiceWordRule service_plain_system_calls = { check_plain_system_call };
const ServiceWordRule service_address_families = { check_address_family };
const ServiceWordRule service_file_systems = { check_file_system };
const ServiceWordRule service_interfaces = { check_interface };
const ServiceWordRule service_directory_names = { check_directory };

/* --- lists of words --- */

static int visit_word(const KeyLine *k, const ServiceSetting *s, char *word, UnitProperty *p) {
        const ServiceWordRule *rule = s->argument;
        int r = rule->check(k, word);

        return r <= 0 ? r : service_add_element(p, "s", word);
}

int service_words(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        return service_list(k, s, visit_word, p);
}

static int visit_search_path(const KeyLine *k, _unused_ const ServiceSetting *s, char *word, UnitProperty *p) {
        char *state = NULL;

        for (char *path = strtok_r(word, ":", &state); path; path = strtok_r(NULL, ":", &state)) {
                int r = service_check_path(k, path);

                if (r > 0)
                        r = service_add_element(p, "s", path);
                if (r <= 0)
                        return r;
        }
        return 1;
}

int service_search_path(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        return service_list(k, s, visit_search_path, p);
}

/* An element of a list in a struct: its length stands behind the first member. */
static int visit_filter(const KeyLine *k, const ServiceSetting *s, char *word, UnitProperty *p) {
        const ServiceWordRule *rule = s->argument;
        int r = rule->check(k, word);

        if (r > 0)
                r = service_string(p, word);
        if (r > 0)
                p->values[1].number++;
        return r;
}

/* What is allowed, or with "~" what is forbidden. "none" allows no address family at all: the only empty list that is
 * none. */
int service_filter(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        bool allow = k->value[0] != '~';
        int r;

        r = service_number(p, allow);
        if (r > 0)
                r = service_number(p, 0);
        if (r <= 0 || (s->argument == &service_address_families && streq(k->value, "none")))
                return r;
        r = service_each_word(k, s, k->value + !allow, visit_filter, p);
        if (r > 0 && p->values[1].number == 0)
                return key_problem(k,
                                   "%s=~ forbids nothing. Write what is forbidden after the \"~\", or nothing at "
                                   "all to clear the list.",
                                   k->row->key);
        return r;
}

/* Whether the run may make control groups below its own; a list says with which controllers. */
int service_delegate(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        FileProblems unheard = {};
        KeyLine quiet = *k;
        int r;

        quiet.problems = &unheard;
        r = service_bool(&quiet, s, p);
        if (r != 0)
                return r;
        service_use_other(s, p);
        return service_words(k, s, p);
}

/* --- lines --- */

int service_environment_file(const KeyLine *k, _unused_ const ServiceSetting *s, UnitProperty *p) {
        bool optional = k->value[0] == '-';
        _cleanup_free_ char *path = strdup(k->value + optional);
        int r;

        if (!path)
                return -ENOMEM;
        r = service_check_path(k, path);
        return r <= 0 ? r : service_add_element(p, "st", path, (uint64_t)optional);
}

static bool credential_is_valid(const char *s) {
        size_t n = strcspn(s, ":/\n\t ");

        return n > 0 && n <= CREDENTIAL_MAX && s[n] == '\0' && !streq(s, ".") && !streq(s, "..");
}

/* Splits ID:REST. Without a colon *ret_rest is NULL. Returns 1, or 0 after a problem. */
static int split_credential(const KeyLine *k, char *copy, char **ret_rest) {
        char *colon = strchr(copy, ':');

        if (colon)
                *colon++ = '\0';
        if (!credential_is_valid(copy))
                return service_problem_word(k, copy,
                                            "is not a valid credential name. Write a name without blanks, \":\" "
                                            "and \"/\".");
        *ret_rest = colon;
        return 1;
}

/* Without a path it is one that was handed to the service manager itself. */
int service_load_credential(const KeyLine *k, _unused_ const ServiceSetting *s, UnitProperty *p) {
        _cleanup_free_ char *copy = strdup(k->value);
        char *source = NULL;
        int r;

        if (!copy)
                return -ENOMEM;
        r = split_credential(k, copy, &source);
        if (r <= 0)
                return r;
        if (isempty(source))
                source = copy;
        else if (*source == '/' || !credential_is_valid(source)) {
                r = service_check_path(k, source);
                if (r <= 0)
                        return r;
        }
        r = service_begin_list(p);
        return r <= 0 ? r : service_add_element(p, "ss", copy, source);
}

/* The value of a letter of base64; -1 for another one. */
static int base64_value(char c) {
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const char *at = c != '\0' ? strchr(letters, c) : NULL;

        return at ? (int)(at - letters) : -1;
}

/* Decodes in place; blanks do not count. False when it is no base64. */
static bool base64_decode(char *s, size_t *ret_n) {
        size_t n = 0, letters = 0, padding = 0;
        unsigned bits = 0;

        for (const char *p = s; *p; p++) {
                int value = base64_value(*p);

                if (strchr(WORD_BLANKS, *p))
                        continue;
                if (*p == '=')
                        padding++;
                else if (value < 0 || padding > 0)
                        return false;
                else {
                        bits = bits << 6 | (unsigned)value;
                        letters++;
                        if (letters % 4 != 1)
                                s[n++] = (char)(bits >> (6 - 2 * ((letters - 1) % 4)));
                }
        }
        *ret_n = n;
        return (letters + padding) % 4 == 0 && padding <= 2 && letters % 4 != 1;
}

static int problem_base64(const KeyLine *k) {
        return key_problem(k, "The value of %s= is not valid base64. Use base64(1).", k->row->key);
}

int service_set_credential(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        _cleanup_free_ char *copy = strdup(k->value), *message = NULL;
        char *value = NULL;
        size_t n = 0;
        int r;

        if (!copy)
                return -ENOMEM;
        r = split_credential(k, copy, &value);
        if (r <= 0)
                return r;
        if (!value)
                return key_problem_value(k, "has no value. Write NAME:VALUE.");
        if (s->argument && !base64_decode(value, &n))
                return problem_base64(k);
        if (!s->argument) {
                r = word_unescape(value, value, &n, &message);
                if (r < 0)
                        return r == -EINVAL ? key_problem(k, "%s", message) : r;
        }
        if (n > CREDENTIAL_SIZE)
                return key_problem(k, "The credential is larger than %d bytes. Use LoadCredential=.", CREDENTIAL_SIZE);
        r = service_begin_list(p);
        if (r > 0)
                r = service_add_element(p, "s", copy);
        if (r > 0)
                r = unit_property_add_text(p, value, n);
        return r < 0 ? r : 1;
}

/* What the journal keeps beside each line of output. vaktd's own fields are how a run's lines are found again. */
static int visit_log_field(const KeyLine *k, _unused_ const ServiceSetting *s, char *word, UnitProperty *p) {
        size_t n = strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS "_");

        if (n == 0 || n > JOURNAL_FIELD || word[n] != '=' || *word == '_' || strchr(DIGITS, *word))
                return service_problem_word(k, word,
                                            "is not a journal field. Write NAME=value, with a name of "
                                            "capital letters, digits and \"_\".");
        if (startswith(word, "VAKT_"))
                return service_problem_word(k, word, "is set by vaktd. Choose another name.");
        return service_add_element(p, "s", word);
}

int service_log_fields(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        return service_list(k, s, visit_log_field, p);
}

/* --- commands --- */

/* (sasas): what is executed, its words, what is special about it. */
static int add_command(const CommandDef *c, UnitProperty *p) {
        static const struct {
                unsigned flag;
                const char *word;
        } options[] = {
                { COMMAND_IGNORE_FAILURE, "ignore-failure" },
                { COMMAND_NO_EXPAND, "no-env-expand" },
        };
        size_t n_options = 0;
        int r;

        r = service_add_element(p, "s", c->path);
        if (r > 0)
                r = service_number(p, strv_length(c->argv));
        for (char *const *word = c->argv; r > 0 && *word; word++)
                r = service_string(p, *word);
        for (size_t i = 0; i < ELEMENTSOF(options); i++)
                n_options += (c->flags & options[i].flag) != 0;
        if (r > 0)
                r = service_number(p, n_options);
        for (size_t i = 0; r > 0 && i < ELEMENTSOF(options); i++)
                if (c->flags & options[i].flag)
                        r = service_string(p, options[i].word);
        return r;
}

/* Read again at a daemon-reload, from what the service manager itself wrote down, such words are others than before
 * (tried on 252 and 257). Of Exec= the unit executor takes care. */
static int check_command(const KeyLine *k, const CommandDef *c) {
        STRV_FOREACH(word, c->argv)
                if (strpbrk(*word, "$;"))
                        return service_problem_word(k, *word,
                                                    "contains \"$\" or \";\", which a reload of the service manager "
                                                    "changes. Put the command into a script.");
        return 1;
}

int service_commands(const KeyLine *k, _unused_ const ServiceSetting *s, UnitProperty *p) {
        _cleanup_free_ char *message = NULL;
        CommandDef *commands = NULL;
        uint16_t n = 0;
        int r;

        r = exec_line_parse(k->value, k->reading->specifiers, &commands, &n, &message);
        if (r == -EINVAL)
                r = key_problem(k, "%s", message);
        else if (r >= 0)
                r = service_begin_list(p);
        for (size_t i = 0; i < n; i++) {
                if (r > 0)
                        r = check_command(k, &commands[i]);
                if (r > 0)
                        r = add_command(&commands[i], p);
                command_def_done(&commands[i]);
        }
        free(commands);
        return r;
}

/* --- bytes and streams --- */

/* Text ends in a newline, as in a unit file. */
int service_input_text(const KeyLine *k, _unused_ const ServiceSetting *s, UnitProperty *p) {
        _cleanup_free_ char *text = malloc(strlen(k->value) + 2), *message = NULL;
        size_t n;
        int r;

        if (!text)
                return -ENOMEM;
        r = word_unescape(k->value, text, &n, &message);
        if (r < 0)
                return r == -EINVAL ? key_problem(k, "%s", message) : r;
        text[n++] = '\n';
        r = unit_property_add_text(p, text, n);
        return r < 0 ? r : 1;
}

int service_base64(const KeyLine *k, _unused_ const ServiceSetting *s, UnitProperty *p) {
        _cleanup_free_ char *copy = strdup(k->value);
        size_t n;
        int r;

        if (!copy)
                return -ENOMEM;
        if (!base64_decode(copy, &n))
                return problem_base64(k);
        r = unit_property_add_text(p, copy, n);
        return r < 0 ? r : 1;
}

static bool hex_decode(char *s, size_t *ret_n) {
        size_t n = strlen(s);

        if (n % 2 != 0 || s[strspn(s, DIGITS "abcdefABCDEF")] != '\0')
                return false;
        for (size_t i = 0; i < n / 2; i++) {
                char byte[3] = { s[2 * i], s[2 * i + 1], '\0' };

                s[i] = (char)strtoul(byte, NULL, 16);
        }
        *ret_n = n / 2;
        return true;
}

/* dm-verity's root hash, or its signature: in the file, or the path of one. */
int service_hash(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        const char *base64 = startswith(k->value, "base64:");
        _cleanup_free_ char *copy = strdup(base64 ?: k->value);
        size_t n = 0;
        int r;

        if (!copy)
                return -ENOMEM;
        if (*copy == '/') {
                service_use_other(s, p);
                r = service_check_path(k, copy);
                return r <= 0 ? r : service_string(p, copy);
        }
        if (s->argument && (!base64 || !base64_decode(copy, &n)))
                return key_problem_value(k,
                                         "is not a signature. Write a path, or base64: and the output of base64(1).");
        if (!s->argument && (base64 || !hex_decode(copy, &n) || n < HASH_MIN))
                return key_problem_value(k, "is not a hash. Write at least %d hexadecimal digits, or a path.",
                                         2 * HASH_MIN);
        r = unit_property_add_text(p, copy, n);
        return r < 0 ? r : 1;
}

static int problem_stream(const KeyLine *k, const ServiceSetting *s) {
        char choices[256] = "";
        size_t used = 0;

        for (const ServiceStream *i = s->argument; i->word && used < sizeof(choices); i++)
                used += (size_t)snprintf(choices + used, sizeof(choices) - used, "%s%s%s", used > 0 ? ", " : "",
                                         i->word, i->property ? "PATH" : "");
        return key_problem_value(k, "is not supported for a run. Possible values are: %s.", choices);
}

int service_stream(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        Builder *b = k->reading->userdata;
        _cleanup_free_ char *path = NULL;
        const ServiceStream *i;
        int r;

        for (i = s->argument; i->word; i++)
                if (i->property ? startswith(k->value, i->word) != NULL : streq(k->value, i->word))
                        break;
        if (!i->word)
                return problem_stream(k, s);
        if (b->context->target == LOADER_FOR_CHILDREN && !(i->flags & SERVICE_CHILD))
                return key_problem_value(k, "requires the service manager, but runs are children of vaktd "
                                            "(Executor=child). Write null or file:PATH, or use Executor=unit.");
        if (!i->property)
                return service_string(p, k->value);
        p->name = i->property;
        path = strdup(k->value + strlen(i->word));
        if (!path)
                return -ENOMEM;
        r = service_check_path(k, path);
        return r <= 0 ? r : service_string(p, path);
}
