"""Searches for thresholds side by side: what a threshold that was chosen on some rows comes to on others.

python -m benchmarks.search --output FOLDER [--data DATA --work WORK --r8 MODEL] [--draws 200] [--only NAME ...]

Exits are those of kept answers (``results/paper/answers``), with a model of words before them and perhaps a second
encoder after them. From all dev and test rows of a data set some are drawn again and again; a search chooses on
these, and the others show what its choice loses and how fast it is. What the words say is fitted to the
training rows once, with DATA (NAME/{train,dev,test}.jsonl.gz) and for R8 the model that ``make demo`` leaves, and kept
in ``results/search/answers``.

Costs: 6 layers take 1, 12 layers 8, words 1/150, and the tokenizer of each encoder 0.03 of that; every text the same.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.paper.place import Place
from benchmarks.paper.plan import DATA_SETS, Plan
from benchmarks.paper.preparing import prepare
from benchmarks.searching import SEARCHES, SURE, Cached, Goal
from offramp import environment
from offramp.calibration import Problem, fit_calibration
from offramp.data import LabeledTexts
from offramp.exit_names import WORDS as WORDS_NAME
from offramp.exit_names import layer_name, layer_of, names_in_chain
from offramp.policy import ExitAnswers, Risk, StageCosts

ANSWERS = Path(__file__).parent / "results/paper/answers"
KEPT = Path(__file__).parent / "results/search/answers"
COSTS = {"minilm": 1.0, "mpnet": 8.0}
WORDS, TOKENIZER = 1 / 150, 0.03
CERTIFYING_ROWS = 1000
GOALS = (
    Goal(Risk.ACCURACY_DROP, 0.005),
    Goal(Risk.ACCURACY_DROP, 0.01),
    Goal(Risk.DISAGREEMENT, 0.01),
    Goal(Risk.DISAGREEMENT, 0.02),
    Goal(Risk.DISAGREEMENT, 0.05),
)
ATTACHED, JOINT = "attach+model", "joint+distill=1+tuned"
METHODS = {"ag_news": ATTACHED, "sst2": ATTACHED, "imdb": JOINT, "snli": JOINT}
SETS = (
    *(f"{data} {exits}" for data in ("ag_news", "snli") for exits in ("6", "words+6", "words+6+12")),
    *(f"{data} {exits}" for data in ("sst2", "imdb", "r8") for exits in ("6", "words+6")),
)


CERTIFIABLE = ("ag_news words+6", "r8 words+6", "ag_news 6", "r8 6")
CERTIFIED = ("one threshold", "gate, fitted to a quarter")


@dataclass(frozen=True)
class Line:
    """What a search comes to: means over draws; losses are shares, ``speedup`` is a geometric mean."""

    exits: str
    rows: int
    risk: str
    allowed: float
    sure: bool
    search: str
    speedup: float
    excess: float
    exceeded: float
    seconds: float


def main(options: Any) -> None:
    """Draws, searches and writes ``search.json`` and ``search.md``."""
    options.output.mkdir(parents=True, exist_ok=True)
    if options.data is not None:
        keep_words(options.data, options.work)
    if options.r8 is not None:
        keep_r8(options.r8)
    if options.certify:
        certified: list[Line] = []
        for name in [one for one in CERTIFIABLE if not options.only or one in options.only]:
            certified += certify_all(name, answers_of(name), options.draws)
            print(name, flush=True)
            write(certified, options, "certified")
        return
    lines: list[Line] = []
    for name in [one for one in SETS if not options.only or one in options.only]:
        started = time.perf_counter()
        for size in options.rows:
            lines += search_all(name, answers_of(name), size, options.draws)
        print(f"{name}: {time.perf_counter() - started:.0f} s", flush=True)
        write(lines, options, "search")


def search_all(name: str, rows: ExitAnswers, size: int, draws: int) -> list[Line]:
    """Every search for every goal on calibration sets of a size."""
    found: dict[tuple[bool, Goal, str], list[tuple[float, float, float]]] = defaultdict(list)
    everything = Cached.of(rows)
    for chosen, held_out in drawn(len(rows), size, draws):
        here = everything.subset(chosen)
        for sure, searches in ((False, SEARCHES), (True, SURE)):
            for goal in GOALS:
                for search, choose in searches.items():
                    started = time.perf_counter()
                    choice = choose(here, goal)
                    seconds = time.perf_counter() - started
                    speedup, loss = everything.outcome(choice, goal.risk, held_out)
                    found[sure, goal, search].append((speedup, loss - goal.allowed, seconds))
    return [
        _line(name, size, goal, sure, search, outcomes, float(np.mean([one[2] for one in outcomes])))
        for (sure, goal, search), outcomes in found.items()
    ]


def certify_all(name: str, rows: ExitAnswers, draws: int) -> list[Line]:
    """Searches with a guarantee on rows drawn with replacement: the risk on all rows is then the true one."""
    found: dict[tuple[Goal, str], list[tuple[float, float]]] = defaultdict(list)
    everything, population = Cached.of(rows), np.arange(len(rows))
    for seed in range(draws):
        here = everything.subset(np.random.default_rng(seed).integers(0, len(rows), CERTIFYING_ROWS))
        for goal in GOALS[1:]:
            for search in CERTIFIED:
                speedup, loss = everything.outcome(SURE[search](here, goal), goal.risk, population)
                found[goal, search].append((speedup, loss - goal.allowed))
    return [
        _line(name, CERTIFYING_ROWS, goal, True, search, outcomes, 0.0) for (goal, search), outcomes in found.items()
    ]


def _line(
    name: str, size: int, goal: Goal, sure: bool, search: str, outcomes: Sequence[Sequence[float]], seconds: float
) -> Line:
    """What a search came to over all draws, of which each gave a speed-up and by how much the loss was exceeded."""
    speedups, excesses = (np.array([one[part] for one in outcomes]) for part in (0, 1))
    return Line(
        name,
        size,
        str(goal.risk),
        goal.allowed,
        sure,
        search,
        speedup=float(np.exp(np.mean(np.log(speedups)))),
        excess=float(np.mean(excesses)),
        exceeded=float(np.mean(excesses > 1e-12)),
        seconds=seconds,
    )


def drawn(rows: int, size: int, draws: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows to choose on, and the others."""
    for seed in range(draws):
        order = np.random.default_rng(seed).permutation(rows)
        yield order[:size], order[size:]


