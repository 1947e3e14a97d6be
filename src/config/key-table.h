#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Tables of the sections and keys that a kind of file may hold, one row a key, and the reading of a text by one. */

#include <sys/types.h>

#include "config/diagnostics.h"
#include "config/specifier.h"
#include "util/clock.h"

#define KEY_TEXT_MAX 1024 /* bytes in a value that people read */

typedef struct KeyRow KeyRow;
typedef struct KeyReading KeyReading;

/* One assignment on its way to its parser. */
typedef struct KeyLine {
        const KeyRow *row;
        const char *value;   /* specifiers replaced unless the row is raw; "" clears or restores the default */
        const char *written; /* the same as it stands in the file, stripped */
        unsigned line;
        FileProblems *problems;
        KeyReading *reading;
} KeyLine;

/* Puts the value into field. What is wrong with it goes to key_problem(), and 0 is returned all the same; a negative
 * errno ends the reading (-ENOMEM). */
typedef int (*KeyParse)(const KeyLine *k, void *field);

struct KeyRow {
        const char *section;
        const char *key;
        KeyParse parse;
        size_t offset;        /* of the field in the object */
        size_t size;          /* of a plain field, which an empty value sets to its default; 0: the parser gets "" */
        const void *argument; /* what the parser wants to know */
        bool raw;             /* the parser replaces specifiers itself */
        bool has_percentages; /* "10%" needs no second percent sign, see Specifiers */
        bool repeatable;      /* a further line adds to the earlier ones */
};

/* Rows of one section or more, those of a section together, and the object that their fields are in. */
typedef struct KeyTable {
        const KeyRow *rows;
        size_t n_rows;
        void *object;
        const void *defaults; /* an object in which each plain field has its default */
} KeyTable;

#define KEY_TABLES_MAX 8

/* Offset and size of a plain field, for a row. */
#define KEY_VALUE(type, field) offsetof(type, field), sizeof(((type *)NULL)->field)

struct KeyReading {
        KeyTable tables[KEY_TABLES_MAX];
        void *userdata;                /* of the parsers */
        int (*note)(const KeyLine *k); /* called before a parser, or before a default is restored; may be NULL */
        FileProblems *problems;
        const Specifiers *specifiers; /* NULL: a percent sign is nothing special */
        bool instance_unknown;        /* a template is checked: a value with %i is not validated */
        uint64_t digest;              /* of all sections, keys and values so far */
        /* A section that is written with a name behind it, as in "[Pool disk]": its rows say "Pool". What begins one
         * sets the object of their table. It returns 1, or 0 when it wrote a problem down and the section is to be
         * passed over, or a negative errno. NULL: there is none. */
        const char *named_section;
        int (*begin_named)(KeyReading *r, unsigned line, const char *name);
        /* What to write instead of "KEY" or "[SECTION]", which other programs have, or NULL; row: of that name in
         * another section. It goes on after the name. NULL: not asked. */
        const char *(*replacement)(const KeyRow *row, const char *name);
        /* private: the section that is being read */
        bool skip_section;
        const KeyTable *section_table;
        const KeyRow *section_rows;
        size_t n_section_rows;
};

/* The row at an index over all tables; NULL: there are no more. And the index of a row that is in one of them. */
const KeyRow *key_row_at(const KeyTable tables[static KEY_TABLES_MAX], size_t i) _pure_;
size_t key_row_index(const KeyTable tables[static KEY_TABLES_MAX], const KeyRow *row) _pure_;

/* Reads a text. What is wrong goes to r->problems. Returns 0, also with problems; -ENOMEM or what a parser returned.
 */
int key_table_read(KeyReading *r, const char *text, size_t n);

/* Writes a problem of the line down: 0 or -ENOMEM. key_problem_value() puts what the key is set to before the message,
 * which begins with what is wrong: "is not a time span. Write …". */
int key_problem(const KeyLine *k, const char *format, ...) _printf_(2, 3);
int key_problem_value(const KeyLine *k, const char *format, ...) _printf_(2, 3);

/* --- parsers that every table can use --- */

int key_parse_text(const KeyLine *k, void *field); /* char *, at most KEY_TEXT_MAX bytes; empty: NULL */
int key_parse_bool(const KeyLine *k, void *field); /* bool, by the next one */
int key_bool_from_string(const char *s) _pure_;    /* yes, no, true, false, on, off, 1, 0, y, n, t, f: 1, 0; -EINVAL */

typedef struct KeyRange {
        unsigned min, max;
} KeyRange;
int key_parse_unsigned(const KeyLine *k, void *field); /* unsigned in the KeyRange that is the argument */

int key_parse_count(const KeyLine *k, void *field); /* the same, or "infinity": UINT_MAX */

typedef struct KeySpan {
        usec_t min;
        bool endless; /* "infinity" is allowed */
} KeySpan;
int key_parse_span(const KeyLine *k, void *field);         /* usec_t as the KeySpan that is the argument allows */
int key_parse_span_or_none(const KeyLine *k, void *field); /* usec_t; 0 is none: USEC_INFINITY */
int key_read_span(const KeyLine *k, usec_t *ret);          /* returns 1, or 0 when the problem was written down */

int key_read_mode(const KeyLine *k, mode_t *ret); /* an access mode, in octal digits; returns the same */

typedef struct KeyWords {
        int (*from_string)(const char *s);
        const char *choices; /* "auto or child" */
} KeyWords;
int key_parse_word(const KeyLine *k, void *field); /* int or enum by the KeyWords that is the argument */

/* Calls visit for each word of the value, until it returns something else than 0. Returns that; or -ENOMEM. */
int key_each_word(const KeyLine *k, int (*visit)(const KeyLine *k, const char *word, void *field), void *field);

/* FNV-1a, 64 bits, goes on from hash; with the NUL at the end of s. */
#define HASH_START 0xcbf29ce484222325ULL
uint64_t hash_string(uint64_t hash, const char *s) _pure_;
