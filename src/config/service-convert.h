#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Converters of [Service] (ServiceConvert), by kind, and what they share. A comment gives the D-Bus type of what comes
 * out, and what the argument of the setting is. */

#include "config/service.h"

/* --- what they share (service.c) --- */

/* The property that an earlier line of this key has set; NULL when there is none. */
const UnitProperty *service_earlier(const KeyLine *k);

/* Makes p[0] the other property of the setting. */
void service_use_other(const ServiceSetting *s, UnitProperty *p);

/* Both return 1 or -ENOMEM. An array has the number of its elements in front: begin() sets it to none. */
int service_number(UnitProperty *p, uint64_t number);
int service_string(UnitProperty *p, const char *text);
int service_begin_list(UnitProperty *p);

/* Adds an element to the array that the property is, with these members: "s", a string, or numbers (uint64_t), which
 * all other letters stand for. 1 or -ENOMEM. */
int service_add_element(UnitProperty *p, const char *members, ...);

/* Calls visit for each word of a value, in a copy that it may change. It returns what a converter does; anything but 1
 * ends the walk and is returned. */
typedef int (*ServiceVisit)(const KeyLine *k, const ServiceSetting *s, char *word, UnitProperty *p);
int service_each_word(const KeyLine *k, const ServiceSetting *s, const char *value, ServiceVisit visit,
                      UnitProperty *p);

/* Makes the property an array, of which visit adds elements. */
int service_list(const KeyLine *k, const ServiceSetting *s, ServiceVisit visit, UnitProperty *p);

/* Makes a path tidy in place: "/a//b/" becomes "/a/b". Returns 1, or 0 after a problem: it is not absolute, or has "."
 * or ".." in it. */
int service_check_path(const KeyLine *k, char *path);

/* Writes down that a word of the value is wrong: "KEY=: "word" is no …". 0 or -ENOMEM. */
int service_problem_word(const KeyLine *k, const char *word, const char *format, ...) _printf_(3, 4);

/* --- names that the service manager would pass over (service-names.c) --- */

/* Writes down that a word is none of the names, some of which may be NULL: with the nearest one, or else the advice.
 */
int service_problem_unknown(const KeyLine *k, const char *word, const char *const *names, size_t n, const char *what,
                            const char *advice);

/* All return 1, or 0 after a problem. A kind of device begins with "char-" or "block-". */
int service_check_system_call(const KeyLine *k, const char *word);
int service_check_file_system(const KeyLine *k, const char *word);
int service_check_device_kind(const KeyLine *k, const char *word);

/* --- single values (service-scalars.c) --- */

typedef struct ServiceText {
        bool (*is_valid)(const char *s);
        const char *advice; /* "is not a valid user name. Write …" */
} ServiceText;

typedef struct ServiceRange {
        int64_t min, max;
} ServiceRange;

typedef struct ServiceSpan {
        usec_t min;
        bool zero_is_endless; /* as unit files have it for time limits */
        bool endless;
} ServiceSpan;

/* Words and what they stand for; the last one has none. */
typedef struct ServiceWord {
        const char *word;
        int64_t value;
} ServiceWord;

typedef enum ServiceLimit {
        SERVICE_LIMIT_NUMBER,
        SERVICE_LIMIT_SIZE,
        SERVICE_LIMIT_SECONDS,
        SERVICE_LIMIT_USEC,
        SERVICE_LIMIT_NICE,
        _SERVICE_LIMIT_MAX,
} ServiceLimit;

#define CONVERTER(name) int name(const KeyLine *k, const ServiceSetting *s, UnitProperty *p)

