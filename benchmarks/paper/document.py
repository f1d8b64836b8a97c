"""``docs/reproduction.md`` and its pictures, made from the results in the repository and nothing else."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.paper import tables
from benchmarks.paper.claims import claims
from benchmarks.paper.pictures import draw_curves, draw_rivals
from benchmarks.paper.plan import OURS, Plan
from benchmarks.paper.results import LOSSES, Results, StepCost
from offramp.files import read_json, replacing, write_json

DOCUMENT, PICTURES = "reproduction.md", "reproduction"
TEMPLATE = Path(__file__).with_name("page.md")


def write_results(results: Results, folder: Path) -> None:
    """Keeps the results as JSON."""
    write_json(folder / f"{results.name}.json", results.to_dict())


def read_results(plan: Plan, folder: Path) -> list[Results]:
    """All that is kept, in the plan's order."""
    names = dict.fromkeys(f"{run.data}-{run.encoder}" for run in plan.runs())
    files = [folder / f"{name}.json" for name in names]
    return [Results.from_dict(read_json(file)) for file in files if file.is_file()]


def read_steps(plan: Plan, folder: Path) -> dict[str, StepCost]:
    """What ``benchmarks/training_time.py`` measured, by encoder."""
    files = {name: folder / f"step-{name}.json" for name in plan.encoders}
    return {name: StepCost.read(file) for name, file in files.items() if file.is_file()}


def write_document(plan: Plan, results: Sequence[Results], steps: Mapping[str, StepCost], folder: Path) -> None:
    """Writes the page and draws its pictures."""
    titles = [tables.title_of(plan, one) for one in results]
    for one, title in zip(results, titles, strict=True):
        draw_curves(one, title, folder / PICTURES / f"{one.name}.svg")
    if results:
        draw_rivals(results, titles, folder / PICTURES / "rivals.svg")
    with replacing(folder / DOCUMENT) as new:
        new.write_text(_page(plan, results, steps), encoding="utf-8")


def _page(plan: Plan, results: Sequence[Results], steps: Mapping[str, StepCost]) -> str:
    curves = "\n\n".join(
        f"![accuracy against measured speed-up, {tables.title_of(plan, one)}]({PICTURES}/{one.name}.svg)"
        for one in results
    )
    processors = sorted({one.times.environment["cpu"] for one in results})
    return TEMPLATE.read_text(encoding="utf-8").format(
        processor=", ".join(processors),
        set_up=tables.set_up(plan, results),
        claims=claims(plan, results, steps),
        preserved=tables.preserved(plan, results),
        curves=curves,
        efficient=tables.efficient(plan, results),
        efficient_line=tables.efficient_line(plan, results),
        in_turn=tables.in_turn(plan, results),
        recipes=tables.recipes(),
        rivals="\n\n".join(tables.rivals(plan, results, ours, "lot") for ours in OURS),
        rivals_single=tables.rivals(plan, results, "joint", "single"),
        pictures=PICTURES,
        regimes_dev=tables.regimes(plan, results, "dev"),
        regimes_test=tables.regimes(plan, results, "test"),
        faster=tables.faster(plan, results, LOSSES[0]),
        attached=tables.attached(plan, results),
        training_cost=tables.training_cost(plan, results, steps),
        calibration=tables.calibration(plan, results),
        confidence=tables.confidence(plan, results),
        clock=tables.clock(plan, results),
        missing=tables.missing(plan, results),
    )
