#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""When Debian's cron starts the entries of crontabs, by what crontab(5) and cron(8) say: a day is looked at minute by
minute if its clock changes, otherwise it is an ordinary one.

    cron-model.py [--system] [--zone=ZONE] [--from=DATE] FILE...

Prints FILE|LINE|SCHEDULE|ZONE|SECONDS... of the first 50 minutes after 11:00 of the date in which something starts. A
file with a field for the user, --system, makes no difference to the times. CRON_TZ= is read as cronie reads it.
"""

import datetime
import functools
import sys
import zoneinfo

MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
WEEKDAYS = "sun mon tue wed thu fri sat".split()
FIELDS = [(0, 59, []), (0, 23, []), (1, 31, []), (1, 12, MONTHS), (0, 7, WEEKDAYS)]
WORDS = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
         "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *"}
DAY = datetime.timedelta(days=1)
THREE_HOURS = 180  # minutes, from which on cron takes a change of the clock for a correction


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


class Entry:
    def __init__(self, schedule):
        fields = WORDS.get(schedule, schedule).split()
        self.minutes, self.hours, self.days, self.months, self.weekdays = (
            values(f, *bounds) for f, bounds in zip(fields, FIELDS))
        self.either = fields[2][0] != "*" and fields[4][0] != "*"
        self.weekdays |= {0} if 7 in self.weekdays else set()
        self.is_wild = fields[0][0] == "*" or fields[1][0] == "*"
        self.times = sorted((h, m) for h in self.hours for m in self.minutes)

    def is_day(self, day):
        by_day, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return day.month in self.months and (by_day or by_weekday if self.either else by_day and by_weekday)

    def matches(self, minute):  # of the wall clock, since 1970
        t = datetime.datetime(1970, 1, 1) + datetime.timedelta(minutes=minute)
        return t.minute in self.minutes and t.hour in self.hours and self.is_day(t.date())


@functools.lru_cache(maxsize=None)
def start_of(day, zone):
    return int(datetime.datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())


@functools.lru_cache(maxsize=None)
def wall_minute(seconds, zone):
    offset = datetime.datetime.fromtimestamp(seconds, zone).utcoffset()
    return (seconds + int(offset.total_seconds())) // 60


@functools.lru_cache(maxsize=None)
def changes(day, zone):
    """What a change at midnight skips is made up for on the next day, so the day before counts as well."""
    begin = start_of(day, zone)
    return start_of(day + DAY, zone) - begin != 86400 or begin - start_of(day - DAY, zone) != 86400


def starts_by_minute(entry, zone, begin, end):
    """cron's own clock, "virtual", follows that of the wall; what it does about a jump depends on how far it was."""
    virtual = wall_minute(begin - 60, zone)
    found = []
    for seconds in range(begin, end, 60):
        now = wall_minute(seconds, zone)
        jump = now - virtual
        if jump == 1 or abs(jump) > THREE_HOURS:
            starts = entry.matches(now)
        elif jump <= 0:  # back: entries with a star run on, others wait until the clock has caught up
            starts = entry.is_wild and entry.matches(now)
        elif entry.is_wild and jump > 5:  # forward: entries with a star have nothing to make up for
            starts = entry.matches(now)
        else:
            starts = any(entry.matches(m) for m in range(virtual + 1, now + 1))
        if jump > 0 or jump < -THREE_HOURS:
            virtual = now
        if starts:
            found.append(seconds)
    return found


def runs(schedule, zone, n, at):
    entry, day, found = Entry(schedule), at.date(), []
    while len(found) < n and day.year < 2200:
        begin = start_of(day, zone)
        if not entry.is_day(day) and not entry.is_day(day - DAY):
            pass
        elif changes(day, zone):
            found += [t for t in starts_by_minute(entry, zone, start_of(day - DAY, zone), start_of(day + DAY, zone))
                      if t >= max(begin, at.timestamp() + 1)]
        elif entry.is_day(day):
            found += [t for t in (begin + h * 3600 + m * 60 for h, m in entry.times) if t > at.timestamp()]
        day += DAY
    return found[:n]


def main():
    options = dict(a[2:].split("=") for a in sys.argv[1:] if a.startswith("--") and "=" in a)
    at = datetime.datetime.fromisoformat(options.get("from", "2027-02-25") + " 11:00")
    for path in [a for a in sys.argv[1:] if not a.startswith("--")]:
        zone = options.get("zone", "UTC")
        with open(path, encoding="utf-8") as f:
            for line, text in enumerate(f, 1):
                words = text.split()
                if text.startswith("CRON_TZ="):
                    zone = words[0].partition("=")[2]
                elif words and words[0] != "@reboot" and words[0][0] in "@*0123456789":
                    schedule = " ".join(words[:1 if words[0][0] == "@" else 5])
                    of_zone = zoneinfo.ZoneInfo(zone)
                    seconds = runs(schedule, of_zone, 50, at.replace(tzinfo=of_zone))
                    print(path, line, schedule, zone, " ".join(map(str, seconds)), sep="|")


main()
