"""What the server counts, for Prometheus."""

from collections.abc import Callable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest

from offramp.serving.computing import Computed
from offramp.serving.scheduler import Step

_LATENCIES = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_TOKENS = (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)


class Metrics:
    """Counters, histograms and gauges of one server, in a registry of their own.

    Args:
        exits: what each exit is called; their metrics are labeled so.
    """

    def __init__(self, exits: Sequence[str]) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter("offramp_requests", "Requests answered.", ("route", "status"), registry=self.registry)
        self._latency = Histogram(
            "offramp_request_seconds",
            "Time from a request's last byte to its answer.",
            ("route",),
            buckets=_LATENCIES,
            registry=self.registry,
        )
        self._queued = Histogram(
            "offramp_queue_seconds", "Time until a request was begun.", buckets=_LATENCIES, registry=self.registry
        )
        self._batch_tokens = Histogram(
            "offramp_batch_tokens",
            "Tokens of a batch that ran up to an exit, padding included.",
            ("exit",),
            buckets=_TOKENS,
            registry=self.registry,
        )
        self._exits = Counter("offramp_exits", "Texts that left after an exit.", ("exit",), registry=self.registry)
        self._degraded = Counter("offramp_degraded", "Texts answered at the degraded point.", registry=self.registry)
        self._texts = Counter("offramp_texts", "Texts answered.", registry=self.registry)
        self._handed_over = Counter(
            "offramp_handed_over", "Texts handed over instead of answered.", registry=self.registry
        )
        self._truncated = Counter("offramp_truncated", "Texts whose end was cut.", registry=self.registry)
        # Looking a label up costs more than counting.
        self._exit_counters = [self._exits.labels(name) for name in exits]
        self._batch_histograms = [self._batch_tokens.labels(name) for name in exits]

    def step(self, step: Step, computed: Computed) -> None:
        """Counts a step."""
        self._batch_histograms[step.stage].observe(step.tokens)
        if computed.answers and not step.audit:
            self._exit_counters[step.stage].inc(len(computed.answers))
            self._texts.inc(len(computed.answers))
            self._handed_over.inc(sum(answer.handed_over for answer in computed.answers))

    def request(self, route: str, status: int, seconds: float) -> None:
        """Counts a request."""
        self._requests.labels(route, str(status)).inc()
        self._latency.labels(route).observe(seconds)

    def answered(self, queued: float, truncated: int, degraded: int) -> None:
        """Counts what is known of a request with a result."""
        self._queued.observe(queued)
        self._truncated.inc(truncated)
        self._degraded.inc(degraded)

    def describe(self, name: str, meaning: str, values: Mapping[str, str]) -> None:
        """Shows what does not change, as labels of a metric that is always 1."""
        Info(f"offramp_{name}", meaning, registry=self.registry).info(dict(values))

    def gauge(self, name: str, meaning: str, value: Callable[[], float]) -> None:
        """Shows a number that is asked for when somebody looks."""
        Gauge(f"offramp_{name}", meaning, registry=self.registry).set_function(value)

    def gauges(self, name: str, meaning: str, label: str, values: Mapping[str, Callable[[], float]]) -> None:
        """Shows several numbers that differ in a label."""
        gauge = Gauge(f"offramp_{name}", meaning, (label,), registry=self.registry)
        for key, value in values.items():
            gauge.labels(key).set_function(value)

    def text(self) -> bytes:
        """The page that Prometheus reads."""
        return generate_latest(self.registry)