def answers_of(name: str) -> ExitAnswers:
    """The answers of all exits on dev and test rows; costs are those at the top."""
    data, exits = name.split()
    if data == "r8":
        return _r8(words="words" in exits)
    encoders = ["minilm", *(["mpnet"] if "12" in exits else [])]
    parts = [_encoder(data, encoder) for encoder in encoders]
    targets = parts[0].targets
    assert targets is not None
    if "words" in exits:
        cached = np.load(KEPT / f"{data}-words.npz")
        parts.insert(0, _words(cached["logits"], cached["targets"], int(cached["dev_rows"])))
    assert all(np.array_equal(part.truth, targets) for part in parts)
    return joined(parts)


def joined(parts: list[ExitAnswers]) -> ExitAnswers:
    """The exits of several members of a cascade on the same rows."""
    stages = tuple(cost for part in parts for cost in part.costs.stages)
    return ExitAnswers(
        logits=np.concatenate([part.logits for part in parts]),
        temperatures=tuple(temperature for part in parts for temperature in part.temperatures),
        problem=parts[0].problem,
        targets=parts[0].targets,
        tokens=np.ones(len(parts[0]), np.int64),
        truncated=parts[0].truncated,
        layers=tuple(layer for part in parts for layer in part.layers),
        names=names_in_chain(_by_model(parts)),
        costs=StageCosts(stages, parts[-1].costs.full),
    )


def _by_model(parts: list[ExitAnswers]) -> list[list[str]]:
    """Names of exits by model: words are a stage of the encoder that follows, and two encoders a chain."""
    models: list[list[str]] = [[]]
    for part in parts:
        if any(layer_of(name) is not None for name in models[-1]):
            models.append([])
        models[-1] += part.names
    return models


def _encoder(data: str, encoder: str) -> ExitAnswers:
    (file,) = ANSWERS.glob(f"{data}-{encoder}-{METHODS[data]}-0-*.npz")
    cached = np.load(file)
    both = {part: np.concatenate([cached[f"dev_{part}"], cached[f"test_{part}"]]) for part in ("targets", "truncated")}
    logits = np.concatenate([cached["dev_logits"], cached["test_logits"]], axis=1).astype(np.float32)
    return _exits(logits, tuple(cached["temperatures"].tolist()), both["targets"], cached["layers"], COSTS[encoder])


def _exits(
    logits: np.ndarray, temperatures: tuple[float, ...], targets: np.ndarray, layers: np.ndarray, full: float
) -> ExitAnswers:
    stages = np.diff(layers, prepend=0) * ((full - TOKENIZER) / max(1, layers[-1]))
    stages[0] += TOKENIZER
    return _made(logits, temperatures, targets, layers, StageCosts(tuple(stages.tolist()), full))


def _words(logits: np.ndarray, targets: np.ndarray, dev_rows: int) -> ExitAnswers:
    """What words say, with the temperature that the dev rows ask for."""
    exits, problem = logits[None].astype(np.float32), Problem.SINGLE_LABEL
    dev = targets[:dev_rows].astype(np.int64)
    temperatures = fit_calibration(exits[:, :dev_rows], dev, problem, (0,), "", None, ("words",)).temperatures
    return _made(exits, temperatures, targets, np.zeros(1, np.int64), StageCosts((WORDS,), WORDS))


def _made(
    logits: np.ndarray, temperatures: tuple[float, ...], targets: np.ndarray, layers: np.ndarray, costs: StageCosts
) -> ExitAnswers:
    number = len(targets)
    names = tuple(layer_name(number) if number else WORDS_NAME for number in layers.tolist())
    targets = targets.astype(np.int64)
    return ExitAnswers(
        logits, temperatures, Problem.SINGLE_LABEL, targets, np.ones(number, np.int64), np.zeros(number, np.bool_),
        tuple(layers.tolist()), names, costs=costs,
    )  # fmt: skip


