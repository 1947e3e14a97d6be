/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Feeds inih so that it can misread nothing. As packaged (55, its defaults compiled in) it cuts a line at 199 bytes,
 * takes " ;" for a comment inside a value, splits at ":" as well, takes an indented line for more of the key above,
 * stops at a NUL byte and tells no line numbers. So every line is joined and checked here first, and a value goes to
 * inih in pieces of "KEY=piece", each short enough, with bytes at both ends that keep its blanks and another one in
 * the place of each semicolon. 0xfd, 0xfe and 0xff never stand in UTF-8, so nothing has to be escaped for them. The
 * pieces are put together again in the handler, where the line number is still at hand. The name of a section, which
 * inih cuts at 49 bytes, is kept here.
 *
 * inih's runtime variables (ini_max_line and its like) are left alone: they belong to the whole process. */

#include "config/reader.h"

#include <ini.h>

#include "util/ascii.h"
#include "util/utf8.h"

#define PIECE_GUARD     '\xff' /* at the beginning of each piece, and at the end of those that more follow */
#define PIECE_LAST      '\xfd' /* at the end of a value's last piece */
#define PIECE_SEMICOLON '\xfe'

#define INIH_SECTION_MAX 48 /* characters of the name of a section that go to inih */

#define SHOWN_MAX 64 /* bytes of a line that a problem repeats */

#define LETTERS_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

typedef struct Buffer {
        char *data; /* NUL-terminated, or NULL */
        size_t n, size;
} Buffer;

typedef struct Reader {
        const char *at, *end; /* what was not read yet */
        unsigned line;        /* the physical line that was read last */
        unsigned first_line;  /* where the logical one began */
        bool skip_section;    /* the header was bad: these keys belong nowhere */
        char section[READER_SECTION_MAX + 1];
        Buffer logical;
        char *key;    /* in logical; NULL when nothing is left to be fed */
        char *rest;   /* of its value, what inih did not get yet */
        Buffer value; /* what came back */
        const ReaderSink *sink;
        FileProblems *problems;
        int error;
} Reader;

static void buffer_done(Buffer *b) {
        free(b->data);
}

static int buffer_append(Buffer *b, const char *p, size_t n) {
        if (b->n + n + 1 > b->size) {
                size_t size = MAX(b->size * 2, b->n + n + 256);
                char *bigger = realloc(b->data, size);

                if (!bigger)
                        return -ENOMEM;
                b->data = bigger;
                b->size = size;
        }
        memcpy(b->data + b->n, p, n);
        b->n += n;
        b->data[b->n] = '\0';
        return 0;
}

static void buffer_strip(Buffer *b) {
        size_t blanks = 0;

        if (b->n == 0)
                return;
        while (b->n > 0 && is_blank(b->data[b->n - 1]))
                b->data[--b->n] = '\0';
        while (is_blank(b->data[blanks]))
                blanks++;
        if (blanks == 0)
                return;
        b->n -= blanks;
        memmove(b->data, b->data + blanks, b->n + 1);
}

/* One physical line without its end ("\n" or "\r\n") and without the blanks before it. */
static bool read_physical(Reader *rd, const char **ret, size_t *ret_n) {
        const char *p = rd->at, *end;

        if (p == rd->end)
                return false;
        end = memchr(p, '\n', (size_t)(rd->end - p));
        rd->at = end ? end + 1 : rd->end;
        if (!end)
                end = rd->end;
        if (end > p && end[-1] == '\r')
                end--;
        while (p < end && is_blank(*p))
                p++;
        rd->line++;
        *ret = p;
        *ret_n = (size_t)(end - p);
        return true;
}

static bool is_plain(unsigned char c) {
        return (c >= 0x20 && c < 0x7f) || c == '\t';
}

/* Returns 1 when the line may be used, 0 when it was found broken. */
static int check_characters(Reader *rd, const char *p, size_t n) {
        for (size_t i = 0; i < n;) {
                unsigned char c = (unsigned char)p[i];
                size_t length;

                if (is_plain(c)) { /* as nearly always */
                        i++;
                        continue;
                }
                length = utf8_char_length(p + i, n - i);
                if (length == 0)
                        return file_problems_add(rd->problems, rd->line,
                                                 "The line is not valid UTF-8 (byte 0x%02x). Save the file as UTF-8.",
                                                 c);
                if (length == 1)
                        return file_problems_add(rd->problems, rd->line,
                                                 "The line contains the control character 0x%02x. Remove it; in Exec= "
                                                 "it can be written as \\x%02x.",
                                                 c, c);
                i += length;
        }
        return 1;
}

