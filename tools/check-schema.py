#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Holds every line of a recorded stream against a JSON Schema: check-schema.py SCHEMA STREAM

Ends with 1 and names the first lines that do not fit. Needs Debian's python3-jsonschema.
"""
import json
import sys

import jsonschema

schema = json.load(open(sys.argv[1], encoding="utf-8"))
validator = jsonschema.Draft202012Validator(schema)
bad = 0
count = 0
for number, line in enumerate(open(sys.argv[2], encoding="utf-8"), 1):
    count += 1
    for error in validator.iter_errors(json.loads(line)):
        bad += 1
        if bad <= 5:
            where = ".".join(str(step) for step in error.absolute_path)
            print(f"line {number}: {where}: {error.message[:300]}\n  {line[:600]}", file=sys.stderr)
if count == 0:
    sys.exit("no line to check")
sys.exit(1 if bad else 0)
