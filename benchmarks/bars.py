"""Draws the README's picture from measured figures: texts a second of each way to classify the same texts.

python -m benchmarks.bars docs/speed.svg "Reuters R8=benchmarks/results/front/r8-minilm.json" ...

The figures are those of ``benchmarks/front.py``. Early exit is shown at the operating point that promises to lose at
most one point of accuracy. What is faster than early exit by far gets a broken bar.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offramp.report.pictures import Panel, Picture, write_picture
from offramp.report.svg import element, rectangle, text
from offramp.report.words import percent, rate

POINT = "promised-1-lost"
_WIDTH, _BAR, _STEP, _NAMES = 620.0, 17.0, 25.0, 170.0
# What stands beside a bar.
_WORDS = 190.0


@dataclass(frozen=True)
class Bar:
    """A way to classify; ``class_`` is one of the style sheet's."""

    name: str
    texts_per_second: float
    accuracy: float
    class_: str


def bars_of(measured: dict[str, Any]) -> list[Bar]:
    """The bars of one data set, the slowest way first."""
    settings = {(one["model"], one["setting"]): one for one in measured["settings"]}

    def bar(name: str, model: str, setting: str, class_: str) -> Bar:
        one = settings[model, setting]
        return Bar(name, one["texts_per_second"], one["accuracy"], class_)

    return [
        Bar(
            "transformers.pipeline",
            measured["pipeline_texts_per_second"],
            measured["standard_accuracy"],
            "bar other",
        ),
        bar("full depth, int8", "exits", "full", "bar full-depth"),
        bar("exits after layers", "exits", POINT, "bar early-exit"),
        bar("words, then exits", "words", POINT, "bar early-exit"),
        bar("words alone", "words", "alone", "bar other"),
    ]


def panel_of(title: str, bars: list[Bar]) -> Panel:
    """One data set; the longest whole bar is that of words and exits."""
    field = _WIDTH - _NAMES - _WORDS
    scale = field / (1.1 * max(bar.texts_per_second for bar in bars[:-1]))
    drawn = []
    for number, bar in enumerate(bars):
        y = number * _STEP + 4
        length = min(field, max(1.5, bar.texts_per_second * scale))
        said = f"{rate(bar.texts_per_second)} a second, {percent(bar.accuracy)} right"
        drawn += [
            text(bar.name, _NAMES - 8, y + 12.5, anchor="end"),
            rectangle(_NAMES, y, length, _BAR, bar.class_),
            text(said, _NAMES + length + 7, y + 12.5, class_="tick"),
        ]
        if bar.texts_per_second * scale > field:
            place = _NAMES + field - 22
            drawn.append(
                element("path", d=f"M{place:g} {y + _BAR + 1:g}l6 -{_BAR + 2:g}h5l-6 {_BAR + 2:g}z", class_="ground")
            )
    return Panel(_WIDTH, len(bars) * _STEP + 6, element("g", *drawn), title)


def main() -> None:
    """Reads the figures and draws."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("figures", nargs="+", help="TITLE=FILE")
    options = parser.parse_args()
    named = dict(one.split("=", 1) for one in options.figures)
    rows = {title: bars_of(json.loads(Path(file).read_text(encoding="utf-8"))) for title, file in named.items()}
    said = "; ".join(
        f"{title}: " + ", ".join(f"{bar.name} {rate(bar.texts_per_second)} ({percent(bar.accuracy)})" for bar in bars)
        for title, bars in rows.items()
    )
    write_picture(
        options.picture,
        Picture(
            title="Texts a second of ways to classify the same texts",
            description=said,
            rows=[[panel_of(title, bars)] for title, bars in rows.items()],
            heading="Texts a second, all at once, one thread; a 6-layer encoder",
            note="Exits leave as an operating point says that promises to lose at most one point of accuracy.",
        ),
    )


if __name__ == "__main__":
    main()
