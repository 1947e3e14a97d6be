#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The MESSAGE_IDs of vaktd's journal entries; units/vaktd.catalog explains each of them to the administrator, and a
 * test compares the two. */

#define MESSAGE_RUN_STARTED      "7df2af277de6498e91eac860200f4e4c"
#define MESSAGE_RUN_SUCCEEDED    "ceffedcc0b8f42228d83f5f2b6c6c914"
#define MESSAGE_RUN_FAILED       "7d6ed462bdac4a3cac1600d9165ec177"
#define MESSAGE_RUN_REFUSED      "14ae99e668f04872bd7192a961b9d7c2"
#define MESSAGE_RUN_CANCELLED    "5c59de671b224ce6bd6ee35927a8cdca"
#define MESSAGE_CONFIG_PROBLEM   "27a65af937e14a13bd95539dd7d992e1"
#define MESSAGE_RELOADED         "64bc9593df524381b25a810149edddc7"
#define MESSAGE_STARTED          "2c0050dde4e34c5097102505a6742fcb"
#define MESSAGE_STOPPED          "c4c8e1a5baa545789115a93ce358b6cd"
#define MESSAGE_PEER_DROPPED     "a63a4df0ac454daa9943986dc439eb0b"
#define MESSAGE_LEDGER_DEGRADED  "b61a8e92d19a4ccebe772b4fdb794e83"
#define MESSAGE_LEDGER_RECOVERED "e494827b87f54371ac0572d03d3917a1"
#define MESSAGE_LEDGER_REPLACED  "ce295b4fd73f465997a2e10f41bd4d8d"
#define MESSAGE_ALARM_RAISED     "9bebbc56ef954a36a4b214d7c42365c0"
#define MESSAGE_ALARM_CLEARED    "aaf1706b574f487c8befbafa19401e52"
#define MESSAGE_PATH_LIMITED     "0a4be733bb7d4145a0c4c4b4d15eb39b"