/* Also in comments: a file with NUL bytes is no text file, or the disk lost part of it. */
static int check_nul(Reader *rd, const char *p, size_t n) {
        if (!memchr(p, '\0', n))
                return 1;
        return file_problems_add(rd->problems, rd->line,
                                 "The line contains a NUL byte, so this is not a text file. Replace the file.");
}

static bool goes_on(const char *p, size_t n) {
        size_t backslashes = 0;

        while (backslashes < n && p[n - 1 - backslashes] == '\\')
                backslashes++;
        return backslashes % 2 == 1;
}

/* Adds a physical line to the logical one, a blank for the backslash. Returns as check_characters() does. */
static int join_physical(Reader *rd, const char *p, size_t n, bool more) {
        int r;

        if (rd->logical.n + n > READER_LINE_MAX) {
                r = file_problems_add(rd->problems, rd->first_line,
                                      "The line is longer than %zu bytes. Put its content into a script.",
                                      READER_LINE_MAX);
                return r;
        }
        r = buffer_append(&rd->logical, p, more ? n - 1 : n);
        if (r >= 0 && more)
                r = buffer_append(&rd->logical, " ", 1);
        return r < 0 ? r : 1;
}

/* Reads on to the end of the next logical line; a broken one is left empty. Returns 1, 0 at the end of the text, or a
 * negative errno. */
static int read_logical(Reader *rd) {
        bool usable = true, more = true;
        const char *p;
        size_t n;

        rd->first_line = 0;
        rd->logical.n = 0;
        while (more && read_physical(rd, &p, &n)) {
                int r = check_nul(rd, p, n);

                if (r > 0 && n > 0 && strchr("#;", *p))
                        continue;
                if (rd->first_line == 0)
                        rd->first_line = rd->line;
                more = goes_on(p, n);
                if (r > 0)
                        r = check_characters(rd, p, n);
                if (r > 0 && usable)
                        r = join_physical(rd, p, n, more);
                if (r < 0)
                        return r;
                usable = usable && r > 0;
        }
        if (rd->first_line == 0)
                return 0;
        if (!usable)
                rd->logical.n = 0;
        buffer_strip(&rd->logical);
        return 1;
}

static size_t name_length(const char *s, const char *beside) {
        size_t n = 0;

        while (is_alphanumeric(s[n]) || (s[n] != '\0' && strchr(beside, s[n])))
                n++;
        return n;
}

/* Returns 1 when a line for inih is in str, else 0. */
static int feed_section(Reader *rd, char *str, size_t size) {
        char *name = rd->logical.data + 1, *end = rd->logical.data + rd->logical.n - 1;
        int r;

        if (end < name || *end != ']' || name_length(name, "_-.@ ") != (size_t)(end - name) || end == name ||
            end - name > READER_SECTION_MAX) {
                rd->skip_section = true;
                return file_problems_add(rd->problems, rd->first_line,
                                         "This is not a section header. Write only [NAME] in the line, with a "
                                         "name of at most %d letters, digits, blanks and \"_-.@\".",
                                         READER_SECTION_MAX);
        }
        *end = '\0';
        rd->skip_section = false;
        r = rd->sink->section(rd->sink->userdata, rd->first_line, name);
        if (r < 0)
                return r;
        strcpy(rd->section, name);
        if (size <= INIH_SECTION_MAX + strlen("[]\n"))
                return -ENOBUFS;
        *str = '[';
        strcpy(stpncpy(str + 1, name, INIH_SECTION_MAX), "]\n");
        return 1;
}

size_t reader_crontab_schedule(const char *line) {
        static const char numbers[] = "0123456789*/,-~?", names[] = "#" LETTERS_DIGITS "*/,-~?";
        const char *p = line;
        size_t n;

        if (*p == '@') {
                n = strcspn(p, BLANKS);
                return p[n] != '\0' ? n : 0;
        }
        if (!strchr(numbers, *p)) /* as nearly always, and sooner told than by what follows */
                return 0;
        for (unsigned field = 0; field < 5; field++) {
                n = strspn(p, field < 3 ? numbers : names);
                if (n == 0 || p[n] == '\0' || !strchr(BLANKS, p[n]))
                        return 0;
                n += (size_t)(p - line);
                p = line + n + strspn(line + n, BLANKS);
        }
        return n;
}

static int problem_crontab_line(Reader *rd, const char *line, size_t n_schedule) {
        const char *command = line + n_schedule + strspn(line + n_schedule, BLANKS);
        size_t n = utf8_cut(command, SHOWN_MAX);

        return file_problems_add(rd->problems, rd->first_line,
                                 "This is a line of a crontab. Write OnCron=%.*s in section [Timer], and Shell=%.*s%s "
                                 "in section [Run].",
                                 (int)n_schedule, line, (int)n, command, command[n] ? "…" : "");
}

