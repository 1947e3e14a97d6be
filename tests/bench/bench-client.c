/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A client of the control socket that does nothing but what is measured; what vaktctl needs beside that is not in it.
 *
 *   get SOCKET SOCKET N       Get of one property, from the one and the other in turn; prints for each the median and
 *                             the 99th percentile in µs
 *   serve SOCKET              the least that answers such a Get: an sd-bus service with one property
 *   load SOCKET JOB RUNS AT-ONCE   requests runs, so many at once, until RUNS have ended; prints µs. 0: for ever
 *   list SOCKET N             reads all jobs as "vaktctl list" does; prints µs, a line each time */

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>

#include "util/clock.h"
#include "util/macro.h"

#define BUS_PATH "/org/vaktd1"
#define MANAGER  "org.vaktd1.Manager"

static _Noreturn void give_up(const char *what, int r) {
        fprintf(stderr, "bench-client: %s: %s\n", what, strerror(-r));
        exit(EXIT_FAILURE);
}

static void check(const char *what, int r) {
        if (r < 0)
                give_up(what, r);
}

static double now_us(void) {
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static unsigned to_number(const char *text) {
        return (unsigned)strtoul(text, NULL, 10);
}

/* As a client of a bus it is sent signals. */
static sd_bus *connect_to(const char *path, bool is_bus_client) {
        char address[256];
        sd_bus *bus;

        (void)snprintf(address, sizeof(address), "unix:path=%s", path);
        check("sd_bus_new", sd_bus_new(&bus));
        check(path, sd_bus_set_address(bus, address));
        check(path, sd_bus_set_bus_client(bus, is_bus_client));
        check(path, sd_bus_start(bus));
        return bus;
}

/* --- one property --- */

static double get_once(sd_bus *bus) {
        double begin = now_us();
        uint32_t value;

        check("Get", sd_bus_get_property_trivial(bus, NULL, BUS_PATH, MANAGER, "Running", NULL, 'u', &value));
        return now_us() - begin;
}

static int compare(const void *a, const void *b) {
        const double *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

static int do_get(char *argv[]) {
        unsigned n = to_number(argv[2]);
        sd_bus *buses[2];
        double *took[2];

        for (unsigned k = 0; k < 2; k++) {
                buses[k] = connect_to(argv[k], false);
                took[k] = calloc(n, sizeof(double));
                if (n == 0 || !took[k])
                        give_up("calloc", -ENOMEM);
                (void)get_once(buses[k]); /* until it is connected */
        }
        for (unsigned i = 0; i < n; i++)
                for (unsigned k = 0; k < 2; k++)
                        took[k][i] = get_once(buses[k]);
        for (unsigned k = 0; k < 2; k++) {
                qsort(took[k], n, sizeof(double), compare);
                printf("%.1f %.1f\n", took[k][n / 2], took[k][n * 99 / 100]);
                sd_bus_close_unref(buses[k]);
                free(took[k]);
        }
        return EXIT_SUCCESS;
}

static uint32_t running;

static const sd_bus_vtable service[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Running", "u", NULL, 0, 0),
        SD_BUS_VTABLE_END,
};

static int on_connect(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        sd_id128_t id;
        sd_bus *bus;

        check("accept", client < 0 ? -errno : 0);
        check("sd_id128_randomize", sd_id128_randomize(&id));
        check("sd_bus_new", sd_bus_new(&bus));
        check("sd_bus_set_fd", sd_bus_set_fd(bus, client, client));
        check("sd_bus_set_server", sd_bus_set_server(bus, true, id));
        check("sd_bus_add_object_vtable", sd_bus_add_object_vtable(bus, NULL, BUS_PATH, MANAGER, service, &running));
        check("sd_bus_start", sd_bus_start(bus));
        return sd_bus_attach_event(bus, sd_event_source_get_event(s), SD_EVENT_PRIORITY_NORMAL);
}

static int do_serve(char *argv[]) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        sd_event *event;

        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", argv[0]);
        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 8) < 0)
                give_up(argv[0], -errno);
        check("sd_event_new", sd_event_new(&event));
        check("sd_event_add_io", sd_event_add_io(event, NULL, fd, EPOLLIN, on_connect, NULL));
        return sd_event_loop(event);
}

