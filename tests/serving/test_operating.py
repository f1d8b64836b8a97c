"""The dashboard and the alerts of the documentation ask for what a server tells."""

import json
import re
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from helpers.serving_models import TEXTS, classifier_of, tuned

DOCS = Path(__file__).parents[2] / "docs"
# What Prometheus itself adds to everything that it reads.
ADDED = {"job", "instance"}
WORDS = {
    "sum",
    "by",
    "on",
    "and",
    "max",
    "min",
    "avg",
    "rate",
    "increase",
    "changes",
    "histogram_quantile",
    "group_left",
}


@pytest.fixture
def told(serve):
    """Labels, with the values they have, of each series that a server tells."""
    client = serve(tuned(classifier_of(), safe=0.95, fast=0.5), degrade_to="fast", fall_back_to="safe")
    assert client.post("/predict", json={"texts": TEXTS}).status_code == 200
    found = {}
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                labels = found.setdefault(sample.name, {})
                for name, value in sample.labels.items():
                    labels.setdefault(name, set()).add(value)
    return found


def dashboard():
    panels = json.loads((DOCS / "grafana.json").read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def alerts():
    (group,) = yaml.safe_load((DOCS / "prometheus-rules.yaml").read_text())["groups"]
    return [rule["expr"] for rule in group["rules"]]


def series_of(expressions):
    text = " ".join(re.sub(r"\{[^}]*\}|\[[^]]*\]|\([a-z, ]*\)", " ", one) for one in expressions)
    return set(re.findall(r"\b[a-z]\w+", text)) - WORDS


@pytest.mark.parametrize("expressions", [dashboard, alerts])
def test_every_series_and_label_is_told(told, expressions):
    assert series_of(expressions()) <= told.keys()
    for expression in expressions():
        used = [name for name in told if re.search(rf"\b{name}\b", expression)]
        assert used, expression
        known = ADDED | {"le"} | {label for name in used for label in told[name]}
        for labels in re.findall(r"\b(?:by|on|group_left) \(([^)]*)\)", expression):
            assert set(labels.replace(",", " ").split()) <= known, expression
        for name, selected in re.findall(r"(\w+)\{([^}]*)\}", expression):
            for label, comparison, value in re.findall(r'(\w+)(=~|!=|=)"([^"]*)"', selected):
                assert label in ADDED | told[name].keys(), expression
                if comparison != "=~" and label != "status":  # statuses come with requests
                    assert value in told[name][label], expression


def test_the_dashboard_leaves_nothing_out(told):
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) for name in series_of(dashboard())}
    ours = {re.sub(r"_(bucket|sum|count)$", "", name) for name in told if name.startswith("offramp_")}
    assert shown - {"process_resident_memory_bytes", "process_cpu_seconds_total"} == ours


def test_panels_do_not_lie_on_each_other():
    panels = json.loads((DOCS / "grafana.json").read_text())["panels"]
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(taken) == len(set(taken))
    assert {x for x, _ in taken} == set(range(24))
