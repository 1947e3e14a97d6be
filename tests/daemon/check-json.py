#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds what vaktctl --json printed against its schema.

    check-json.py SCHEMA FILE...

A FILE is named NUMBER.VERB or NUMBER.error. Each object of the output must have just the members that the schema has:
so it describes all of them. Prints what is wrong, and fails.
"""

import json
import os
import sys

import jsonschema


def make_strict(schema):
    """No object may have members that the schema does not name."""
    if isinstance(schema, dict):
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
        for value in schema.values():
            make_strict(value)
    elif isinstance(schema, list):
        for value in schema:
            make_strict(value)


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        schema = json.load(f)
    jsonschema.Draft202012Validator.check_schema(schema)
    make_strict(schema)
    verbs = schema["$defs"]["verbs"]["$defs"]
    bad = 0
    for name in sys.argv[2:]:
        verb = os.path.basename(name).split(".", 1)[1]
        where = "#/$defs/error" if verb == "error" else f"#/$defs/verbs/$defs/{verb}"
        if verb != "error" and verb not in verbs:
            print(f"{verb}: the schema does not name this verb")
            bad += 1
            continue
        validator = jsonschema.Draft202012Validator({"$ref": where, "$defs": schema["$defs"]})
        with open(name, encoding="utf-8") as f:
            text = f.read()
        try:
            answers = [json.loads(text)] if verb != "error" else [json.loads(line) for line in text.splitlines()]
        except ValueError as e:
            print(f"{name}: {e}: {text[:200]}")
            bad += 1
            continue
        for answer in answers:
            for error in validator.iter_errors(answer):
                best = jsonschema.exceptions.best_match([error])
                print(f"{verb}: {best.json_path}: {best.message[:300]}")
                bad += 1
    return 1 if bad else 0


sys.exit(main())
