#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* pkttyagent(1), which asks on the terminal for the password that polkit wants. */

#include <sys/types.h>

/* Starts it, and waits until it is ready, if there is a terminal and this is not root, who is not asked. Returns its
 * process, or 0 if there is none. It asks only if there is no other agent, such as that of a desktop. */
pid_t polkit_agent_open(void);

/* Ends it; 0 is nothing. */
void polkit_agent_close(pid_t pid);
