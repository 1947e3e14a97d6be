/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Devices and the network, as systemd.resource-control(5) has them. */

#include <arpa/inet.h>
#include <netinet/in.h>

#include "config/names.h"
#include "config/service-convert.h"
#include "time/span.h"
#include "util/size.h"

#define IO_WEIGHT_MAX 10000
#define PORT_MAX      65535

/* --- devices --- */

/* Splits a value at the first blanks. *ret_rest is "" when there is nothing behind them. */
static char *split_first(char *copy, char **ret_rest) {
        size_t n = strcspn(copy, " \t");

        *ret_rest = copy + n + strspn(copy + n, " \t");
        copy[n] = '\0';
        return copy;
}

/* (ss): a device node, or "char-NAME" and "block-NAME" for what /proc/devices lists, and what may be done with it. */
int service_device_allow(const KeyLine *k, _unused_ const ServiceSetting *s, UnitProperty *p) {
        _cleanup_free_ char *copy = strdup(k->value);
        char *device, *access;
        int r = 1;

        if (!copy)
                return -ENOMEM;
        device = split_first(copy, &access);
        if (access[strspn(access, "rwm")] != '\0')
                return service_problem_word(k, access, "is not an access mode of a device. Write letters of \"rwm\".");
        if (startswith(device, "char-") || startswith(device, "block-"))
                r = service_check_device_kind(k, device);
        else {
                if (!startswith(device, "/dev/"))
                        return service_problem_word(k, device,
                                                    "is not a device. Write a path below /dev, or char-NAME or "
                                                    "block-NAME.");
                r = service_check_path(k, device);
        }
        return r <= 0 ? r : service_add_element(p, "ss", device, access);
}

static bool parse_bandwidth(const char *s, uint64_t *ret) {
        return size_parse(s, 1000, ret) >= 0;
}

static bool parse_weight(const char *s, uint64_t *ret) {
        return number_parse(s, ret) && *ret > 0 && *ret <= IO_WEIGHT_MAX;
}

static bool parse_latency(const char *s, uint64_t *ret) {
        return span_parse(s, ret) >= 0;
}

static const struct {
        bool (*parse)(const char *s, uint64_t *ret);
        const char *advice;
} io_values[] = {
        [SERVICE_IO_BANDWIDTH] = { parse_bandwidth, "a number, optionally with a suffix K, M or G to the base 1000" },
        [SERVICE_IO_WEIGHT] = { parse_weight, "a weight from 1 to 10000" },
        [SERVICE_IO_LATENCY] = { parse_latency, "a time span" },
};

/* (st): a path on the device, and what is set for it. */
int service_device_value(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        ServiceIo kind = *(const ServiceIo *)s->argument;
        _cleanup_free_ char *copy = strdup(k->value);
        char *path, *text;
        uint64_t value;
        int r;

        if (!copy)
                return -ENOMEM;
        path = split_first(copy, &text);
        if (!io_values[kind].parse(text, &value))
                return key_problem_value(k, "is not a setting for a device. Write a path, followed by %s.",
                                         io_values[kind].advice);
        r = service_check_path(k, path);
        return r <= 0 ? r : service_add_element(p, "st", path, (uint64_t)value);
}

/* --- addresses --- */

static size_t address_size(int family) {
        return family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
}

/* (iayu) */
static int add_address(UnitProperty *p, int family, const void *address, unsigned prefix) {
        int r = service_number(p, (uint64_t)family);

        if (r > 0)
                p->values[0].number++;
        if (r > 0)
                r = unit_property_add_text(p, address, address_size(family));
        return r < 0 ? r : service_number(p, prefix);
}

static const struct {
        const char *word, *v4;
        unsigned v4_prefix;
        const char *v6;
        unsigned v6_prefix;
} networks[] = {
        { "any", "0.0.0.0", 0, "::", 0 },
        { "localhost", "127.0.0.0", 8, "::1", 128 },
        { "link-local", "169.254.0.0", 16, "fe80::", 64 },
        { "multicast", "224.0.0.0", 4, "ff00::", 8 },
};