/* Splits the logical line into rd->key and rd->rest. Returns 1, or 0 when it is none or does not count. */
static int split_assignment(Reader *rd) {
        char *key = rd->logical.data, *equal = strchr(key, '=');
        size_t n;

        if (rd->skip_section)
                return 0;
        n = reader_crontab_schedule(key);
        if (n > 0)
                return problem_crontab_line(rd, key, n);
        if (!equal)
                return file_problems_add(
                        rd->problems, rd->first_line,
                        "The line has no \"=\". Write KEY=VALUE, or begin the line with \"#\" to make it a "
                        "comment.");
        for (n = (size_t)(equal - key); n > 0 && is_blank(key[n - 1]); n--)
                ;
        key[n] = '\0';
        if (n == 0 || n > READER_KEY_MAX || name_length(key, "_-") != n)
                return file_problems_add(rd->problems, rd->first_line,
                                         "The text before the \"=\" is not a key: a key is one word of at most %d "
                                         "letters, digits, \"_\" and \"-\".",
                                         READER_KEY_MAX);
        rd->key = key;
        rd->rest = equal + 1 + strspn(equal + 1, BLANKS);
        rd->value.n = 0;
        return 1;
}

/* Writes "KEY=piece" with as much of the value as fits into size bytes. */
static int feed_piece(Reader *rd, char *str, size_t size) {
        size_t n = strnlen(rd->rest, size), overhead = strlen(rd->key) + strlen("=gg\n") + 1;
        char *p = str;
        bool last;

        if (size <= overhead)
                return -ENOBUFS;
        last = n <= size - overhead;
        if (!last)
                n = size - overhead;
        p = stpcpy(stpcpy(p, rd->key), "=");
        *p++ = PIECE_GUARD;
        for (char *end = mempcpy(p, rd->rest, n), *at = p; (at = memchr(at, ';', (size_t)(end - at)));)
                *at = PIECE_SEMICOLON;
        p += n;
        *p++ = last ? PIECE_LAST : PIECE_GUARD;
        strcpy(p, "\n");
        rd->rest += n;
        if (last)
                rd->key = NULL;
        return 1;
}

/* What inih calls for its next line, as it would call fgets(). */
static char *feed_line(char *str, int num, void *userdata) {
        Reader *rd = userdata;
        size_t size = (size_t)num;
        int r = rd->error;

        while (r == 0) {
                if (!rd->key) {
                        r = read_logical(rd);
                        if (r <= 0)
                                break;
                        if (rd->logical.n == 0) {
                                r = 0;
                                continue;
                        }
                        if (rd->logical.data[0] == '[') {
                                r = feed_section(rd, str, size);
                                continue;
                        }
                        r = split_assignment(rd);
                        if (r <= 0)
                                continue;
                }
                r = feed_piece(rd, str, size);
        }
        if (r < 0)
                rd->error = r;
        return r > 0 ? str : NULL;
}

/* What inih calls with each piece; nonzero is success. */
static int take_piece(void *userdata, _unused_ const char *section, const char *key, const char *piece) {
        Reader *rd = userdata;
        size_t n = strlen(piece);
        int r = -EPROTO;

        if (rd->error == 0 && n >= 2 && piece[0] == PIECE_GUARD)
                r = buffer_append(&rd->value, piece + 1, n - 2);
        if (r >= 0 && piece[n - 1] == PIECE_LAST) {
                for (char *p = strchr(rd->value.data, PIECE_SEMICOLON); p; p = strchr(p, PIECE_SEMICOLON))
                        *p = ';';
                r = rd->sink->assign(rd->sink->userdata, rd->first_line, rd->section, key, rd->value.data);
        }
        if (r < 0)
                rd->error = r;
        return r >= 0;
}

int reader_parse(const char *text, size_t n, const ReaderSink *sink, FileProblems *problems) {
        static const char bom[] = "\xef\xbb\xbf";
        Reader rd = { .at = text, .end = text + n, .sink = sink, .problems = problems };
        int r;

        if (n >= strlen(bom) && memcmp(text, bom, strlen(bom)) == 0)
                rd.at += strlen(bom);
        r = ini_parse_stream(feed_line, &rd, take_piece, &rd);
        buffer_done(&rd.logical);
        buffer_done(&rd.value);
        if (rd.error < 0)
                return rd.error;
        return r == 0 ? 0 : -EPROTO;
}
