/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Descriptions, reasons, status texts and file names are bytes from administrators, jobs and file systems. Nearly all
 * of them are short and valid, and are used unchanged; the others are copied with replacements. What counts as valid
 * is what libdbus, dbus-broker and sd-bus agree on: UTF-8 without noncharacters. */

#include "bus/text.h"

#include "util/macro.h"
#include "util/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */
#define ELLIPSIS    "\xe2\x80\xa6" /* U+2026 */

/* Length of the prefix of s, at most max bytes, that consists of whole valid characters. */
static size_t text_valid_length(const char *s, size_t max) {
        size_t done = 0;

        assert(s);

        while (s[done] != '\0') {
                size_t n = utf8_char_length(s + done, 4);

                if (n == 0 || done + n > max)
                        break;
                done += n;
        }
        return done;
}

char *text_clean(const char *s, size_t max) {
        size_t done = 0, n;
        char *copy;

        assert(s);
        assert(max >= strlen(ELLIPSIS));

        copy = malloc(max + 1);
        if (!copy)
                return NULL;
        for (;;) {
                n = text_valid_length(s, max - done);
                memcpy(copy + done, s, n);
                done += n;
                s += n;
                if (*s == '\0')
                        break;
                if (utf8_char_length(s, 4) > 0 || done + strlen(REPLACEMENT) > max) {
                        /* It is full: make room for the ellipsis, by whole characters. */
                        copy[done] = '\0';
                        done = text_valid_length(copy, max - strlen(ELLIPSIS));
                        memcpy(copy + done, ELLIPSIS, strlen(ELLIPSIS));
                        done += strlen(ELLIPSIS);
                        break;
                }
                memcpy(copy + done, REPLACEMENT, strlen(REPLACEMENT));
                done += strlen(REPLACEMENT);
                s++;
        }
        copy[done] = '\0';
        return copy;
}

/* The common case, eight bytes at a time: a list has thousands of texts. */
static bool is_short_ascii(const char *s, size_t max) {
        size_t n = strnlen(s, max + 1), i = 0;
        uint64_t word = 0, all = 0;

        if (n > max)
                return false;
        for (; i + sizeof(word) <= n; i += sizeof(word)) {
                memcpy(&word, s + i, sizeof(word));
                all |= word;
        }
        word = 0;
        memcpy(&word, s + i, n - i);
        assert(n - i < sizeof(word));
        return ((all | word) & UINT64_C(0x8080808080808080)) == 0;
}

const char *text_fit(const char *s, size_t max, char **ret_copy) {
        const char *text = strempty(s);

        if (is_short_ascii(text, max) || text[text_valid_length(text, max)] == '\0')
                return text;
        *ret_copy = text_clean(text, max);
        return *ret_copy;
}

int text_append(sd_bus_message *m, const char *s, size_t max) {
        _cleanup_free_ char *copy = NULL;
        const char *text = text_fit(s, max, &copy);

        if (!text)
                return -ENOMEM;
        return sd_bus_message_append_basic(m, 's', text);
}

int text_append_row(sd_bus_message *m, const char *const *texts, size_t n) {
        int r;

        assert(n > 0 && n <= TEXT_ROW_MAX);
        r = sd_bus_message_open_container(m, 'r', &"ssss"[TEXT_ROW_MAX - n]);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = text_append(m, texts[i], TEXT_MAX);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int text_get(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
             void *userdata, sd_bus_error *e) {
        return text_append(reply, *(const char *const *)userdata, TEXT_MAX);
}

/* The text ends in "and N more" if there are more files than the one that it names; see trigger/path-runs.c. */
const char *text_count_of_payload(const char *payload, char buf[static TEXT_COUNT_MAX]) {
        const char *last = NULL;
        unsigned n_more = 0;
        int end = 0;

        if (isempty(payload))
                return "";
        for (const char *p = payload; (p = strstr(p, " and ")); p++)
                last = p;
        if (!last || sscanf(last, " and %9u more%n", &n_more, &end) != 1 || last[end] != '\0')
                n_more = 0;
        (void)snprintf(buf, TEXT_COUNT_MAX, "%u file%s", n_more + 1, n_more == 0 ? "" : "s");
        return buf;
}
