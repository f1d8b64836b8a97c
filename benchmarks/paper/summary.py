"""What the summary says in figures, from the results alone: Markdown, as all in :mod:`benchmarks.paper.tables`."""

from collections.abc import Sequence

from benchmarks.paper import cells
from benchmarks.paper.analysis import ANY, EFFICIENT, MODELS
from benchmarks.paper.cells import MISSING, grid, title_of
from benchmarks.paper.plan import OURS, SHARED, Plan, Run
from benchmarks.paper.results import LOSSES, Comparison, Results
from offramp.report.words import percent, span


def coverage(plan: Plan, results: Sequence[Results]) -> str:
    """What of the plan there is, in a sentence."""
    parts = []
    for name, encoder in plan.encoders.items():
        found = [one for one in results if one.encoder == name]
        if found:
            data = ", ".join(plan.data_sets[one.data].title for one in found)
            seeds = span(*(str(end(one.standard.seeds for one in found)) for end in (min, max)))
            parts.append(f"{encoder.title}: {data} (seeds: {seeds})")
    return "; ".join(parts) or "nothing yet"


def short(plan: Plan, results: Sequence[Results]) -> str:
    """What each of ours comes to in batches: at half a point lost, and beside the strongest of what others would do."""
    loss = f"{LOSSES[0]:g}"

    def row(one: Results, ours: str) -> list[str]:
        line = one.line_of(ours, "lot")
        gains = (_hardest(one, ours, group, speedup) for group in (EFFICIENT, MODELS) for speedup in (2.0, 3.0))
        return [
            title_of(plan, one),
            percent(one.standard.accuracies[-1]),
            ours,
            cells.chosen(line.chosen[loss]),
            cells.reach(line.within[loss]),
            *map(cells.gain, gains),
        ]

    against = [f"over {those}, at {speedup}×" for those in ("networks cut off", "models in turn") for speedup in (2, 3)]
    header = ("data and encoder", "standard", "ours", "chosen on dev rows", "what the test rows allow", *against)
    return grid(header, [row(one, ours) for one in results for ours in _paper_and_best(one)])


def ours_cost(plan: Plan, results: Sequence[Results]) -> str:
    """What each of ours takes to make, beside the standard model."""

    def seconds(name: str, first: int) -> str:
        """With those of so many standard models before it."""
        pairs = [(one.ours[name], one.standard) for one in results if name in one.ours]
        # Processors that compute in bf16 take less than half the time.
        alike = [(own.seconds, standard.seconds) for own, standard in pairs if own.precision == standard.precision]
        ratios = [first + own / standard for own, standard in alike if own and standard]
        return span(*(f"{end:.1f}" for end in (min(ratios), max(ratios)))) if ratios else MISSING

    def row(name: str) -> list[str]:
        some = Run(next(iter(plan.data_sets)), next(iter(plan.encoders)), OURS[name].method, 0)
        first = len(some.needed)
        trainings = "1, then exits alone" if some.targets else str(1 + first)
        texts = "labelled; the exits do not see the labels" if some.targets == "model" else "labelled"
        texts += ", and others without labels" if some.unlabelled else ""
        thresholds = "one for all exits" if OURS[name].rule == SHARED else "one for each exit"
        return [name, f"`{some.method}`", trainings, texts, thresholds, seconds(name, first)]

    header = (
        "ours",
        "method",
        "trainings",
        "texts",
        "thresholds",
        "training time over the standard model's",
    )
    return grid(header, map(row, OURS))


def missing(plan: Plan, results: Sequence[Results]) -> str:
    """What the plan has and nobody ran yet."""
    known = {(one.data, one.encoder): one for one in results}
    planned: dict[tuple[str, str], set[str]] = {}
    for run in plan.runs():
        planned.setdefault((run.data, run.encoder), set()).add(run.method)
    lines = []
    for data, encoder in planned:
        found = known.get((data, encoder))
        name = f"{plan.data_sets[data].title}, {plan.encoders[encoder].title}"
        if found is None:
            lines.append(f"- {name}: all")
        elif found.missing:
            lines.append(f"- {name}: {', '.join(found.missing)}")
    return "\n".join(lines) or "Nothing."


def _paper_and_best(one: Results) -> list[str]:
    """The paper's own method if it was run, and of the others of ours the one that is best on dev rows."""
    others = [name for name in one.ours if name != "paper"]
    best = max(others, key=lambda name: one.ours[name].area_dev or 0.0)
    return [*(name for name in one.ours if name == "paper"), best]


def _hardest(results: Results, ours: str, group: str, speedup: float) -> Comparison | None:
    """Of a group that ours can be compared with in batches, what leaves it the least."""
    found = [
        one
        for one in results.comparisons
        if (one.ours, one.group, one.kind) == (ours, group, "lot")
        and one.versus.speedup == speedup
        and (group != EFFICIENT or one.other == ANY)
    ]
    return min(found, key=lambda one: one.versus.gain.value, default=None)
