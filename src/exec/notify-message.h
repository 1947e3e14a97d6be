#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What runs say about themselves by sd_notify(3). Needs the C library only. */

#include <sys/types.h>

#include "util/macro.h"

#define NOTIFY_MESSAGE_MAX 4096 /* bytes of a message; a longer one is ignored */
#define NOTIFY_STATUS_MAX  512  /* bytes of a status that are kept */

typedef struct NotifyMessage {
        pid_t sender; /* the kernel vouches for it */
        char *status; /* STATUS=, one line for a terminal, NULL = it says nothing that counts; part of text */
        char text[NOTIFY_MESSAGE_MAX + 1];
} NotifyMessage;

/* A datagram socket that is told who sends; the caller closes it. Negative errno. */
int notify_message_socket(void);

/* Gives it an address without a file, which the kernel chooses: what NOTIFY_SOCKET says; the caller frees it. */
int notify_message_bind(int fd, char **ret_address);

/* Takes the next message. False: there is none. */
bool notify_message_receive(int fd, NotifyMessage *ret);

/* Cuts a status to NOTIFY_STATUS_MAX bytes, and leaves nothing that could draw on a terminal. */
void notify_status_trim(char *text);
