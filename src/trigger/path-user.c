/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whom the service manager makes of User= is looked up here in the files of the system only: a name service could keep
 * the loop waiting. */

#include "trigger/path-user.h"

#include "util/strv.h"

/* UID_UNKNOWN when that shows only when the runs start, or only a name service says. */
static uid_t run_uid(const JobDef *def) {
        const UnitValue *user = job_def_setting(def, "User"), *dynamic = job_def_setting(def, "DynamicUser");
        Identity i = {};
        uid_t uid;

        if (geteuid() != 0)
                return geteuid(); /* a user's own daemon runs all as that user */
        if (def->rare->unit || (dynamic && dynamic->number > 0))
                return UID_UNKNOWN;
        if (!user || isempty(user->text))
                return 0;
        if (identity_of_user(user->text, &i) < 0)
                return UID_UNKNOWN;
        uid = i.uid;
        identity_done(&i);
        return uid;
}

static bool has_groups(const Identity *user, const UnitProperty *p) {
        for (size_t i = 0; i < p->n_values; i++)
                if (!isempty(p->values[i].text) && !identity_has_group(user, p->values[i].text))
                        return false;
        return true;
}

static bool gives_more(const Identity *user, const UnitProperty *p) {
        if (streq(p->name, "AmbientCapabilities"))
                return p->values[0].number != 0;
        return (streq(p->name, "Group") || streq(p->name, "SupplementaryGroups")) && !has_groups(user, p);
}

uid_t path_user_spool_uid(const JobDef *def) {
        const UnitValue *name = job_def_setting(def, "User");
        uid_t uid = run_uid(def);
        Identity user = {};

        if (geteuid() != 0 || uid == 0 || uid == UID_UNKNOWN)
                return uid;
        if (identity_of_user(name->text, &user) < 0)
                return UID_UNKNOWN;
        for (size_t i = 0; i < def->rare->n_properties; i++)
                if (gives_more(&user, &def->rare->properties[i]))
                        uid = UID_UNKNOWN;
        identity_done(&user);
        return uid;
}

/* A user whom only the service manager or a name service knows sees what everybody sees. */
int path_user_identity(const JobDef *def, const PathSource *s, Identity *ret) {
        const UnitValue *user = job_def_setting(def, "User");
        uid_t uid = run_uid(def);
        int r;

        if (s->kind == PATH_SPOOL || geteuid() != 0 || uid == 0 || def->rare->unit)
                return 0;
        if (uid == UID_UNKNOWN) {
                *ret = (Identity){ .uid = UID_NOBODY, .gid = (gid_t)UID_NOBODY };
                return 1;
        }
        r = identity_of_user(user->text, ret);
        return r < 0 ? r : 1;
}

static const char *setting_text(const JobDef *def, const char *name) {
        const UnitValue *v = job_def_setting(def, name);

        return v ? strempty(v->text) : "";
}

bool path_user_is_same(const JobDef *a, const JobDef *b) {
        return run_uid(a) == run_uid(b) && path_user_spool_uid(a) == path_user_spool_uid(b) &&
               streq(setting_text(a, "User"), setting_text(b, "User"));
}
