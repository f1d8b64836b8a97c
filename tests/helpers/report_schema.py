"""The JSON schema of ``report.json``, made from the dataclasses and what their docstrings say.

``python tests/helpers/report_schema.py`` writes it anew.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from offramp.report import Report

SCHEMA = Path(__file__).parents[2] / "docs" / "report.schema.json"


def schema() -> dict[str, Any]:
    """What every report has to be like, to the last key."""
    made = _strict(TypeAdapter(Report).json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "offramp report", **made}


def _strict(part: Any) -> Any:
    """Without the titles that only repeat names; objects of known keys have no others."""
    if isinstance(part, list):
        return [_strict(one) for one in part]
    if not isinstance(part, dict):
        return part
    kept = {key: _strict(value) for key, value in part.items() if key != "title" or not isinstance(value, str)}
    return kept | {"additionalProperties": False} if isinstance(part.get("properties"), dict) else kept


if __name__ == "__main__":
    SCHEMA.write_text(json.dumps(schema(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
