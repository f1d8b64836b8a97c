import json

import pytest
from jsonschema import Draft202012Validator

from helpers.evaluations import SAFE, evaluation
from helpers.report_schema import SCHEMA, schema
from offramp.calibration import Problem
from offramp.report import make_report

WRITTEN = json.loads(SCHEMA.read_text())


def test_the_schema_is_up_to_date():
    assert schema() == WRITTEN, "run  python tests/helpers/report_schema.py"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"layers": (6,), "labels": ("a",), "problem": Problem.MULTI_LABEL},
        {"promises": (("safe", SAFE), ("plain", None)), "texts": "a text", "rows": 30},
    ],
)
def test_reports_follow_it(options):
    Draft202012Validator.check_schema(WRITTEN)
    content = json.loads(json.dumps(make_report(evaluation(**options)).to_dict(), allow_nan=False))
    assert [error.message for error in Draft202012Validator(WRITTEN).iter_errors(content)] == []


def test_it_is_strict():
    content = json.loads(json.dumps(make_report(evaluation()).to_dict()))
    errors = Draft202012Validator(WRITTEN).iter_errors
    assert list(errors(content | {"more": 1}))
    assert list(errors({key: value for key, value in content.items() if key != "advice"}))
    content["evaluation"]["full"]["accuracy"] = "much"
    assert list(errors(content))