CONVERTER(service_bool);     /* b */
CONVERTER(service_text);     /* s; ServiceText, or NULL */
CONVERTER(service_path);     /* s; const char *: the prefixes that may stand before it, "~": that alone */
CONVERTER(service_label);    /* (bs): whether a failure is ignored, "-" */
CONVERTER(service_integer);  /* i, u or t; ServiceRange */
CONVERTER(service_mode);     /* u, octal */
CONVERTER(service_size);     /* t, or u of the other one for a percentage */
CONVERTER(service_tasks);    /* the same without suffixes */
CONVERTER(service_weight);   /* t; not NULL: "idle" is allowed */
CONVERTER(service_quota);    /* t: µs of a second */
CONVERTER(service_pressure); /* u: part of 2^32 - 1 */
CONVERTER(service_span);     /* t: µs; ServiceSpan */
CONVERTER(service_nsec);     /* t: ns */
CONVERTER(service_word);     /* s; ServiceWord[] */
CONVERTER(service_enum);     /* i or t; ServiceWord[] */
CONVERTER(service_level);    /* i: a syslog level */
CONVERTER(service_signal);   /* i */
CONVERTER(service_errno);    /* i */
CONVERTER(service_limit);    /* t twice: hard, soft; ServiceLimit */

/* --- sets of bits (service-sets.c) --- */

CONVERTER(service_capabilities); /* t */
CONVERTER(service_namespaces);   /* t: those that are allowed */
CONVERTER(service_bits);         /* i; ServiceWord[] */
CONVERTER(service_coredump);     /* t */
CONVERTER(service_cpus);         /* ay, or b of the other one for "numa" */

/* --- lists (service-lists.c) --- */

/* Returns 1 when the word may stay, 0 when its problem was written down. It may change the word. */
typedef int (*ServiceCheck)(const KeyLine *k, char *word);

CONVERTER(service_words);            /* as; ServiceCheck in a ServiceWordRule */
CONVERTER(service_search_path);      /* as */
CONVERTER(service_filter);           /* (bas); ServiceWordRule */
CONVERTER(service_delegate);         /* b, or as of the other one */
CONVERTER(service_environment_file); /* a(sb) */
CONVERTER(service_load_credential);  /* a(ss) */
CONVERTER(service_set_credential);   /* a(say); not NULL: the value is base64 */
CONVERTER(service_log_fields);       /* aay */
CONVERTER(service_commands);         /* a(sasas) */
CONVERTER(service_input_text);       /* ay */
CONVERTER(service_base64);           /* ay */
CONVERTER(service_hash);             /* ay of hex digits or base64, or s of the other one for a path */
CONVERTER(service_stream);           /* s; ServiceStream[] */

typedef struct ServiceWordRule {
        ServiceCheck check;
} ServiceWordRule;

/* What a standard stream may lead to. */
typedef struct ServiceStream {
        const char *word;     /* "null", or "file:" with a path behind it; NULL at the end */
        const char *property; /* that takes the path */
        unsigned flags;       /* SERVICE_CHILD: the child executor can do that */
} ServiceStream;

/* For service_words() and service_filter(). */
extern const ServiceWordRule service_assignments, service_variables, service_assignments_or_variables, service_paths,
        service_groups, service_controllers, service_architectures, service_system_calls, service_plain_system_calls,
        service_address_families, service_file_systems, service_interfaces, service_directory_names;

/* --- the file system (service-mounts.c) --- */

CONVERTER(service_bind);             /* a(ssbt) */
CONVERTER(service_tmpfs);            /* a(ss) */
CONVERTER(service_directories);      /* as, and a(sst) of the other one for links */
CONVERTER(service_image_options);    /* a(ss) */
CONVERTER(service_mount_images);     /* a(ssba(ss)) */
CONVERTER(service_extension_images); /* a(sba(ss)) */

/* --- devices and network (service-devices.c) --- */

typedef enum ServiceIo {
        SERVICE_IO_BANDWIDTH, /* bytes to the base 1000, per second */
        SERVICE_IO_WEIGHT,
        SERVICE_IO_LATENCY,
        _SERVICE_IO_MAX,
} ServiceIo;

CONVERTER(service_device_allow); /* a(ss) */
CONVERTER(service_device_value); /* a(st); ServiceIo */
CONVERTER(service_addresses);    /* a(iayu) */
CONVERTER(service_socket_bind);  /* a(iiqq) */
CONVERTER(service_bpf_program);  /* a(ss) */
CONVERTER(service_one_path);     /* as with one element */
