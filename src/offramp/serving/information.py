"""What a server tells of itself: as JSON, and as gauges."""

import math
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from itertools import accumulate

from offramp.drift import PROMISE_AT_RISK, TEXTS_HAVE_CHANGED, Alarm, Figures, Share, standing
from offramp.policy import Promise, rule_in_words
from offramp.serving.core import Core
from offramp.serving.costs import Costs
from offramp.serving.metrics import Metrics
from offramp.serving.operating import Mode
from offramp.serving.schemas import AuditInfo, ChangeInfo, DetectorInfo, DriftInfo, Info, PointInfo, PromiseInfo
from offramp.serving.service import Service

_LIMITS = ("timeout_ms", "max_queue", "max_queue_ms", "max_texts", "max_characters", "max_body_bytes")


def information(service: Service) -> Info:
    """What is served, and how."""
    core, classifier = service.core, service.core.classifier
    points = classifier.points.of(classifier.engine).values()
    return Info(
        model=service.name,
        fingerprint=classifier.fingerprint,
        version=version("offramp"),
        **asdict(classifier.engine),
        labels=list(classifier.labels),
        problem=str(classifier.problem.type),
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
                rule=rule_in_words(point.rule, classifier.labels),
                promises=[_promise(promise) for promise in point.promises],
                disagreement=point.seen.disagreement,
                handed_over=point.seen.handed_over,
                accuracy=point.seen.accuracy,
                speedup=point.seen.speedup,
            )
            for point in points
            if point.model == classifier.fingerprint
        ],
        max_tokens=classifier.max_tokens,
        limits={name: getattr(service.settings, name) for name in _LIMITS},
        drift=drift_information(core),
    )


def drift_information(core: Core) -> DriftInfo:
    """What the drift monitor has found."""
    audits, changed = core.desk.auditor.found, core.watcher.alarm()
    recent = audits.recent()
    return DriftInfo(
        standing=standing(core.desk.in_force.normal.tuned, audits, changed),
        promise_at_risk=AuditInfo(
            alarm=audits.raised is not None,
            audits=audits.looked,
            disagreement=None if math.isnan(recent.value) else recent.value,
            low=recent.low,
            high=recent.high,
            expected=audits.expected,
            log_evidence=audits.log_evidence,
            log_needed=audits.log_needed,
        ),
        texts_have_changed=None
        if changed is None
        else ChangeInfo(
            alarm=changed.raised is not None,
            texts=changed.looked,
            raised=changed.raised,
            cause=None if changed.cause is None else str(changed.cause),
            detectors=[DetectorInfo(**asdict(figures)) for figures in changed.figures()],
        ),
    )


def _promise(promise: Promise) -> PromiseInfo:
    limit = promise.limit
    return PromiseInfo(
        risk=str(limit.risk),
        target=limit.stated(limit.target),
        label=limit.label,
        exit=limit.exit,
        reference=None if limit.reference is None else str(limit.reference),
        answered=limit.answered,
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
    metrics.gauge("audits", "Texts compared with full depth.", lambda: auditor.found.looked)
    metrics.gauge("audits_skipped", "Texts drawn, but not compared for want of idle time.", lambda: auditor.skipped)
    metrics.gauge(
        "mean_confidence", "Of the last thousand texts at the ordinary operating point.", auditor.mean_confidence
    )
    _add_drift(metrics, core)
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


def _add_drift(metrics: Metrics, core: Core) -> None:
    """Shows what the drift monitor has found among the metrics, by its two alarms."""
    auditor, watcher = core.desk.auditor, core.watcher

    def greatest(alarm: Alarm | None, value: Callable[[Figures], float]) -> float:
        return math.nan if alarm is None else max(value(figures) for figures in alarm.figures())

    def recent() -> Share:
        return auditor.found.recent()

    metrics.gauge(
        "disagreement",
        "Share of audited texts whose answer differs from full depth; the last thousand.",
        lambda: recent().value,
    )
    metrics.gauge("disagreement_low", "Lower end of its 95 % interval.", lambda: recent().low)
    metrics.gauge("disagreement_high", "Upper end of its 95 % interval.", lambda: recent().high)
    metrics.gauge(
        "disagreement_expected",
        "What it may be.",
        lambda: math.nan if auditor.found.expected is None else auditor.found.expected,
    )
    shown: dict[str, tuple[str, Callable[[], float], Callable[[], float]]] = {
        "drift_alarm": (
            "1 after the alarm.",
            lambda: float(auditor.found.raised is not None),
            lambda: float((alarm := watcher.alarm()) is not None and alarm.raised is not None),
        ),
        "drift_evidence": (
            "Log of the evidence for the alarm; the greatest of its detectors.",
            lambda: auditor.found.log_evidence,
            lambda: greatest(watcher.alarm(), lambda figures: figures.log_evidence),
        ),
        "drift_evidence_needed": (
            "Where the alarm is raised.",
            lambda: auditor.found.log_needed,
            lambda: greatest(watcher.alarm(), lambda figures: figures.log_needed),
        ),
    }
    for name, (meaning, *values) in shown.items():
        metrics.gauges(name, meaning, "alarm", dict(zip((PROMISE_AT_RISK, TEXTS_HAVE_CHANGED), values, strict=True)))


def _is_mode(core: Core, mode: Mode) -> float:
    return float(core.desk.in_force.mode is mode)


def _threshold(core: Core) -> float:
    return float(getattr(core.desk.in_force.point.rule, "threshold", math.nan))
