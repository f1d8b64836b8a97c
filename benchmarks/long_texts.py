"""Long texts on the clock: cut, read to the end, and read on until an exit is sure.

python -m benchmarks.long_texts answers MODEL PART DATA WORK [--rows N] [--windows N] [--overlap N]
python -m benchmarks.long_texts measure MODEL WORK JSON [--timed N] [--backend B --precision P]

MODEL cuts long texts. ``answers`` keeps in WORK what each exit says of each window of a PART: calibration, tuning or
test; several may run at once. Of that all accuracies are arithmetic: calibration rows fit the temperatures and choose
how windows are combined, tuning rows choose the fastest rule that keeps to a limit there, test rows tell what
comes of it. ``measure`` then classifies some test rows in turn, all at once, on one thread. MODEL is not changed.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

import offramp
from offramp import environment
from offramp.backends import Engine
from offramp.data import Columns, read_labeled
from offramp.engine.answering import targets_of
from offramp.engine.full_pass import together, window_answers
from offramp.engine.long_texts import best, reading
from offramp.evaluation.timing import interleave, ratio
from offramp.exit_names import end_of_first_window, window_of
from offramp.files import write_json
from offramp.model.windows import ReadOn
from offramp.policy import (
    AtMost,
    Chosen,
    Confidence,
    ExitAnswers,
    ExitRule,
    Limit,
    Method,
    Risk,
    StageCosts,
    Threshold,
    select,
)

PARTS = ("calibration", "tuning", "test")
GOALS = {
    "at most 1 % changed": Limit(Risk.DISAGREEMENT, 0.01),
    "at most 2 % changed": Limit(Risk.DISAGREEMENT, 0.02),
    "at most 0.5 points lost": Limit(Risk.ACCURACY_DROP, 0.005),
}
_KEPT = ("logits", "tokens", "truncated", "reads", "targets")


@dataclass(frozen=True)
class Setting:
    """One way of classifying.

    Attributes:
        reading: what becomes of long texts.
        rule: when they leave.
        accuracy: on all test rows, as are ``lost`` (points below reading everything) and ``tokens`` (read of a text).
        computed: how many times faster than reading everything by the measured time of the stages that rows run.
        speedup: the same by the clock, on some rows; ``processor`` by the time of the processor, which other programs
            touch less. None where it was not timed.
        windows: share of rows that left in each window.
    """

    reading: str
    rule: str
    accuracy: float
    lost: float
    tokens: float
    computed: float
    windows: tuple[float, ...]
    speedup: float | None = None
    quartiles: tuple[float, float] | None = None
    processor: float | None = None


def keep_answers(options: argparse.Namespace) -> None:
    """Keeps what each window of some rows says."""
    rows = read_labeled(options.data, Columns())
    chosen = np.random.default_rng(options.seed).permutation(len(rows))[options.skip :][: options.rows]
    rows = rows.subset(np.sort(chosen))
    classifier = reading(_load(options), ReadOn(options.windows, options.overlap))
    found = window_answers(classifier.runner, rows.texts, None)
    kept = {name: getattr(found, name) for name in _KEPT if name != "targets"}
    options.work.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        options.work / f"{options.part}-{options.skip}.npz",
        **kept,
        targets=targets_of(classifier, rows),
        texts=np.array(rows.texts),
        costs=np.array(found.costs.stages if found.costs else ()),
        reading=np.array([options.windows, options.overlap]),
    )


def measure(options: argparse.Namespace) -> None:
    """Calibrates, chooses rules, times and writes."""
    files = {part: [np.load(file) for file in sorted(options.work.glob(f"{part}-*.npz"))] for part in PARTS}
    read_on = ReadOn(*map(int, files["test"][0]["reading"]))
    classifier = _load(options)
    like = reading(classifier, read_on)
    alone = {part: _joined(like, kept) for part, kept in files.items()}
    read_on, calibration_rows = best(alone["calibration"], read_on, "calibration")
    calibration = calibration_rows.calibration("calibration")
    like.recalibrate(calibration, reading(classifier, read_on).runner.cascade)
    first = end_of_first_window(like.exit_names) + 1
    cut = replace(calibration, temperatures=calibration.temperatures[:first], exits=())
    classifier.recalibrate(cut)
    everything = {part: _calibrated(together(alone[part], read_on), like) for part in PARTS}
    answers = {"read-on": everything, "cut": {part: _cut(everything[part], first) for part in PARTS}}
    classifiers, texts = {"cut": classifier, "read-on": like}, np.concatenate([kept["texts"] for kept in files["test"]])
    rules = {(name, rule): found for name in answers for rule, found in _rules(answers[name]["tuning"]).items()}
    test = everything["test"]
    settings = {key: _setting(*key, answers[key[0]]["test"], rule, test) for key, rule in rules.items()}
    sample = np.sort(np.random.default_rng(options.seed).permutation(len(texts))[: options.timed])
    timed = [key for key in settings if key[1] in ("full depth", *options.time)]
    if options.timed:
        settings |= _timed(classifiers, [str(texts[row]) for row in sample], rules, settings, timed, options.rounds)
    content = {
        "environment": {**environment.describe(), "threads": 1, "seed": options.seed},
        "engine": asdict(classifier.engine),
        "rows": {part: len(rows) for part, rows in everything.items()},
        "timed": len(sample),
        "rounds": options.rounds,
        "max_tokens": {name: one.max_tokens for name, one in classifiers.items()},
        "read_on": asdict(read_on),
        "longer_than_a_window": float((test.ends >= first).mean()),
        "settings": [asdict(one) for one in settings.values()],
    }
    write_json(options.json, content)
    options.json.with_suffix(".md").write_text(table(list(settings.values())), encoding="utf-8")
    print(table(list(settings.values())))


def table(settings: list[Setting]) -> str:
    """As markdown."""
    lines = [
        "| long texts | rule | accuracy | points lost | tokens | computed | on the clock | processor time |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in settings:
        clock = "" if one.speedup is None or one.quartiles is None else f"{one.speedup:.2f}x"
        spread = "" if one.quartiles is None else f" ({one.quartiles[0]:.2f}-{one.quartiles[1]:.2f})"
        processor = "" if one.processor is None else f"{one.processor:.2f}x"
        lines.append(
            f"| {one.reading} | {one.rule} | {one.accuracy:.2%} | {one.lost:+.2f} | {one.tokens:.0f} | "
            f"{one.computed:.2f}x | {clock}{spread} | {processor} |"
        )
    return "\n".join(lines) + "\n"


def _load(options: argparse.Namespace) -> offramp.Classifier:
    return offramp.load(options.model, **asdict(Engine(options.backend, options.precision)), threads=1)


def _joined(like: offramp.Classifier, kept: list[np.lib.npyio.NpzFile]) -> ExitAnswers:
    """The answers of each window by itself, of all files of a part."""
    cascade = like.runner.cascade
    axes = {"logits": 1, "reads": 1}
    columns = {name: np.concatenate([one[name] for one in kept], axis=axes.get(name, 0)) for name in _KEPT}
    stages = np.average([one["costs"] for one in kept], axis=0, weights=[len(one["tokens"]) for one in kept])
    return ExitAnswers(
        **columns,
        temperatures=cascade.temperatures,
        problem=cascade.problem,
        layers=cascade.layers,
        names=cascade.names,
        sources=cascade.sources,
        costs=StageCosts(tuple(stages.tolist()), float(stages.sum())),
    )


def _calibrated(answers: ExitAnswers, classifier: offramp.Classifier) -> ExitAnswers:
    calibration = classifier.calibration
    return replace(answers, temperatures=calibration.temperatures, evidence=calibration.evidence)


def _cut(answers: ExitAnswers, first: int) -> ExitAnswers:
    """What a model that cuts says: the first window; costs are shares of reading everything."""
    assert answers.costs is not None
    assert answers.reads is not None
    return replace(
        answers,
        logits=answers.logits[:first],
        temperatures=answers.temperatures[:first],
        layers=answers.layers[:first],
        names=answers.names[:first],
        sources=answers.sources[:first],
        reads=answers.reads[:first],
        costs=replace(answers.costs, stages=answers.costs.stages[:first]),
    )


def _rules(tuning: ExitAnswers) -> dict[str, ExitRule]:
    """Full depth, and the fastest that keep to a limit on the tuning rows."""
    found: dict[str, ExitRule] = {"full depth": Threshold(1.01, Confidence(tuning.problem))}
    for told, limit in GOALS.items():
        goal = AtMost((limit,), Method.EMPIRICAL, 0.95)
        for criterion in ("confidence", "gate"):
            choice = select(goal, criterion, tuning, 0).choice
            if isinstance(choice, Chosen):
                found[f"{criterion}, {told}"] = choice.rule
    return found


def _setting(name: str, rule: str, answers: ExitAnswers, chosen: ExitRule, everything: ExitAnswers) -> Setting:
    taken, whole = answers.replay(chosen), float(everything.right(everything.full).mean())
    accuracy = float(answers.right(taken.probabilities).mean())
    left = np.bincount([window_of(answers.names[exit_index]) or 1 for exit_index in taken.exits.tolist()])[1:]
    return Setting(
        reading=name,
        rule=rule,
        accuracy=accuracy,
        lost=100 * (whole - accuracy),
        tokens=float(answers.tokens_read(taken.exits).mean()),
        computed=1 / answers.cost(taken.exits),
        windows=tuple((left / len(answers)).tolist()),
    )


def _timed(
    classifiers: dict[str, offramp.Classifier],
    texts: list[str],
    rules: dict[tuple[str, str], ExitRule],
    settings: dict[tuple[str, str], Setting],
    keys: list[tuple[str, str]],
    rounds: int,
) -> dict[tuple[str, str], Setting]:
    processor: dict[tuple[str, str], list[float]] = {key: [] for key in keys}
    actions: dict[tuple[str, str], Callable[[], object]] = {}
    for key in keys:
        classifier = classifiers[key[0]]
        whole = key[1] == "full depth"
        actions[key] = (
            partial(classifier.predict_full, texts) if whole else partial(classifier.predict, texts, rule=rules[key])
        )

    def act(key: tuple[str, str]) -> None:
        began = time.process_time()
        actions[key]()
        processor[key].append(time.process_time() - began)

    seconds = interleave({key: partial(act, key) for key in keys}, rounds)
    everything, found = ("read-on", "full depth"), {}
    for key in keys:
        faster = ratio(seconds[everything], seconds[key])
        spent = np.array(processor[everything][1:]), np.array(processor[key][1:])
        found[key] = replace(
            settings[key],
            speedup=faster.median,
            quartiles=(faster.low, faster.high),
            processor=ratio(*spent).median,
        )
    return found


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--seed", type=int, default=0)
    steps = parser.add_subparsers(required=True)
    answering = steps.add_parser("answers")
    answering.add_argument("model", type=Path)
    answering.add_argument("part", choices=PARTS)
    answering.add_argument("data")
    answering.add_argument("work", type=Path)
    answering.add_argument("--rows", type=int, help="so many, at random")
    answering.add_argument("--skip", type=int, default=0, help="of the rows in that order, those of another process")
    answering.add_argument("--windows", type=int, default=6)
    answering.add_argument("--overlap", type=int, default=32)
    answering.set_defaults(step=keep_answers)
    measuring = steps.add_parser("measure")
    measuring.add_argument("model", type=Path)
    measuring.add_argument("work", type=Path)
    measuring.add_argument("json", type=Path)
    measuring.add_argument("--timed", type=int, default=400, help="texts that are timed, 0 for none")
    measuring.add_argument(
        "--time", nargs="*", default=("confidence, at most 1 % changed",), help="rules that are timed"
    )
    measuring.add_argument("--rounds", type=int, default=5)
    measuring.set_defaults(step=measure)
    options = parser.parse_args()
    options.step(options)


if __name__ == "__main__":
    main()
