/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Order is meaning here: of a property that comes twice the later one counts, or adds to the list. So first comes what
 * the settings of the job may change, then these settings, then what must hold whatever they say: that the result is
 * kept, which command is run, and how the run is called. */

#include "exec/unit-message.h"

#include "exec/environment.h"
#include "exec/files-directory.h"
#include "exec/unit-command.h"
#include "util/strv.h"

#define DAEMON_UNIT "vaktd.service"
#define SLICE       "vakt.slice"

#define LIST_CREDENTIAL "vakt-paths"

#define VARIABLE     "VAKT_PATH=\""
#define MARK_ENCODED "#encoded\n" /* a comment for the service manager */

/* The limit of the journal, which drops lines without a word. 0 means its own limit in systemd 252; and a burst that
 * is larger overflows when the journal multiplies it, by up to 12. */
#define LOG_INTERVAL_USEC USEC_PER_SEC
#define LOG_BURST         UINT32_C(100000000)

#define COMMAND_TYPE       "sasb"  /* of ExecStart */
#define COMMAND_TYPE_FLAGS "sasas" /* of ExecStartEx */

/* --- what is to be started --- */

StartOrder *start_order_free(StartOrder *o) {
        if (!o)
                return NULL;
        strv_free(o->environment);
        free(o->list);
        free(o->variables);
        free(o->job);
        return mfree(o);
}

/* The path as it is, or encoded where that cannot be in an environment. NULL without memory. */
static char *path_text(const char *path) {
        return unit_text_is_plain(path) ? strdup(path) : unit_text_encode(path);
}

/* What follows the first quotation mark of a value in a file of EnvironmentFile=. */
static void put_value(FILE *f, const char *value) {
        for (const char *s = value; *s; s++) {
                if (strchr("\"\\`$", *s))
                        (void)fputc('\\', f);
                (void)fputc(*s, f);
        }
        (void)fputs("\"\n", f);
}

char *start_order_variables(const char *path) {
        _cleanup_free_ char *value = path_text(path), *text = NULL;
        size_t size;
        FILE *f = value ? open_memstream(&text, &size) : NULL;

        if (!f)
                return NULL;
        (void)fputs(unit_text_is_plain(path) ? VARIABLE : MARK_ENCODED VARIABLE, f);
        put_value(f, value);
        return fclose(f) == 0 ? TAKE_PTR(text) : NULL;
}

static bool hides_environment(const ExecutionRequest *request) {
        return request->def && request->def->rare->once_since > 0 && !request->paths;
}

/* A list begins with the number of its items; an empty one takes back what came before. */
int start_order_environment(const ExecutionRequest *request, char **ret) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f;

        *ret = NULL;
        if (!hides_environment(request))
                return 0;
        f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        for (size_t i = 0; i < request->def->rare->n_properties; i++) {
                const UnitProperty *p = &request->def->rare->properties[i];

                if (!streq(p->name, "Environment"))
                        continue;
                if (p->values[0].number == 0)
                        rewind(f);
                for (size_t k = 1; k < p->n_values; k++) {
                        size_t n = strcspn(p->values[k].text, "=");

                        (void)fprintf(f, "%.*s=\"", (int)n, p->values[k].text);
                        put_value(f, p->values[k].text + n + 1);
                }
        }
        (void)fputc('\0', f);
        if (fclose(f) != 0)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return 0;
}

char *start_order_read_variables(const char *text) {
        const char *encoded = startswith(text, MARK_ENCODED), *s = startswith(encoded ?: text, VARIABLE);
        _cleanup_free_ char *path = s ? strdup(s) : NULL;
        char *end = path;

        if (!path)
                return NULL;
        for (; *s && *s != '"'; s++) {
                s += *s == '\\' && s[1];
                *end++ = *s;
        }
        *end = '\0';
        return encoded && !unit_command_decode_word(path) ? NULL : TAKE_PTR(path);
}

/* ret_seen: the list as the run sees it; unchanged when it gets it as its standard input alone. */
static int order_list(StartOrder *o, const ExecutionRequest *request, const char *unit, const char *file,
                      char **ret_seen) {
        o->list = strdup(file);
        if (!o->list)
                return -ENOMEM;
        if (!paths_reader_is_known(request->def)) {
                o->list_is_credential = request->paths_size <= START_ORDER_CREDENTIAL_MAX;
                if (!o->list_is_credential)
                        return 0;
                return string_format(ret_seen, "/run/credentials/%s/%s", unit, LIST_CREDENTIAL);
        }
        *ret_seen = strdup(file);
        return *ret_seen ? 0 : -ENOMEM;
}

