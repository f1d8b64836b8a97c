"""Measures speed against the alternatives a user has: the ``bench`` verb."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from offramp import environment
from offramp.backends import AUTO, REFERENCE, Engine, Runtime
from offramp.benchmark.baseline import Baseline, check_comparable
from offramp.benchmark.contenders import Contender, Kind, engines_of, entries
from offramp.benchmark.doubts import doubts_of
from offramp.benchmark.measuring import REPEATS, Task
from offramp.benchmark.options import EVERYTHING, Contenders, Options
from offramp.benchmark.quality import Judge
from offramp.benchmark.result import SCHEMA, Benchmark, BenchmarkRow, rows_of
from offramp.benchmark.running import open_engine
from offramp.benchmark.worker import measure_apart
from offramp.data import Columns, Data, LabeledTexts, Texts, read_any, uses_of
from offramp.data.wording import count
from offramp.engine import Tuning, check_model, check_rows, save_tunings, targets_of
from offramp.engine.choosing import check_engine, default_threshold_of, model_folder, processor_of
from offramp.engine.exports import read_calibration
from offramp.engine.reads import tokens_of
from offramp.errors import OptionError
from offramp.evaluation import Request, representative_rows
from offramp.files import check_folder_writable
from offramp.policy import Confidence, ExitAnswers, OperatingPoints, Threshold, read_operating_points
from offramp.progress import OnProgress, unheard

if TYPE_CHECKING:
    from offramp.engine import Classifier

SECONDS = 300.0

# Shares of the time that the number of rows is chosen for in each scenario; the rest is a reserve.
_OFFLINE_SHARE, _SINGLE_SHARE = 0.6, 0.15
_LEAST_OFFLINE, _LEAST_SINGLE = 4, 1


@dataclass(frozen=True, slots=True, eq=False)
class _Data:
    """Texts, their labels as the model's indices if they have any, and the share used before, by use."""

    rows: Request
    targets: NDArray[Any] | None
    source: str
    fingerprint: str
    tokens: NDArray[np.int64]
    used_before: dict[str, float]


def bench(
    model: "str | Path | Classifier",
    data: Data,
    *,
    columns: Columns | None = None,
    contenders: Contenders = EVERYTHING,
    seconds: float = SECONDS,
    seed: int = 0,
    autotune: bool = False,
    baseline: Baseline | None = None,
    on_progress: OnProgress = unheard,
) -> Benchmark:
    """Measures throughput, latency and accuracy of early exit and of its rivals.

    The rivals are ``transformers.pipeline`` as people use it, and, in every backend and precision of the folder, the
    network at full depth and cut off at each exit. All of them run in turn on the same rows, whose mean cost is that of
    all rows; each number of threads gets its own process.

    Args:
        model: a model folder, or a classifier that was loaded from one.
        data: texts, as a source or in memory; see :func:`offramp.data.read_rows`.
        columns: names of the columns. Without labels, everything but accuracy is measured.
        contenders: which configurations to compare.
        seconds: the time for all timed runs together; it decides the number of rows, and if it runs short there are
            fewer rounds, at least one. Loading is not included, and neither is accuracy: one pass over all rows in each
            backend and precision.
        seed: of the choice of rows.
        autotune: write the best token budgets of early exit at the first setting into the model folder, for
            :func:`offramp.load`, unless the result is too rough (``doubts``). Give it enough ``seconds``: with few
            rows, all large budgets make the same single batch.
        baseline: an earlier benchmark from :func:`offramp.benchmark.read_baseline`; the same number of rows is timed.
            :func:`offramp.benchmark.check` compares the two.
        on_progress: called with the current step, the parts done and their number.

    Raises:
        DataError: the data cannot be read or do not fit the model.
        ModelFolderError: the folder is damaged or not an offramp model.
        OptionError: an option is out of range, the baseline has another machine, model, data or options, or the
            classifier has no folder.
        OfframpError: a measuring process died.

    Example::

        benchmark = offramp.bench("model", "test.csv", seconds=60)
        for row in benchmark.rows:
            print(row.name, row.threads, row.accuracy, row.offline.texts_per_second.median)
    """
    folder = model_folder(model, "bench")
    known = check_model(folder, Runtime(**asdict(REFERENCE)))
    options = Options.of(contenders, seconds, seed, default_threshold_of(read_calibration(folder, REFERENCE)))
    if autotune and len(options.token_budgets) == 1:
        raise OptionError(f"there is only one token budget, {options.token_budgets[0]}; give several, or none")
    if autotune:
        check_folder_writable(folder)
    _check_names(folder, contenders)
    source = read_any(data, columns or Columns())
    check_rows(known, source)
    on_progress("loading the model", 0, None)
    engines = engines_of(folder, contenders.backends, contenders.precisions)
    named = _rules_of_points(read_operating_points(folder), engines, options.points)
    reference = open_engine(folder, REFERENCE)
    texts = _encoded(folder, source, reference)
    rules = [Threshold(threshold, Confidence(reference.problem)) for threshold in options.thresholds]
    entered = entries(engines, reference.exit_names, rules, named)
    described = _describe(folder, reference, texts, options)
    if baseline is not None:
        names = [contender.name for contender in entered]
        check_comparable(baseline, described, set(product(names, options.threads)))
    judge = _judge(folder, entered, reference, texts, on_progress)
    samples = _samples(judge, texts, entered, options, baseline)
    rows = _measure(folder, judge, texts, entered, samples, options, on_progress)
    doubts = doubts_of(rows, len(samples.offline), len(texts.tokens), len(options.token_budgets))
    if autotune and not doubts:
        save_tunings(folder, _tunings(rows))
    rounds = min(len(row.offline.texts_per_second.rounds) for row in rows)
    described["data"] |= {"timed_rows": len(samples.offline), "single_rows": len(samples.single), "repeats": rounds}
    return Benchmark(schema=SCHEMA, **described, rows=tuple(rows), doubts=doubts)


