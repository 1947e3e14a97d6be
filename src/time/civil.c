/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Dates by arithmetic, without tables of years and without libc: gmtime(3) takes a lock and touches the zone state,
 * and these functions are what every search of the scheduler spends its time in. Years are shifted to begin in March,
 * so that the leap day is the last day of a year and the lengths of the months before it follow one formula. */

#include "time/civil.h"

#define YEARS_PER_ERA 400
#define DAYS_PER_ERA  INT64_C(146097)
#define EPOCH_SHIFT   INT64_C(719468) /* days from 0000-03-01 to 1970-01-01 */

static int64_t floor_div(int64_t a, int64_t b) {
        return a / b - (a % b < 0);
}

int64_t civil_days(int year, int month, int day) {
        int64_t y = (int64_t)year - (month <= 2);
        int64_t era = floor_div(y, YEARS_PER_ERA);
        int64_t year_of_era = y - era * YEARS_PER_ERA;
        int64_t month_from_march = month > 2 ? month - 3 : month + 9;
        int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;

        return era * DAYS_PER_ERA + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
               EPOCH_SHIFT;
}

int64_t civil_seconds(const struct civil *c) {
        int64_t months = (int64_t)c->year * 12 + (c->month - 1);
        int64_t year = floor_div(months, 12);

        return civil_days((int)year, (int)(months - year * 12) + 1, c->day) * SECONDS_PER_DAY +
               (int64_t)c->hour * 3600 + (int64_t)c->minute * 60 + c->second;
}

void civil_from_seconds(int64_t seconds, struct civil *ret) {
        int64_t days = floor_div(seconds, SECONDS_PER_DAY);
        int of_day = (int)(seconds - days * SECONDS_PER_DAY);
        int64_t shifted = days + EPOCH_SHIFT;
        int64_t era = floor_div(shifted, DAYS_PER_ERA);
        int day_of_era = (int)(shifted - era * DAYS_PER_ERA);
        int year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
        int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        int month_from_march = (5 * day_of_year + 2) / 153;
        int month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;

        assert(day_of_era >= 0 && day_of_year >= 0 && day_of_year < 366);
        *ret = (struct civil){
                .year = (int)(year_of_era + era * YEARS_PER_ERA) + (month <= 2),
                .month = month,
                .day = day_of_year - (153 * month_from_march + 2) / 5 + 1,
                .hour = of_day / 3600,
                .minute = of_day / 60 % 60,
                .second = of_day % 60,
        };
}

int civil_month_length(int year, int month) {
        static const uint8_t lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

        assert(month >= 1 && month <= 12);
        return lengths[month - 1] + (month == 2 && leap);
}

int civil_weekday(int64_t days) {
        return (int)(((days + 3) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
}