int start_order_new(StartOrder **ret, const ExecutionRequest *request, const char *unit, const char *file) {
        _cleanup_(start_order_freep) StartOrder *o = NULL;
        _cleanup_free_ char *seen = NULL, *path = NULL;
        ExecutionRequest told = *request;
        int r = 0;

        o = malloc(sizeof(*o));
        if (!o)
                return -ENOMEM;
        *o = (StartOrder){
                .job = strdup(request->run->job),
                .run = request->run->id,
                .timeout = request->timeout,
        };
        if (!o->job)
                return -ENOMEM;
        if (request->paths && request->one_path) {
                o->path_is_encoded = !unit_text_is_plain(request->paths);
                o->variables = file ? strdup(file) : NULL;
                path = file ? NULL : path_text(request->paths);
                if (!o->variables && !path)
                        return -ENOMEM;
                told.paths = path;
                told.paths_size = path ? strlen(path) + 1 : 0;
        } else if (file && hides_environment(request)) {
                o->is_environment = true;
                o->variables = strdup(file);
                r = o->variables ? 0 : -ENOMEM;
        } else if (file)
                r = order_list(o, request, unit, file, &seen);
        if (r >= 0)
                r = environment_for_run(&o->environment, /* base= */ NULL, &told, seen);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}

/* --- settings of the job --- */

/* Where we are in a setting: what is left of its signature and of its values. */
typedef struct Cursor {
        const char *type;
        const UnitValue *values;
        size_t n_values;
} Cursor;

static const UnitValue *cursor_take(Cursor *c) {
        if (c->n_values == 0)
                return NULL;
        c->n_values--;
        return c->values++;
}

/* Length of the one complete type that s begins with; 0 when it does not. */
static size_t type_length(const char *s) {
        size_t n, i = 1;

        if (*s == 'a') {
                n = type_length(s + 1);
                return n > 0 ? n + 1 : 0;
        }
        if (*s != '(')
                return *s && strchr("sobyqiuxt", *s) ? 1 : 0;
        while (s[i] != ')') {
                n = type_length(s + i);
                if (n == 0)
                        return 0;
                i += n;
        }
        return i + 1;
}

static int append_basic(sd_bus_message *m, Cursor *c) {
        const UnitValue *v = cursor_take(c);
        char type = *c->type++;

        if (!v)
                return -EINVAL;
        switch (type) {
        case 's':
        case 'o':
                return v->text ? sd_bus_message_append_basic(m, type, v->text) : -EINVAL;
        case 'b':
                return sd_bus_message_append_basic(m, type, &(int){ v->number != 0 });
        case 'y':
                return sd_bus_message_append_basic(m, type, &(uint8_t){ (uint8_t)v->number });
        case 'q':
                return sd_bus_message_append_basic(m, type, &(uint16_t){ (uint16_t)v->number });
        case 'i':
                return sd_bus_message_append_basic(m, type, &(int32_t){ (int32_t)v->number });
        case 'u':
                return sd_bus_message_append_basic(m, type, &(uint32_t){ (uint32_t)v->number });
        default: /* x, t */
                return sd_bus_message_append_basic(m, type, &v->number);
        }
}

static int append_bytes(sd_bus_message *m, Cursor *c) {
        const UnitValue *v = cursor_take(c);

        c->type += strlen("ay");
        return v && v->text ? sd_bus_message_append_array(m, 'y', v->text, v->number) : -EINVAL;
}

static int append_one(sd_bus_message *m, Cursor *c);

