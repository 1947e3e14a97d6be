/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl why: what a job waits for and why, or what became of one file, in the daemon's own sentences. */

#include "client/properties.h"
#include "client/run-view.h"
#include "ctl/alloc.h"
#include "ctl/ctl.h"
#include "ctl/file-name.h"
#include "ctl/journal.h"
#include "ctl/json.h"
#include "ctl/view-text.h"

#define LOOK_BACK_MAX 100 /* runs, for one that was started */

static const MethodCall explain = { .member = "Explain" };

typedef struct FileQuestion {
        const char *job, *path;
} FileQuestion;

static int append_question(sd_bus_message *m, const void *userdata) {
        const FileQuestion *q = userdata;
        int r;

        r = sd_bus_message_append_basic(m, 's', q->job);
        return r < 0 ? r : sd_bus_message_append_array(m, 'y', q->path, strlen(q->path));
}

/* Returns as ctl_call() does. */
static int ask_about_file(Ctl *c, const char *job, const char *file, sd_bus_message **ret) {
        _cleanup_free_ char *path = file_name_from_argument(file);

        if (!path) {
                ctl_complain("'%s' is no absolute path, and the working directory cannot be told: %s.", file,
                             strerror(errno));
                return CTL_FAILED;
        }
        return ctl_call(c,
                        &(MethodCall){ .member = "ExplainPath",
                                       .append = append_question,
                                       .userdata = &(FileQuestion){ .job = job, .path = path } },
                        NULL, ret, NULL);
}

static int print_json(const PropertyPair *sentences) {
        json_object *array = json_new_array();

        for (const PropertyPair *p = sentences; p->key; p++) {
                json_object *o = json_new_object();

                json_add_string(o, "topic", p->key);
                json_add_string(o, "sentence", p->value);
                json_append(array, o);
        }
        return json_print(array);
}

/* What is missing of the output of the last run that was started. */
static int look_for_dropped(const RunView *v, void *userdata) {
        const JournalScope scope = { .run = v->id, .unit = v->unit, .requested = v->requested };
        char **sentence = userdata;
        uint64_t n;

        if (v->started == 0)
                return 0;
        n = isempty(v->unit) ? 0 : journal_count_dropped(&scope);
        if (n > 0)
                *sentence = run_view_dropped_sentence(v->id, n);
        return -1; /* no exit code is negative */
}

static int add_dropped(Ctl *c, const char *job, PropertyPair **sentences, char **ret_sentence) {
        PropertyPair *last;
        size_t n = 0;
        int r;

        r = run_view_list(c, &(RunFilter){ .job = job }, LOOK_BACK_MAX, look_for_dropped, ret_sentence);
        if (r > 0 || !*ret_sentence)
                return MAX(r, 0);
        for (last = *sentences; last->key; last++)
                n++;
        *sentences = alloc_array(*sentences, n + 2, sizeof(PropertyPair));
        (*sentences)[n] = (PropertyPair){ "output", *ret_sentence };
        (*sentences)[n + 1] = (PropertyPair){ 0 };
        return 0;
}

int verb_why(Ctl *c, char **args) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ PropertyPair *sentences = NULL;
        _cleanup_free_ char *dropped = NULL;
        size_t width = 0;
        int r;

        r = args[1] ? ask_about_file(c, args[0], args[1], &reply) : ctl_call(c, &explain, NULL, &reply, "s", args[0]);
        if (r != 0)
                return r;
        r = properties_read_rows(reply, "a(ss)", &sentences, NULL);
        if (r < 0)
                return ctl_bad_answer(c, &explain, r);
        r = args[1] ? 0 : add_dropped(c, args[0], &sentences, &dropped);
        if (r != 0)
                return r;
        if (c->json)
                return print_json(sentences);
        for (const PropertyPair *p = sentences; p->key; p++)
                width = MAX(width, strlen(p->key));
        for (const PropertyPair *p = sentences; p->key; p++) {
                _cleanup_free_ char *label = alloc_format("%s:", p->key);

                printf("%-*s ", (int)width + 1, label);
                ctl_print_colored(c, COLOR_NONE, p->value);
                putchar('\n');
        }
        return CTL_DONE;
}