/* --- runs --- */

typedef struct Load {
        sd_event *event;
        sd_bus *bus;
        const char *job;
        unsigned n_wanted, n_requested, n_ended;
} Load;

static int on_requested(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        if (sd_bus_message_is_method_error(m, NULL))
                give_up(sd_bus_message_get_error(m)->message, -EIO);
        return 0;
}

static void request(Load *l) {
        if (l->n_wanted > 0 && l->n_requested == l->n_wanted)
                return;
        l->n_requested++;
        check("Run", sd_bus_call_method_async(l->bus, NULL, NULL, BUS_PATH, MANAGER, "Run", on_requested, l, "sa{sv}",
                                              l->job, 0));
}

static int on_finished(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        Load *l = userdata;
        const char *result;

        check("RunFinished", sd_bus_message_read(m, "tsos", NULL, NULL, NULL, &result));
        if (!streq(result, "success"))
                give_up(result, -EIO);
        l->n_ended++;
        request(l);
        return l->n_ended == l->n_wanted ? sd_event_exit(l->event, 0) : 0;
}

static int do_load(char *argv[]) {
        Load l = { .job = argv[1], .n_wanted = to_number(argv[2]) };
        double begin;

        check("sd_event_new", sd_event_new(&l.event));
        l.bus = connect_to(argv[0], true);
        check("sd_bus_attach_event", sd_bus_attach_event(l.bus, l.event, SD_EVENT_PRIORITY_NORMAL));
        check("AddMatch", sd_bus_add_match(l.bus, NULL, "type='signal',member='RunFinished'", on_finished, &l));
        begin = now_us();
        for (unsigned i = 0; i < to_number(argv[3]); i++)
                request(&l);
        check("loop", sd_event_loop(l.event));
        printf("%.0f\n", now_us() - begin);
        sd_bus_close_unref(l.bus);
        sd_event_unref(l.event);
        return EXIT_SUCCESS;
}

/* --- a list --- */

/* All that is in it, whatever the columns are. */
static void decode(sd_bus_message *m) {
        const char *contents;
        uint64_t value;
        char type;
        int r;

        while ((r = sd_bus_message_peek_type(m, &type, &contents)) > 0)
                if (contents) {
                        check("QueryJobs", sd_bus_message_enter_container(m, type, contents));
                        decode(m);
                        check("QueryJobs", sd_bus_message_exit_container(m));
                } else
                        check("QueryJobs", sd_bus_message_read_basic(m, type, &value));
        check("QueryJobs", r);
}

static int do_list(char *argv[]) {
        sd_bus *bus = connect_to(argv[0], false);

        for (unsigned i = 0; i < to_number(argv[1]); i++) {
                double begin = now_us();
                sd_bus_message *m;

                check("QueryJobs", sd_bus_call_method(bus, NULL, BUS_PATH, MANAGER, "QueryJobs", NULL, &m, NULL));
                decode(m);
                sd_bus_message_unref(m);
                printf("%.0f\n", now_us() - begin);
        }
        sd_bus_close_unref(bus);
        return EXIT_SUCCESS;
}

int main(int argc, char *argv[]) {
        static const struct {
                const char *name;
                int n_arguments;
                int (*run)(char *argv[]);
        } modes[] = { { "get", 3, do_get }, { "serve", 1, do_serve }, { "load", 4, do_load }, { "list", 2, do_list } };

        for (size_t i = 0; argc >= 2 && i < ELEMENTSOF(modes); i++)
                if (streq(argv[1], modes[i].name) && argc - 2 == modes[i].n_arguments)
                        return modes[i].run(argv + 2);
        fprintf(stderr, "bench-client: see the head of its source.\n");
        return EXIT_FAILURE;
}
