/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An administrator who comes from unit files or crontabs is told in one step what to write. What [Service] refuses by
 * name is said for each section, so that nobody moves a key into [Service] only to be told there that it is not
 * wanted. A name is listed only if its meaning is clear; others go to the search for typing errors. */

#include "config/replacements.h"

#include "config/service.h"

#define NO_INSTALLATION \
        "is for unit files. Remove it: a job in a directory of jobs is in force unless Enabled=no in section [Job]."
#define NO_ORDER                                                                                                   \
        "is for unit files. Write OnSuccess= in section [Job] of the job that goes first, or WaitFor= in section " \
        "[Run]."
#define COMMAND     "is not a key. Write Exec= or Shell= in section [Run]."
#define CONDITION   "is for unit files. Write WaitFor= in section [Run], for example WaitFor=file-exists /srv/data."
#define SCHEDULE    "is not a key. Write OnCalendar= or OnCron= in section [Timer]."
#define MAIL        "is not a key. Write OnFailure= in section [Job], and let the job that it names send the mail."
#define RETRY_DELAY "is not a key. Write RetryDelaySec= in section [Run]."
#define TIMEOUT     "is not a key. Write TimeoutSec= in section [Run]."
#define WATCH       "is not a key. Write PathChanged= in section [Path]."
#define NO_CLOCK_TRIGGER \
        "is not supported. Remove it: OnCalendar= and OnCron= follow changes of the clock and of the time zone."

static const struct {
        const char *name; /* ends in "*": what begins so */
        const char *advice;
} replacements[] = {
        { "[Unit]", "is for unit files. Write its Description= and Documentation= in section [Job]." },
        { "[Install]", NO_INSTALLATION },
        { "[Cron]", "is not a section. Write OnCron= in section [Timer]." },
        { "After", NO_ORDER },
        { "Alias", NO_INSTALLATION },
        { "Also", NO_INSTALLATION },
        { "Assert*", CONDITION },
        { "Before", NO_ORDER },
        { "BindsTo", NO_ORDER },
        { "CRON_TZ", "is for crontabs. Write TimeZone= in section [Timer]." },
        { "Cmd", COMMAND },
        { "Command", COMMAND },
        { "Condition*", CONDITION },
        { "Cron", SCHEDULE },
        { "Every", "is not a key. Write OnInterval= in section [Timer]." },
        { "FileChanged", WATCH },
        { "MAILTO", MAIL },
        { "OnActiveSec", "is for units of systemd. Write OnStartupSec= in section [Timer]." },
        { "OnClockChange", NO_CLOCK_TRIGGER },
        { "OnTimezoneChange", NO_CLOCK_TRIGGER },
        { "OnUnitActiveSec", "is for units of systemd. Write OnInterval= in section [Timer]." },
        { "OnUnitInactiveSec", "is for units of systemd. Write OnInterval= and IntervalFrom=end in section [Timer]." },
        { "PATH", "is for crontabs. Write Environment=PATH=… in section [Service]." },
        { "RANDOM_DELAY", "is for anacrontabs. Write RandomizedDelaySec= in section [Timer]." },
        { "RequiredBy", NO_INSTALLATION },
        { "Requires", NO_ORDER },
        { "Retries", "is not a key. Write Retry= in section [Run]." },
        { "RetryDelay", RETRY_DELAY },
        { "RetryInterval*", RETRY_DELAY },
        { "RetrySec", RETRY_DELAY },
        { "SHELL",
          "is for crontabs. Shell= in section [Run] uses /bin/sh; for another one, write Exec=/bin/bash -c …" },
        { "Schedule", SCHEDULE },
        { "Script", COMMAND },
        { "StartLimit*", "is for unit files. Write MinIntervalSec= in section [Run]." },
        { "Timeout", TIMEOUT },
        { "TriggerLimit*", "is for units of systemd. Write MinIntervalSec= in section [Run]." },
        { "WantedBy", NO_INSTALLATION },
        { "Wants", NO_ORDER },
};

static bool matches(const char *pattern, const char *name) {
        size_t n = strlen(pattern);

        return pattern[n - 1] == '*' ? strncmp(name, pattern, n - 1) == 0 : streq(name, pattern);
}

const char *replacement_find(const KeyRow *row, const char *name) {
        if (row)
                return row->parse == service_parse ? ((const ServiceSetting *)row->argument)->refusal : NULL;
        for (size_t i = 0; i < ELEMENTSOF(replacements); i++)
                if (matches(replacements[i].name, name))
                        return replacements[i].advice;
        return NULL;
}
