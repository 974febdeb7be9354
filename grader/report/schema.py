"""The published JSON Schema of a result: `python -m grader.report.schema` writes it anew."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from data_scripts import atomic
from grader.result import SCHEMA, Result

PUBLISHED = Path(__file__).resolve().parents[2] / "docs" / "result.schema.json"


def schema() -> str:
    """The schema of what `json_file.write` writes."""
    made = msgspec.json.schema(Result)
    found = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": SCHEMA,
        "description": "What `python -m grader` ends in. Numbers that are not finite are null.",
    } | made
    # JSON has no NaN: the loss of a training that diverged is null.
    for name, kind in found["$defs"]["Epoch"]["properties"].items():
        if name != "epoch":
            kind["type"] = [kind["type"], "null"]
    found["$defs"]["Result"]["properties"]["schema"]["const"] = SCHEMA
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    atomic.write(PUBLISHED, schema().encode())