def _rules_of_points(
    stored: OperatingPoints, engines: Sequence[Engine], names: Sequence[str]
) -> dict[Engine, dict[str, Threshold]]:
    """The rules of operating points in the engines that have them."""
    tuned = {engine: stored.of(engine) for engine in engines}
    for name in names:
        if not any(name in points for points in tuned.values()):
            known = ", ".join(sorted({name for points in tuned.values() for name in points})) or "none"
            raise OptionError(
                f"there is no operating point {name!r} for {', '.join(map(str, engines))}; the model has {known}"
            )
    return {engine: {name: points[name].rule for name in names if name in points} for engine, points in tuned.items()}


def _check_names(folder: Path, contenders: Contenders) -> None:
    """Refuses backends, precisions and operating points that the folder does not have on any machine."""
    for backend in contenders.backends:
        check_engine(backend, AUTO, None)
    for precision in contenders.precisions:
        check_engine(AUTO, precision, None)
    stored = read_operating_points(folder)
    for name in contenders.points:
        if not stored.named(name):
            known = ", ".join(sorted({point.name for point in stored.points})) or "none"
            raise OptionError(f"there is no operating point {name!r} for {folder}; the model has {known}")


def _encoded(folder: Path, rows: LabeledTexts | Texts, reference: "Classifier") -> _Data:
    targets = targets_of(reference, rows) if isinstance(rows, LabeledTexts) else None
    lengths = tokens_of(reference.runner.cascade, rows.texts, rows.text_pairs)
    request, used_before = Request(rows.texts, rows.text_pairs), uses_of(folder, rows)
    return _Data(request, targets, rows.source, rows.fingerprint, lengths, used_before)


def _describe(folder: Path, reference: "Classifier", texts: _Data, options: Options) -> dict[str, dict[str, Any]]:
    return {
        "environment": environment.describe(),
        "model": {
            "folder": str(folder),
            "fingerprint": reference.fingerprint,
            "backbone": reference.runner.cascade.backbone,
            "exits": list(reference.exits),
            "labels": len(reference.labels),
            "problem_type": str(reference.problem.type),
            "max_tokens": reference.max_tokens,
        },
        "data": {
            "source": texts.source,
            "rows": len(texts.tokens),
            "fingerprint": texts.fingerprint,
            "labeled": texts.targets is not None,
            "mean_tokens": float(texts.tokens.mean()),
            "used_before": texts.used_before,
        },
        "options": asdict(options),
    }