static int append_array(sd_bus_message *m, Cursor *c) {
        const UnitValue *v = cursor_take(c);
        const char *element = c->type + 1;
        size_t n = type_length(element);
        char contents[64];
        int r;

        if (!v || n >= sizeof(contents))
                return -EINVAL;
        *(char *)mempcpy(contents, element, n) = '\0';
        r = sd_bus_message_open_container(m, 'a', contents);
        for (uint64_t i = 0; r >= 0 && i < v->number; i++) {
                c->type = element;
                r = append_one(m, c);
        }
        c->type = element + n;
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_struct(sd_bus_message *m, Cursor *c) {
        size_t n = type_length(c->type) - strlen("()");
        const char *end = c->type + 1 + n;
        char contents[64];
        int r;

        assert(*end == ')');
        if (n >= sizeof(contents))
                return -EINVAL;
        *(char *)mempcpy(contents, c->type + 1, n) = '\0';
        r = sd_bus_message_open_container(m, 'r', contents);
        c->type++;
        while (r >= 0 && c->type < end)
                r = append_one(m, c);
        assert(r < 0 || c->type == end); /* each part takes its own letters */
        c->type = end + 1;
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_one(sd_bus_message *m, Cursor *c) {
        if (startswith(c->type, "ay"))
                return append_bytes(m, c);
        switch (*c->type) {
        case 'a':
                return append_array(m, c);
        case '(':
                return append_struct(m, c);
        default:
                return append_basic(m, c);
        }
}

/* Opens a property with its name, up to the value in the variant. */
static int open_property(sd_bus_message *m, const char *name, const char *type) {
        int r;

        r = sd_bus_message_open_container(m, 'r', "sv");
        if (r >= 0)
                r = sd_bus_message_append_basic(m, 's', name);
        return r < 0 ? r : sd_bus_message_open_container(m, 'v', type);
}

/* Closes n containers, unless there was an error before. */
static int close_containers(sd_bus_message *m, int r, size_t n) {
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_message_close_container(m);
        return r;
}

int unit_message_append_property(sd_bus_message *m, const UnitProperty *p) {
        Cursor c = { .type = p->signature, .values = p->values, .n_values = p->n_values };
        size_t n = type_length(p->signature);
        int r;

        if (n == 0 || p->signature[n] != '\0')
                return -EINVAL;
        r = open_property(m, p->name, p->signature);
        if (r >= 0)
                r = append_one(m, &c);
        if (r >= 0 && c.n_values > 0)
                r = -EINVAL;
        return close_containers(m, r, 2);
}

/* --- what comes before the settings --- */

static const UnitProperty *find_property(const JobDef *def, const char *name) {
        for (size_t i = 0; i < def->rare->n_properties; i++)
                if (streq(def->rare->properties[i].name, name))
                        return &def->rare->properties[i];
        return NULL;
}

bool unit_is_oneshot(const JobDef *def) {
        return def && (def->n_commands > 1 || find_property(def, "PAMName"));
}

static int append_environment(sd_bus_message *m, char **environment) {
        int r;

        r = open_property(m, "Environment", "as");
        if (r >= 0)
                r = sd_bus_message_append_strv(m, environment);
        return close_containers(m, r, 2);
}

/* One of the two in the settings of the job goes with what the journal has for the other one. */
static bool is_log_limit(const UnitProperty *p) {
        return streq(p->name, "LogRateLimitIntervalUSec") || streq(p->name, "LogRateLimitBurst");
}

static bool has_log_limit(const JobDef *def) {
        for (size_t i = 0; i < def->rare->n_properties; i++)
                if (is_log_limit(&def->rare->properties[i]) && def->rare->properties[i].values[0].number > 0)
                        return true;
        return false;
}

static int append_defaults(sd_bus_message *m, const JobDef *def, const StartOrder *o, char **login) {
        _cleanup_free_ char *description = NULL;
        int r;

        if (isempty(def->description) && string_format(&description, "vaktd: %s, run %" PRIu64, o->job, o->run) < 0)
                return -ENOMEM;
        r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)", "Description", "s", description ?: def->description, "Slice",
                                  "s", SLICE, "SyslogIdentifier", "s", o->job, "NotifyAccess", "s", "all");
        /* When the machine goes down the run is stopped before we are, so that its end is written down. */
        if (r >= 0)
                r = sd_bus_message_append(m, "(sv)(sv)", "After", "as", 1, DAEMON_UNIT, "IgnoreSIGPIPE", "b", false);
        if (r >= 0 && !has_log_limit(def))
                r = sd_bus_message_append(m, "(sv)(sv)", "LogRateLimitIntervalUSec", "t", LOG_INTERVAL_USEC,
                                          "LogRateLimitBurst", "u", LOG_BURST);
        if (r >= 0 && login && !find_property(def, "User") && !find_property(def, "DynamicUser"))
                r = append_environment(m, login);
        return r;
}

