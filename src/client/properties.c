/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Properties by a table. Unknown ones are skipped so that an older vaktctl understands a newer vaktd. */

#include "client/properties.h"
#include "ctl/alloc.h"

static const PropertyMap *find(const PropertyMap *map, size_t n, const char *name) {
        for (size_t i = 0; i < n; i++)
                if (streq(map[i].name, name))
                        return &map[i];
        return NULL;
}

int properties_read_pairs(sd_bus_message *m, PropertyPair **ret) {
        _cleanup_free_ PropertyPair *pairs = alloc_array(NULL, 1, sizeof(PropertyPair));
        PropertyPair pair;
        size_t n = 0;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(ss)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "(ss)", &pair.key, &pair.value)) > 0) {
                pairs = alloc_array(pairs, n + 2, sizeof(PropertyPair));
                pairs[n++] = pair;
        }
        if (r < 0)
                return r;
        pairs[n] = (PropertyPair){ 0 };
        *ret = TAKE_PTR(pairs);
        return sd_bus_message_exit_container(m);
}

static int read_alarms(sd_bus_message *m, PropertyAlarm **ret) {
        _cleanup_free_ PropertyAlarm *alarms = alloc_array(NULL, 1, sizeof(PropertyAlarm));
        PropertyAlarm a;
        size_t n = 0;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(sts)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "(sts)", &a.key, &a.raised, &a.sentence)) > 0) {
                alarms = alloc_array(alarms, n + 2, sizeof(PropertyAlarm));
                alarms[n++] = a;
        }
        if (r < 0)
                return r;
        alarms[n] = (PropertyAlarm){ 0 };
        *ret = TAKE_PTR(alarms);
        return sd_bus_message_exit_container(m);
}

static int read_watches(sd_bus_message *m, PropertyWatch **ret) {
        _cleanup_free_ PropertyWatch *watches = alloc_array(NULL, 1, sizeof(PropertyWatch));
        PropertyWatch w;
        size_t n = 0;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(ssss)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "(ssss)", &w.key, &w.path, &w.state, &w.sentence)) > 0) {
                watches = alloc_array(watches, n + 2, sizeof(PropertyWatch));
                watches[n++] = w;
        }
        if (r < 0)
                return r;
        watches[n] = (PropertyWatch){ 0 };
        *ret = TAKE_PTR(watches);
        return sd_bus_message_exit_container(m);
}

static int read_numbers(sd_bus_message *m, PropertyNumber **ret) {
        _cleanup_free_ PropertyNumber *numbers = alloc_array(NULL, 1, sizeof(PropertyNumber));
        PropertyNumber number;
        size_t n = 0;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{st}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "{st}", &number.name, &number.value)) > 0) {
                numbers = alloc_array(numbers, n + 2, sizeof(PropertyNumber));
                numbers[n++] = number;
        }
        if (r < 0)
                return r;
        numbers[n] = (PropertyNumber){ 0 };
        *ret = TAKE_PTR(numbers);
        return sd_bus_message_exit_container(m);
}

static int read_value(sd_bus_message *m, const PropertyMap *p, void *to) {
        if (streq(p->type, "as"))
                return sd_bus_message_read_strv(m, to);
        if (streq(p->type, "a(ss)"))
                return properties_read_pairs(m, to);
        if (streq(p->type, "a(sts)"))
                return read_alarms(m, to);
        if (streq(p->type, "a(ssss)"))
                return read_watches(m, to);
        if (streq(p->type, "a{st}"))
                return read_numbers(m, to);
        return sd_bus_message_read_basic(m, p->type[0], to);
}

static int read_entry(sd_bus_message *m, const PropertyMap *map, size_t n, void *ret) {
        const PropertyMap *p;
        const char *name;
        int r;

        r = sd_bus_message_read_basic(m, 's', &name);
        if (r < 0)
                return r;
        p = find(map, n, name);
        if (!p)
                return sd_bus_message_skip(m, "v");
        r = sd_bus_message_enter_container(m, 'v', p->type);
        if (r < 0)
                return r;
        r = read_value(m, p, (char *)ret + p->offset);
        if (r < 0)
                return r;
        return sd_bus_message_exit_container(m);
}

int properties_read(sd_bus_message *m, const PropertyMap *map, size_t n, void *ret) {
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = read_entry(m, map, n, ret);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        return sd_bus_message_exit_container(m);
}