def _r8(*, words: bool) -> ExitAnswers:
    cached = np.load(KEPT / "r8-minilm.npz")
    temperatures = tuple(cached["temperatures"].tolist())
    encoder = _exits(cached["logits"].astype(np.float32), temperatures, cached["targets"], cached["layers"], 1.0)
    if not words:
        return joined([encoder])
    return joined([_words(cached["words"], cached["targets"], int(cached["dev_rows"])), encoder])


def keep_words(data: Path, work: Path) -> None:
    """Fits a model of words to the training rows of each data set, and keeps what it says of the others."""
    place = Place(Plan(DATA_SETS, {}, ()), work, ANSWERS.parent, data, {})
    for name in METHODS:
        prepare(place, DATA_SETS[name])
        train, dev, test = (place.rows(name, part) for part in ("train", "dev", "test"))
        said = _said_by_words(train, [dev, test], sorted(set(train.labels)))
        np.savez_compressed(KEPT / f"{name}-words.npz", dev_rows=len(dev), **said)


def keep_r8(model: Path) -> None:
    """Keeps what all exits of a model say of the rows beside it that it was not trained on, and words with it."""
    import offramp
    from offramp.data import Columns, read_labeled
    from offramp.engine import answers_of as run_all_exits

    classifier = offramp.load(model)
    train, *parts = (
        read_labeled(str(model.parent / f"r8-{part}.csv"), Columns()) for part in ("train", "tune", "test")
    )
    answers = [run_all_exits(classifier, part) for part in parts]
    said = _said_by_words(train, parts, list(classifier.labels))
    np.savez_compressed(
        KEPT / "r8-minilm.npz",
        logits=np.concatenate([one.logits for one in answers], axis=1).astype(np.float16),
        words=said["logits"],
        targets=said["targets"],
        layers=np.array(answers[0].layers),
        temperatures=np.array(answers[0].temperatures),
        dev_rows=len(parts[0]),
    )


def _said_by_words(train: LabeledTexts, parts: list[LabeledTexts], labels: list[str]) -> dict[str, np.ndarray]:
    from offramp.words import fit

    numbers = {label: number for number, label in enumerate(labels)}
    targets = np.array([numbers[label] for label in train.labels])
    words = fit(train.texts, targets, labels=labels, problem=Problem.SINGLE_LABEL, text_pairs=train.text_pairs)
    return {
        "logits": np.concatenate([words.logits(part.texts, part.text_pairs) for part in parts]).astype(np.float16),
        "targets": np.array([numbers[label] for part in parts for label in part.labels], np.uint8),
    }


def write(lines: list[Line], options: Any, stem: str) -> None:
    """The figures as JSON, and tables of them."""
    content = {
        "environment": environment.describe(),
        "draws": options.draws,
        "costs": {**COSTS, "words": WORDS, "tokenizer": TOKENIZER},
        "lines": [asdict(line) for line in lines],
    }
    (options.output / f"{stem}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    (options.output / f"{stem}.md").write_text(tables(lines, options.draws), encoding="utf-8")


def tables(lines: list[Line], draws: int) -> str:
    """A table for each set of exits and number of rows."""
    parts = []
    for sure, title in ((False, "without a guarantee"), (True, "with 95 % confidence")):
        for exits, rows in dict.fromkeys((line.exits, line.rows) for line in lines if line.sure == sure):
            here = [line for line in lines if (line.exits, line.rows, line.sure) == (exits, rows, sure)]
            parts.append(f"\n{exits}, {rows:,} rows, {title}\n\n{_table(here)}")
    legend = (
        f"Means over {draws} draws: speed-up on the rows held out; in brackets by how many points the loss there "
        "exceeds what was allowed, and in what share of draws it does.\n"
    )
    return legend + "".join(parts)


def _table(lines: list[Line]) -> str:
    goals = list(dict.fromkeys((line.risk, line.allowed) for line in lines))
    at = {(line.search, line.risk, line.allowed): line for line in lines}
    rows = ["| search | " + " | ".join(f"{risk} {100 * allowed:g} %" for risk, allowed in goals) + " |"]
    rows.append("|---" * (1 + len(goals)) + "|")
    for search in dict.fromkeys(line.search for line in lines):
        cells = [_cell(at[search, *goal]) for goal in goals]
        rows.append(f"| {search} | " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def _cell(line: Line) -> str:
    return f"{line.speedup:.2f}x ({100 * line.excess:+.2f}, {line.exceeded:.0%})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder to write to")
    parser.add_argument("--data", type=Path, help="folder of data sets, to fit words anew")
    parser.add_argument("--work", type=Path, help="folder for rows as they are used, with --data")
    parser.add_argument("--r8", type=Path, help="model folder beside the rows of R8, to run it anew")
    parser.add_argument("--rows", type=int, nargs="+", default=[1000], help="how many to choose on")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--certify", action="store_true", help="only check guarantees, on rows drawn with replacement")
    parser.add_argument("--only", nargs="*", help="sets of exits, such as 'ag_news words+6'")
    main(parser.parse_args())
