#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""When Vixie's cron runs the entries of a crontab: each minute is looked at, as cron does. Zones without clock changes.

Prints LINE|SCHEDULE|ZONE|SECONDS... of the first 50 runs after 2027-02-25 11:00.
"""

import datetime
import sys
import zoneinfo

MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
WEEKDAYS = "sun mon tue wed thu fri sat".split()
FIELDS = [(0, 59, []), (0, 23, []), (1, 31, []), (1, 12, MONTHS), (0, 7, WEEKDAYS)]
WORDS = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
         "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *"}


def number(text, low, names):
    return names.index(text.lower()) + low if text.lower() in names else int(text)


def values(field, low, high, names):
    found = set()
    for item in field.split(","):
        span, _, step = item.partition("/")
        if span == "*":
            first, last = low, high
        elif "-" in span:
            first, last = (number(s, low, names) for s in span.split("-"))
        else:
            found.add(number(span, low, names))
            if step:  # the rest of the field is not read
                break
            continue
        found.update(range(first, last + 1, int(step or 1)))
    return found


def runs(schedule, zone, n):
    fields = WORDS.get(schedule, schedule).split()
    minutes, hours, days, months, weekdays = (values(f, *bounds) for f, bounds in zip(fields, FIELDS))
    either = fields[2][0] != "*" and fields[4][0] != "*"
    weekdays |= {0} if 7 in weekdays else set()
    at = datetime.datetime(2027, 2, 25, 11, 0, tzinfo=zone)
    day, times = at.date(), sorted((h, m) for h in hours for m in minutes)
    found = []
    while len(found) < n and day.year < 2200:
        by_day, by_weekday = day.day in days, day.isoweekday() % 7 in weekdays
        if day.month in months and (by_day or by_weekday if either else by_day and by_weekday):
            for hour, minute in times:
                t = datetime.datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
                if t > at:
                    found.append(int(t.timestamp()))
        day += datetime.timedelta(days=1)
    return found[:n]


def main():
    zone = "UTC"
    with open(sys.argv[1], encoding="utf-8") as f:
        for line, text in enumerate(f, 1):
            words = text.split()
            if text.startswith("CRON_TZ="):
                zone = words[0].partition("=")[2]
            elif text[0] in "@*0123456789":
                schedule = " ".join(words[:1 if text[0] == "@" else 5])
                print(line, schedule, zone, " ".join(map(str, runs(schedule, zoneinfo.ZoneInfo(zone), 50))), sep="|")


main()
