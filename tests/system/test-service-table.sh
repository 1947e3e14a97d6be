#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Section [Service] against the service manager of this machine: see service-table-check.c.

exec "$(dirname "$0")/service-table-check"