/* --- what comes after them --- */

/* vakt-command is not there to be executed in a root of the job's own. */
static bool has_other_root(const JobDef *def) {
        return find_property(def, "RootDirectory") || find_property(def, "RootImage");
}

/* Then "$" is kept from the service manager by a flag that only ExecStartEx has. Of this systemd 252 keeps nothing at
 * all when it reads its files again: a run that was about to start fails then, which is better than another command.
 */
static bool needs_flags(const JobDef *def, const char *wrapper) {
        for (size_t i = 0; i < def->n_commands; i++)
                if (unit_command_is_garbled(&def->commands[i]))
                        return !wrapper || has_other_root(def);
        return false;
}

bool unit_has_sentinel(const JobDef *def, const char *wrapper) {
        return def && def->n_commands > 1 && needs_flags(def, wrapper);
}

static int append_command_flags(sd_bus_message *m, unsigned flags) {
        static const struct {
                unsigned flag;
                const char *word;
        } words[] = { { COMMAND_IGNORE_FAILURE, "ignore-failure" }, { COMMAND_NO_EXPAND, "no-env-expand" } };
        const char *l[ELEMENTSOF(words) + 1] = { NULL };
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (flags & words[i].flag)
                        l[n++] = words[i].word;
        return sd_bus_message_append_strv(m, (char **)l);
}

static int append_command(sd_bus_message *m, const CommandDef *c, const char *type, const char *wrapper,
                          bool decode_path, bool in_session) {
        _cleanup_(strv_freep) char **encoded = NULL;
        bool with_flags = streq(type, COMMAND_TYPE_FLAGS);
        int r = 0;

        if (!with_flags && (decode_path || in_session || unit_command_is_garbled(c)))
                r = unit_command_encode(&encoded, c, decode_path, in_session);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'r', type);
        if (r >= 0)
                r = sd_bus_message_append_basic(m, 's', encoded ? wrapper : c->path);
        if (r >= 0)
                r = sd_bus_message_append_strv(m, encoded ?: c->argv);
        if (r < 0)
                return r;
        if (with_flags)
                r = append_command_flags(m, c->flags);
        else
                r = sd_bus_message_append_basic(m, 'b', &(int){ (c->flags & COMMAND_IGNORE_FAILURE) != 0 });
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_commands(sd_bus_message *m, const JobDef *def, const char *wrapper, bool decode_path) {
        static char *const argv[] = { (char *)"true", NULL };
        static const CommandDef sentinel = { (char *)"/bin/true", (char **)argv, COMMAND_IGNORE_FAILURE };
        bool in_session = wrapper && find_property(def, "PAMName") && !has_other_root(def);
        bool with_flags = needs_flags(def, wrapper);
        const char *type = with_flags ? COMMAND_TYPE_FLAGS : COMMAND_TYPE;
        int r;

        r = open_property(m, with_flags ? "ExecStartEx" : "ExecStart",
                          with_flags ? "a(" COMMAND_TYPE_FLAGS ")" : "a(" COMMAND_TYPE ")");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a',
                                                  with_flags ? "(" COMMAND_TYPE_FLAGS ")" : "(" COMMAND_TYPE ")");
        for (size_t i = 0; r >= 0 && i < def->n_commands; i++)
                r = append_command(m, &def->commands[i], type, wrapper, decode_path, in_session);
        if (r >= 0 && unit_has_sentinel(def, wrapper))
                r = append_command(m, &sentinel, type, wrapper, /* decode_path= */ false, /* in_session= */ false);
        return close_containers(m, r, 3);
}

/* Told only to Type=oneshot: of several commands, a status that is a success lets the next one begin. */
static int append_success(sd_bus_message *m, const SuccessDef *s) {
        int32_t statuses[256], signals[64];
        size_t n = 0, n_signals = 0;
        int r;

        for (int i = 1; i < 256; i++)
                if (success_def_has_status(s, i))
                        statuses[n++] = i;
        for (int i = 1; i < 64; i++)
                if (success_def_has_signal(s, i))
                        signals[n_signals++] = i;
        r = open_property(m, "SuccessExitStatus", "(aiai)");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'r', "aiai");
        if (r >= 0)
                r = sd_bus_message_append_array(m, 'i', statuses, n * sizeof(int32_t));
        if (r >= 0)
                r = sd_bus_message_append_array(m, 'i', signals, n_signals * sizeof(int32_t));
        return close_containers(m, r, 3);
}

