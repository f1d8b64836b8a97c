"""The table of what was measured."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rivals_static.rivals import RIVALS
from benchmarks.rivals_static.rows import DATA_SETS

HEAD = (
    "data",
    "classifier",
    "fitted to",
    "accuracy",
    "of rows",
    "texts/s of process time",
    "texts/s of the wall's clock",
    "$ per million texts",
    "seconds to fit",
    "size",
)


def write_table(results: Path, price: float) -> str:
    """Writes ``static.md`` beside the results, and gives what it says.

    Args:
        results: holds a file for each data set that was measured.
        price: of an hour of one core, in dollars.
    """
    found = [
        json.loads(file.read_text(encoding="utf-8"))
        for one in DATA_SETS
        if (file := results / f"{one.name}.json").is_file()
    ]
    text = "\n".join([*_introduction(found, price), "", *_lines(found, price)]) + "\n"
    (results / "static.md").write_text(text, encoding="utf-8")
    return text


def dollars(texts_per_cpu_second: float, price: float) -> float:
    """What a million texts cost at a price of an hour of one core."""
    return 1e6 / texts_per_cpu_second / 3600 * price


def _introduction(found: list[dict[str, Any]], price: float) -> Iterator[str]:
    yield "# Classifiers without a deep network, and frozen encoders"
    yield ""
    if not found:
        yield "Nothing has been measured."
        return
    processors = ", ".join(sorted({one["environment"]["cpu"] for one in found}))
    rounds = ", ".join(sorted({str(one["rounds"]) for one in found}))
    loads = [one["environment"]["load"] for one in found]
    yield f"One thread of an {processors}; medians of {rounds} rounds in turn, quartiles in brackets."
    yield (
        f"The machine had other work, too (load {min(loads):.1f} to {max(loads):.1f} on "
        f"{found[0]['environment']['cores']} cores): compare by process time, which is what the dollars come from, "
        f"at ${price:g} an hour of one core."
    )
    seconds = {one["distilled"]["cpu_seconds"] for one in found if one.get("distilled")}
    if seconds:
        yield (
            f"Distilling model2vec's vectors took {max(seconds):.0f} s of process time once, which the seconds to fit "
            "leave out."
        )


def _lines(found: list[dict[str, Any]], price: float) -> Iterator[str]:
    titles = {rival.name: rival.title for rival in RIVALS}
    yield f"| {' | '.join(HEAD)} |"
    yield f"|{'---|' * len(HEAD)}"
    for data in found:
        for one in data["results"]:
            cells = (
                data["data"],
                titles[one["rival"]],
                f"{one['train_rows']:,}",
                f"{one['accuracy']:.2%}",
                f"{one['test_rows']:,}",
                _spread(one["texts_per_cpu_second"]),
                _spread(one["texts_per_second"]),
                np.format_float_positional(dollars(one["texts_per_cpu_second"][1], price), 2, fractional=False),
                f"{one['fit_cpu_seconds']:.1f}",
                f"{one['bytes'] / 1e6:.1f} MB",
            )
            yield f"| {' | '.join(cells)} |"


def _spread(quartiles: list[float]) -> str:
    low, median, high = (f"{value:,.3g}" if value < 1000 else f"{value:,.0f}" for value in quartiles)
    return f"{median} ({low}-{high})"
