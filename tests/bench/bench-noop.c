/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The program of a run that costs nothing but its process. */

int main(void) {
        return 0;
}