/* With Type=exec a program that cannot be executed fails the start. With Type=oneshot it is the start that lasts as
 * long as the run. */
static int append_type(sd_bus_message *m, const JobDef *def, const StartOrder *o) {
        bool oneshot = unit_is_oneshot(def);
        int r;

        r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)", "Type", "s", oneshot ? "oneshot" : "exec",
                                  oneshot ? "TimeoutStartUSec" : "RuntimeMaxUSec", "t", o->timeout, "RemainAfterExit",
                                  "b", o->listener == 0, "CollectMode", "s", "inactive");
        if (r < 0 || !oneshot)
                return r;
        return append_success(m, &def->rare->success);
}

static int append_log_fields(sd_bus_message *m, const StartOrder *o) {
        char fields[2][JOB_NAME_MAX + sizeof("VAKT_JOB=")];
        int r;

        (void)snprintf(fields[0], sizeof(fields[0]), "VAKT_JOB=%s", o->job);
        (void)snprintf(fields[1], sizeof(fields[1]), "VAKT_RUN=%" PRIu64, o->run);
        r = open_property(m, "LogExtraFields", "aay");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "ay");
        for (size_t i = 0; r >= 0 && i < (o->listener > 0 ? 1 : ELEMENTSOF(fields)); i++)
                r = sd_bus_message_append_array(m, 'y', fields[i], strlen(fields[i]));
        return close_containers(m, r, 3);
}

static int append_variables(sd_bus_message *m, const StartOrder *o) {
        return sd_bus_message_append(m, "(sv)", "EnvironmentFiles", "a(sb)", 1, o->variables, false);
}

/* The files are opened by the service manager, the list anew for each command. */
static int append_files(sd_bus_message *m, const JobDef *def, const StartOrder *o) {
        int r = 0;

        if (o->list && paths_are_input(def))
                r = sd_bus_message_append(m, "(sv)", "StandardInputFile", "s", o->list);
        if (r >= 0 && o->list_is_credential)
                r = sd_bus_message_append(m, "(sv)", "LoadCredential", "a(ss)", 1, LIST_CREDENTIAL, o->list);
        return r >= 0 && o->variables && !o->is_environment ? append_variables(m, o) : r;
}

/* --- the whole --- */

static bool is_told(const UnitProperty *p, const JobDef *def, const StartOrder *o) {
        if (streq(p->name, "Environment"))
                return !o->is_environment;
        return !is_log_limit(p) || has_log_limit(def);
}

static int append_properties(sd_bus_message *m, const JobDef *def, const StartOrder *o, const StartContext *context) {
        int r;

        r = append_defaults(m, def, o, context->login);
        if (r >= 0 && o->is_environment) /* files of the job count more, as they do everywhere */
                r = append_variables(m, o);
        for (size_t i = 0; r >= 0 && i < def->rare->n_properties; i++)
                if (is_told(&def->rare->properties[i], def, o))
                        r = unit_message_append_property(m, &def->rare->properties[i]);
        if (r >= 0)
                r = append_type(m, def, o);
        if (r >= 0)
                r = append_commands(m, def, context->wrapper, o->path_is_encoded);
        if (r >= 0)
                r = append_files(m, def, o);
        if (r >= 0 && o->listener > 0)
                r = sd_bus_message_append(m, "(sv)", "StandardInputFileDescriptor", "h", o->listener);
        else if (r >= 0)
                r = append_environment(m, o->environment);
        return r < 0 ? r : append_log_fields(m, o);
}

int unit_message_append_start(sd_bus_message *m, const char *unit, const JobDef *def, const StartOrder *o,
                              const StartContext *context) {
        int r;

        assert(def->n_commands > 0);

        if (o->path_is_encoded && (!context->wrapper || has_other_root(def)))
                return -EILSEQ;
        r = sd_bus_message_append(m, "ss", unit, "fail");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(sv)");
        if (r >= 0)
                r = append_properties(m, def, o, context);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_append(m, "a(sa(sv))", 0);
}
