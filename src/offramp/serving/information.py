"""What a server tells of itself: as JSON, and as gauges."""

import math
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from itertools import accumulate

from offramp.policy import Promise, rule_in_words
from offramp.serving.core import Core
from offramp.serving.costs import Costs
from offramp.serving.metrics import Metrics
from offramp.serving.operating import Mode
from offramp.serving.schemas import DriftInfo, Info, PointInfo, PromiseInfo
from offramp.serving.service import Service

_LIMITS = ("timeout_ms", "max_queue", "max_queue_ms", "max_texts", "max_characters", "max_body_bytes")


def information(service: Service) -> Info:
    """What is served, and how."""
    core, classifier = service.core, service.core.classifier
    drift, recent = core.desk.auditor.drift, core.desk.auditor.drift.recent()
    points = classifier.points.of(classifier.engine).values()
    return Info(
        model=service.name,
        fingerprint=classifier.fingerprint,
        version=version("offramp"),
        **asdict(classifier.engine),
        labels=list(classifier.labels),
        problem=str(classifier.problem),
        text_pairs=classifier.takes_pairs,
        exits=list(classifier.exits),
        exit_names=list(classifier.exit_names),
        costs=_shares(core.desk.costs, len(classifier.exits), service.settings.step_ms / 1000),
        point=core.desk.in_force.point.name,
        rule=core.desk.in_force.point.words,
        mode=str(core.desk.in_force.mode),
        points=[
            PointInfo(
                name=point.name,
                rule=rule_in_words(point.rule),
                promises=[_promise(promise) for promise in point.promises],
                disagreement=point.seen.disagreement,
                handed_over=point.seen.handed_over,
                accuracy=point.seen.accuracy,
                speedup=point.seen.speedup,
            )
            for point in points
            if point.model == classifier.fingerprint
        ],
        max_tokens=classifier.tokenizer.model_max_length,
        limits={name: getattr(service.settings, name) for name in _LIMITS},
        drift=DriftInfo(
            audits=drift.audits,
            disagreement=None if math.isnan(recent.value) else recent.value,
            low=recent.low,
            high=recent.high,
            expected=drift.expected,
            alarm=drift.alarm,
            log_evidence=drift.log_evidence,
            log_needed=drift.log_needed,
        ),
    )


def _promise(promise: Promise) -> PromiseInfo:
    limit = promise.limit
    return PromiseInfo(
        risk=str(limit.risk),
        target=limit.stated(limit.target),
        label=limit.label,
        exit=limit.exit,
        reference=limit.reference,
        confidence=promise.confidence,
    )


def started_in_words(service: Service, threads: int) -> str:
    """What is served, and how, on one line; ``threads`` are the processor threads of each thread that computes."""
    classifier, point = service.core.classifier, service.core.desk.in_force.point
    return (
        f"model {service.name} ({classifier.fingerprint}), point {point.name} ({point.words}), "
        f"backend {classifier.engine}, "
        f"{service.settings.compute_threads} compute threads of {threads} processor threads, "
        f"offramp {version('offramp')}"
    )


def _shares(costs: Costs, stages: int, step: float) -> list[float]:
    """What a token costs up to the end of each stage, as a share of all, in batches that take so many seconds."""
    until = list(accumulate(costs.rate(stage, step) for stage in range(stages)))
    return [seconds / until[-1] for seconds in until]


def add_gauges(metrics: Metrics, name: str, core: Core) -> None:
    """Shows the state of a core, and what model it serves under which name, among its metrics."""

    def drift(value: Callable[[], float | None]) -> Callable[[], float]:
        return lambda: math.nan if (number := value()) is None else float(number)

    auditor, classifier = core.desk.auditor, core.classifier
    metrics.describe(
        "model",
        "What is served.",
        {
            "name": name,
            "fingerprint": classifier.fingerprint,
            **asdict(classifier.engine),
            "point": core.desk.in_force.point.name,
            "version": version("offramp"),
        },
    )
    metrics.gauge("queue_depth", "Texts that wait to be begun.", lambda: core.look().depth)
    metrics.gauge("queue_age_seconds", "How long the next text has waited to be begun.", lambda: core.look().age)
    metrics.gauge("texts_in_server", "Texts that wait or run.", lambda: core.texts)
    metrics.gauge("audits_waiting", "Texts that wait to be compared with full depth.", lambda: core.look().audits)
    metrics.gauge("audits", "Texts compared with full depth.", lambda: auditor.drift.audits)
    metrics.gauge("audits_skipped", "Texts drawn, but not compared for want of idle time.", lambda: auditor.skipped)
    metrics.gauge(
        "mean_confidence", "Of the last thousand texts at the ordinary operating point.", auditor.mean_confidence
    )
    metrics.gauge(
        "disagreement",
        "Share of audited texts whose answer differs from full depth; the last thousand.",
        lambda: auditor.drift.recent().value,
    )
    metrics.gauge("disagreement_low", "Lower end of its 95 % interval.", lambda: auditor.drift.recent().low)
    metrics.gauge("disagreement_high", "Upper end of its 95 % interval.", lambda: auditor.drift.recent().high)
    metrics.gauge("disagreement_expected", "What it may be.", drift(lambda: auditor.drift.expected))
    metrics.gauge("drift_evidence", "Log of the evidence for drift.", lambda: auditor.drift.log_evidence)
    metrics.gauge("drift_evidence_needed", "Where the alarm is raised.", lambda: auditor.drift.log_needed)
    metrics.gauge("drift_alarm", "1 after a drift alarm.", lambda: float(auditor.drift.alarm))
    metrics.gauges(
        "mode",
        "1 for the mode in force.",
        "mode",
        {mode: partial(_is_mode, core, mode) for mode in Mode},
    )
    metrics.gauge("threshold", "The threshold in force.", partial(_threshold, core))
    tuned = core.desk.in_force.point.tuned
    if tuned is not None:
        shares = zip(core.classifier.exit_names, tuned.seen.exits, strict=True)
        metrics.gauges(
            "expected_exit_share",
            "Share of calibration texts that left after an exit.",
            "exit",
            {name: partial(float, share) for name, share in shares},
        )
        handed_over = tuned.seen.handed_over
        metrics.gauge("expected_handed_over", "Share of calibration texts that were handed over.", lambda: handed_over)
        if tuned.seen.accuracy is not None:
            accuracy = tuned.seen.accuracy
            metrics.gauge(
                "expected_confidence",
                "Accuracy on the calibration texts: what mean confidence was there.",
                lambda: accuracy,
            )


def _is_mode(core: Core, mode: Mode) -> float:
    return float(core.desk.in_force.mode is mode)


def _threshold(core: Core) -> float:
    return float(getattr(core.desk.in_force.point.rule, "threshold", math.nan))