def _judge(
    folder: Path,
    entered: Sequence[Contender],
    reference: "Classifier",
    texts: _Data,
    on_progress: OnProgress,
) -> Judge:
    answers: dict[Engine, ExitAnswers] = {}
    needed = list(dict.fromkeys((REFERENCE, *(contender.engine for contender in entered))))
    for number, engine in enumerate(needed):
        on_progress(f"all exits, {engine}", number, len(needed))
        classifier = reference if engine == REFERENCE else open_engine(folder, engine)
        for contender in entered:
            if contender.engine == engine and contender.at is not None:
                classifier.operating_point(contender.at)  # raises if it is out of date
        unlabeled = classifier.exit_answers(texts.rows.texts, texts.rows.text_pairs)
        answers[engine] = replace(unlabeled, targets=texts.targets)
    return Judge(answers)


@dataclass(frozen=True, slots=True, eq=False)
class _Samples:
    """The rows of both scenarios, as indices."""

    offline: NDArray[np.int64]
    single: NDArray[np.int64]


def _samples(
    judge: Judge, texts: _Data, entered: Sequence[Contender], options: Options, past: Baseline | None
) -> _Samples:
    """Chooses as many rows as time allows, or as many as the baseline has."""
    sizes = _sizes(judge, texts, entered, options) if past is None else (past.timed_rows, past.single_rows)
    rules = dict.fromkeys(contender.rule for contender in entered if contender.rule is not None)
    replays = [judge.reference.replay(rule) for rule in rules]
    offline, single = (
        representative_rows(replays, texts.tokens, min(size, len(texts.tokens)), options.seed) for size in sizes
    )
    return _Samples(offline, single)


def _sizes(judge: Judge, texts: _Data, entered: Sequence[Contender], options: Options) -> tuple[int, int]:
    """The number of rows that time allows in each scenario."""
    slowdown = sum(map(_slowdown, options.threads))
    rounds = REPEATS + 1
    # Usually four token budgets are tried, twice each; and each round measures the stages beside a pass at full depth.
    tries = {Kind.FULL: 8 + 1.2 * rounds, Kind.EARLY_EXIT: 8}
    each = [judge.seconds_per_text(contender) for contender in entered]
    offline = slowdown * sum(
        seconds * (rounds + tries.get(contender.kind, 0)) for seconds, contender in zip(each, entered, strict=True)
    )
    single = slowdown * sum(each) * rounds
    rows = len(texts.tokens)
    return (
        int(np.clip(options.seconds * _OFFLINE_SHARE / offline, min(_LEAST_OFFLINE, rows), rows)),
        int(np.clip(options.seconds * _SINGLE_SHARE / single, min(_LEAST_SINGLE, rows), rows)),
    )


def _slowdown(threads: int) -> float:
    """How many times longer runs may take than the pass over all rows, which used all of PyTorch's threads."""
    import torch

    return max(1.0, torch.get_num_threads() / threads)


def _measure(
    folder: Path,
    judge: Judge,
    texts: _Data,
    entered: Sequence[Contender],
    samples: _Samples,
    options: Options,
    on_progress: OnProgress,
) -> list[BenchmarkRow]:
    qualities = {contender: judge.quality(contender) for contender in entered}
    rows = []
    for threads in options.threads:

        def tell(what: str, done: int, total: int | None, threads: int = threads) -> None:
            on_progress(f"{what}, {count(threads, 'thread')}", done, total)

        task = Task(
            model=str(folder),
            contenders=tuple(entered),
            threads=threads,
            token_budgets=options.token_budgets,
            offline=texts.rows.subset(samples.offline),
            single=texts.rows.subset(samples.single),
            seconds=options.seconds * _slowdown(threads) / sum(map(_slowdown, options.threads)),
        )
        timings = dict(zip(entered, measure_apart(task, tell), strict=True))
        rows += rows_of(timings, qualities, threads, texts.tokens[samples.offline])
    return rows


def _tunings(rows: Sequence[BenchmarkRow]) -> list[Tuning]:
    """The budgets of early exit at each engine's first setting."""
    first: dict[tuple[Engine, int], BenchmarkRow] = {}
    for row in rows:
        if row.kind is Kind.EARLY_EXIT:
            first.setdefault((row.engine, row.threads), row)
    return [
        Tuning(
            processor=processor_of(row.engine),
            engine=row.engine,
            threads=row.threads,
            token_budget=row.offline.token_budget,
        )
        for row in first.values()
        if row.offline.token_budget is not None
    ]