static int visit_address(const KeyLine *k, _unused_ const ServiceSetting *s, char *word, UnitProperty *p) {
        char *slash = strchr(word, '/');
        struct in6_addr address;
        struct in_addr v4;
        uint64_t prefix;
        int family, r;

        for (size_t i = 0; i < ELEMENTSOF(networks); i++)
                if (streq(word, networks[i].word)) {
                        (void)inet_pton(AF_INET, networks[i].v4, &v4);
                        (void)inet_pton(AF_INET6, networks[i].v6, &address);
                        r = add_address(p, AF_INET, &v4, networks[i].v4_prefix);
                        return r < 0 ? r : add_address(p, AF_INET6, &address, networks[i].v6_prefix);
                }
        if (slash)
                *slash = '\0';
        family = strchr(word, ':') ? AF_INET6 : AF_INET;
        prefix = 8 * address_size(family);
        if (inet_pton(family, word, &address) != 1 ||
            (slash && (!number_parse(slash + 1, &prefix) || prefix > 8 * address_size(family))))
                return service_problem_word(k, word,
                                            "is not an address or network. Write for example 10.0.0.0/8, ::1, any, "
                                            "localhost, link-local or multicast.");
        return add_address(p, family, &address, (unsigned)prefix);
}

int service_addresses(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        return service_list(k, s, visit_address, p);
}

/* --- ports --- */

typedef struct Ports {
        int family, protocol;
        uint64_t first, n; /* n is 0: all */
} Ports;

/* Takes a word and its colon; value tells which. */
static void take_choice(const char **p, const char *const words[static 2], const int values[static 2], int *ret) {
        for (size_t i = 0; i < 2; i++) {
                const char *rest = startswith(*p, words[i]);

                if (!rest || (*rest != ':' && *rest != '\0'))
                        continue;
                *ret = values[i];
                *p = rest + (*rest == ':');
                return;
        }
}

/* "any", a port, or FIRST-LAST. */
static bool parse_ports(const char *s, Ports *ports) {
        const char *dash = strchr(s, '-');
        char first[8] = "";
        uint64_t last;

        if (*s == '\0' || streq(s, "any"))
                return true;
        memcpy(first, s, MIN(dash ? (size_t)(dash - s) : strlen(s), sizeof(first) - 1));
        if (!number_parse(first, &ports->first) || !number_parse(dash ? dash + 1 : s, &last))
                return false;
        if (ports->first == 0 || ports->first > last || last > PORT_MAX)
                return false;
        ports->n = last - ports->first + 1;
        return true;
}

/* (iiqq): [ipv4:|ipv6:][tcp:|udp:]PORTS */
int service_socket_bind(const KeyLine *k, _unused_ const ServiceSetting *s, UnitProperty *p) {
        static const char *const families[] = { "ipv4", "ipv6" }, *const protocols[] = { "tcp", "udp" };
        static const int family_values[] = { AF_INET, AF_INET6 }, protocol_values[] = { IPPROTO_TCP, IPPROTO_UDP };
        Ports ports = { .family = AF_UNSPEC };
        const char *rest = k->value;

        take_choice(&rest, families, family_values, &ports.family);
        take_choice(&rest, protocols, protocol_values, &ports.protocol);
        if (!parse_ports(rest, &ports))
                return key_problem_value(
                        k, "is not a rule for sockets. Write for example tcp:80, ipv6:udp:5000-5010 or any.");
        return service_add_element(p, "iiqq", (uint64_t)ports.family, (uint64_t)ports.protocol, ports.n, ports.first);
}

/* --- programs of the kernel --- */

/* (ss): TYPE:PATH of what is pinned in bpffs. */
int service_bpf_program(const KeyLine *k, _unused_ const ServiceSetting *s, UnitProperty *p) {
        _cleanup_free_ char *copy = strdup(k->value);
        char *colon;
        int r;

        if (!copy)
                return -ENOMEM;
        colon = strchr(copy, ':');
        if (!colon || copy[strspn(copy, "abcdefghijklmnopqrstuvwxyz0123456789_")] != ':')
                return key_problem_value(k, "is not a program. Write TYPE:PATH, for example egress:/sys/fs/bpf/x.");
        *colon++ = '\0';
        r = service_check_path(k, colon);
        return r <= 0 ? r : service_add_element(p, "ss", copy, colon);
}

int service_one_path(const KeyLine *k, _unused_ const ServiceSetting *s, UnitProperty *p) {
        _cleanup_free_ char *path = strdup(k->value);
        int r;

        if (!path)
                return -ENOMEM;
        r = service_check_path(k, path);
        return r <= 0 ? r : service_add_element(p, "s", path);
}
