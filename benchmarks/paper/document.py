"""``docs/reproduction.md``, the page of all tables and the pictures, made from the results in the repository alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.paper import cascade_tables, summary, tables
from benchmarks.paper.cells import title_of
from benchmarks.paper.claims import claims
from benchmarks.paper.pictures import draw_curves, draw_rivals
from benchmarks.paper.plan import Plan, Run
from benchmarks.paper.results import LOSSES, Results, StepCost
from offramp.errors import OptionError
from offramp.files import read_json, replacing, write_json
from offramp.records import from_json

DOCUMENT, FOLDER = "reproduction.md", "reproduction"
TABLES = f"{FOLDER}/tables.md"
_TEMPLATES = {DOCUMENT: "page.md", TABLES: "tables.md"}


def write_results(results: Results, folder: Path) -> None:
    """Keeps the results as JSON."""
    write_json(folder / f"{results.name}.json", results.to_dict())


def read_results(plan: Plan, folder: Path) -> list[Results]:
    """All that is kept, in the plan's order.

    Raises:
        OptionError: something was made with another plan.
    """
    names = dict.fromkeys(f"{run.data}-{run.encoder}" for run in plan.runs())
    files = [folder / f"{name}.json" for name in names]
    results = [from_json(Results, read_json(file)) for file in files if file.is_file()]
    for one in results:
        for method in one.methods:
            if method.layers != (planned := plan.exits(Run(one.data, one.encoder, method.method, 0))):
                raise OptionError(
                    f"{one.name}: {method.method} has exits {method.layers}, in the plan {planned}; run 'analyse' again"
                )
    return results


def read_steps(plan: Plan, folder: Path) -> dict[str, StepCost]:
    """What ``benchmarks/training_time.py`` measured, by encoder."""
    files = {name: folder / f"step-{name}.json" for name in plan.encoders}
    return {name: StepCost.read(file) for name, file in files.items() if file.is_file()}


def write_document(plan: Plan, results: Sequence[Results], steps: Mapping[str, StepCost], folder: Path) -> None:
    """Writes both pages and draws the pictures."""
    titles = [title_of(plan, one) for one in results]
    for one, title in zip(results, titles, strict=True):
        draw_curves(one, title, folder / FOLDER / f"{one.name}.svg")
    if results:
        draw_rivals(results, titles, folder / FOLDER / "rivals.svg")
    parts = _parts(plan, results, steps)
    for name, template in _TEMPLATES.items():
        with replacing(folder / name) as new:
            new.write_text(Path(__file__).with_name(template).read_text(encoding="utf-8").format(**parts), "utf-8")


def _parts(plan: Plan, results: Sequence[Results], steps: Mapping[str, StepCost]) -> dict[str, str]:
    """What the templates have places for."""
    curves = "\n\n".join(
        f"![accuracy against speed-up, {title_of(plan, one)}]({FOLDER}/{one.name}.svg)" for one in results
    )
    return {
        "coverage": summary.coverage(plan, results),
        "processor": ", ".join(sorted({one.times.environment["cpu"] for one in results})),
        "short": summary.short(plan, results),
        "ours_cost": summary.ours_cost(plan, results),
        "claims": claims(plan, results, steps),
        "curves": curves,
        "missing": summary.missing(plan, results),
        "set_up": tables.set_up(plan, results),
        "preserved": tables.preserved(plan, results),
        "efficient": tables.efficient(plan, results),
        "efficient_line": tables.efficient_line(plan, results),
        "in_turn": tables.in_turn(plan, results),
        "best_cascades": cascade_tables.best_cascades(plan, results),
        "words_alone": cascade_tables.words_alone(plan, results),
        "cascades": cascade_tables.cascades(plan, results, "lot"),
        "cascades_single": cascade_tables.cascades(plan, results, "single"),
        "recipes": tables.recipes(),
        "rivals": tables.rivals(plan, results, "lot"),
        "rivals_single": tables.rivals(plan, results, "single"),
        "against_rivals": tables.against_rivals(plan, results),
        "regimes_dev": tables.regimes(plan, results, "dev"),
        "regimes_test": tables.regimes(plan, results, "test"),
        "faster": tables.faster(plan, results, LOSSES[0]),
        "attached": tables.attached(plan, results),
        "training_cost": tables.training_cost(plan, results, steps),
        "calibration": tables.calibration(plan, results),
        "confidence": tables.confidence(plan, results),
        "clock": tables.clock(plan, results),
    }
