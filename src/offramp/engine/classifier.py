"""What a user holds: a trained model that classifies texts."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from offramp.calibration import Calibration
from offramp.drift import CalibrationSummaries
from offramp.engine import changing, full_pass
from offramp.engine.answering import check_stream, check_texts, check_top_k, unzipped
from offramp.engine.cascade import Cascade
from offramp.engine.choosing import DEFAULT_TOKEN_BUDGET, WINDOW, check_one_given, default_threshold_of, warn_if_slow
from offramp.engine.hub import from_pretrained, push_to_hub
from offramp.engine.predictions import Prediction, Predictions
from offramp.engine.runner import Runner
from offramp.engine.stages import Stages
from offramp.engine.text_stages import TextStage
from offramp.errors import ModelFolderError, OptionError, is_count
from offramp.model import EarlyExitConfig
from offramp.policy import Confidence, ExitAnswers, ExitRule, OperatingPoint, OperatingPoints, Threshold


class Classifier:
    """An early-exit classifier ready to predict; :func:`load` makes one from a model folder.

    Args:
        cascade: what texts pass, with its exits.
        calibration: the exits' temperatures, and what is known of them.
        token_budget: tokens of a batch, padding included. Larger batches use the hardware better and more memory.

    Attributes:
        folder: the model folder that :func:`load` read, on this disk; None for a model in memory.
        points: the operating points that :func:`load` found in the model folder.
        summaries: what their calibration texts looked like, as far as that is known.
        runner: runs texts that have been checked; for rooms above this one.
        labels: label names in the order of the probabilities.
        takes_pairs: whether it was trained on pairs of texts.
        multi_label: whether it gives any number of labels.
        exits: number of layers run before each exit.
        exit_names: what each exit is called, such as ``layer 4``.
        engine: what it runs in.
    """

    def __init__(
        self,
        cascade: Cascade,
        calibration: Calibration,
        *,
        token_budget: int = DEFAULT_TOKEN_BUDGET,
    ) -> None:
        self.runner = Runner(cascade, token_budget)
        self.calibration = calibration
        self.folder: Path | None = None
        self.points = OperatingPoints()
        self.summaries = CalibrationSummaries()
        self.problem = cascade.problem
        self.labels = cascade.labels
        self.exits = cascade.layers
        self.exit_names = cascade.names
        self.engine = cascade.engine
        self.takes_pairs = self.config.text_pair
        self.multi_label = self.problem.multi_label

    @property
    def stages(self) -> Stages:
        """The network whose last exit is full depth, in its backend."""
        return self.runner.cascade.last.stages

    @property
    def config(self) -> EarlyExitConfig:
        """The configuration of that network."""
        return self.runner.cascade.last.config

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer of that network."""
        return self.runner.cascade.last.tokenizer

    @property
    def max_tokens(self) -> int:
        """Tokens of a text that are read at most."""
        return self.runner.cascade.last.most_tokens

    @property
    def token_budget(self) -> int:
        """Tokens of a batch, padding included."""
        return self.runner.token_budget

    def with_token_budget(self, token_budget: int) -> "Classifier":
        """The same classifier with another token budget.

        Raises:
            OptionError: it is below 1.
        """
        other = copy(self)
        other.runner = replace(self.runner, token_budget=token_budget)
        return other

    def recalibrate(self, calibration: Calibration, cascade: Cascade | None = None) -> None:
        """Takes other temperatures, in memory alone; operating points that were tuned for those of before are void.

        Args:
            calibration: the temperatures.
            cascade: what texts pass from now on; by default what they did before.
        """
        cascade = changing.calibrated(cascade or self.runner.cascade, calibration, self.problem)
        self.runner = replace(self.runner, cascade=cascade)
        self.problem = cascade.problem
        self.calibration = calibration
        self.exits, self.exit_names = cascade.layers, cascade.names
        self.__dict__.pop("fingerprint", None)  # which was of the temperatures, too

    def with_first(self, stage: TextStage, temperature: float = 1.0) -> "Classifier":
        """The same classifier with one exit more, before its others: texts that leave there are never tokenized.

        Operating points were tuned for other exits, so it has none. :func:`offramp.tune` finds some.

        Args:
            stage: reads raw texts; :class:`~offramp.engine.text_stages.TextStage` shows one.
            temperature: of its exit, which divides its logits.

        Raises:
            OptionError: the stage lacks a part of a :class:`~offramp.engine.text_stages.TextStage`.
        """
        longer, calibration = changing.with_first(stage, temperature, self.runner.cascade, self.calibration)
        return Classifier(longer, calibration, token_budget=self.token_budget)

    from_pretrained = classmethod(from_pretrained)
    push_to_hub = push_to_hub

    def __repr__(self) -> str:
        exits = ", ".join(self.exit_names)
        offered = self.points.of(self.engine)
        points = [f"{name} (default)" if name == self.points.default else name for name in offered]
        named = f"; operating points {', '.join(points)}" if points else ""
        return (
            f"<Classifier: {self.runner.cascade.backbone}, {len(self.labels)} labels, exits after "
            f"{exits}; {self.engine}{named}>"
        )

    @cached_property
    def fingerprint(self) -> str:
        """Names the model: ``sha256:`` and 16 hexadecimal digits over all that its answers depend on."""
        digest = hashlib.sha256(f"{self.calibration.answering} {self.runner.cascade.fingerprint()}".encode())
        return f"sha256:{digest.hexdigest()[:16]}"

    def predict(
        self,
        texts: Sequence[str],
        text_pairs: Sequence[str] | None = None,
        *,
        threshold: float | None = None,
        at: str | None = None,
        rule: ExitRule | None = None,
        top_k: int | None = 1,
    ) -> Predictions:
        """Classifies texts; the answers do not depend on the order or the company in which texts come.

        Args:
            texts: the texts, or the first texts of pairs.
            text_pairs: the second texts, as many, for models trained on pairs.
            threshold, at, rule: when a text leaves; see :meth:`exit_rule`.
            top_k: how many labels' probabilities each prediction holds; None for all.

        Raises:
            OptionError: see :meth:`exit_rule`; or ``top_k`` is below 1.
            ModelFolderError: the operating point is out of date.
            DataError: pairs are missing, not wanted or not as many as texts; or something is not a string.

        Example:
            >>> classifier = offramp.load("model")
            >>> predictions = classifier.predict(["a wonderful story", "the plot was dull"], threshold=0, top_k=None)
            >>> [(one.label, one.layers) for one in predictions]
            [('good', 1), ('bad', 1)]
            >>> predictions[0].probabilities
            {'good': 0..., 'bad': 0...}
            >>> classifier.predict(["a wonderful story"], threshold=1.01)[0].layers
            4
        """
        chosen = self.exit_rule(threshold, at, rule)
        check_top_k(self, top_k)
        check_texts(self, texts, text_pairs)
        return self.runner.predict(texts, text_pairs, chosen, top_k)

    def predict_iter(
        self,
        texts: Iterable[Any],
        *,
        threshold: float | None = None,
        at: str | None = None,
        rule: ExitRule | None = None,
        top_k: int | None = 1,
        window: int = WINDOW,
    ) -> Iterator[Prediction]:
        """Classifies a stream of any length in constant memory; predictions come in the order of the texts.

        Args:
            texts: strings, or for models trained on pairs tuples of two.
            threshold, at, rule, top_k: as for :meth:`predict`.
            window: texts read before the first prediction comes out; they are sorted and batched among themselves.

        Raises:
            OptionError, ModelFolderError: as :meth:`predict`, or ``window`` is below 1; at once.
            DataError: something is not a string, or not a pair of them; when its window is read.

        Example:
            >>> classifier = offramp.load("model")
            >>> lines = iter(["a wonderful story", "the plot was dull"])  # a file or a socket, say
            >>> for prediction in classifier.predict_iter(lines, threshold=0.8):
            ...     print(prediction.label)
            good
            bad
        """
        check_stream(texts)
        if not is_count(window):
            raise OptionError(f"window is {window!r}; it must be at least 1", option="window", value=window)
        check_top_k(self, top_k)
        return self._stream(iter(texts), self.exit_rule(threshold, at, rule), top_k, window)

    def exit_rule(
        self, threshold: float | None = None, at: str | None = None, rule: ExitRule | None = None
    ) -> ExitRule:
        """Tells when texts leave, from what a user asks for.

        Args:
            threshold: at the first exit whose confidence is at least this. 0 leaves at the first exit, above 1 runs to
                the end.
            at: by the rule of this operating point.
            rule: by this rule. At most one of the three is given; without any, the model folder's default point is
                meant, and where it has none :attr:`default_threshold`. A warning tells if early exit is then not
                expected to pay.

        Raises:
            OptionError: several are given, the threshold is negative or not a number, or there is no such point for
                this backend and precision.
            ModelFolderError: the point was tuned for other weights or temperatures.

        Example:
            >>> rule = offramp.load("model").exit_rule(0.8)
            >>> rule.threshold, type(rule.criterion).__name__
            (0.8, 'Confidence')
        """
        check_one_given(threshold=threshold, at=at, rule=rule)
        if rule is not None:
            return rule
        if (name := self.points.used(at, threshold)) is not None:
            return self.operating_point(name).rule
        if threshold is None:
            warn_if_slow(self.calibration.default, self.folder)
        return Threshold(self.default_threshold if threshold is None else threshold, Confidence(self.problem))

    @property
    def default_threshold(self) -> float:
        """The confidence at which texts leave where nobody chose anything; it suits the model, as dev rows say."""
        return default_threshold_of(self.calibration)

    def operating_point(self, name: str) -> OperatingPoint:
        """Gives the operating point of a name, for this backend and precision: for others it promises nothing.

        Raises:
            OptionError: there is none.
            ModelFolderError: it was tuned for other weights or temperatures.
        """
        point = self.points.at(name, self.engine)
        if point.model != self.fingerprint:
            raise ModelFolderError(
                f"the operating point {name!r} was tuned for other weights or temperatures than the model has now, so "
                "what it promises is void; run  offramp tune  again",
                option="at",
                value=name,
                path=self.folder,
            )
        return point

    def exit_answers(self, texts: Sequence[str], text_pairs: Sequence[str] | None = None) -> ExitAnswers:
        """Runs every text to the end and gives what each exit answers, and what was read of each text."""
        check_texts(self, texts, text_pairs)
        return full_pass.exit_answers(self.runner, texts, text_pairs)

    def predict_full(self, texts: Sequence[str], text_pairs: Sequence[str] | None = None) -> Predictions:
        """Classifies at full depth in one go, no exits in between: the baseline that early exit is measured against."""
        check_texts(self, texts, text_pairs)
        return full_pass.predict_full(self.runner, texts, text_pairs)

    def predict_truncated(
        self, texts: Sequence[str], text_pairs: Sequence[str] | None = None, *, exit_index: int
    ) -> Predictions:
        """Classifies every text at one exit, counted from 0, as a model that ends there would: a baseline, too.

        Raises:
            OptionError: there is no such exit.
        """
        check_texts(self, texts, text_pairs)
        return full_pass.predict_at(self.runner, exit_index, texts, text_pairs)

    def _stream(self, stream: Iterator[Any], rule: ExitRule, top_k: int | None, window: int) -> Iterator[Prediction]:
        start = 0
        while chunk := list(islice(stream, window)):
            first, second = unzipped(chunk, start) if self.takes_pairs else (chunk, None)
            check_texts(self, first, second, start)
            yield from self.runner.predict(first, second, rule, top_k)
            start += len(chunk)
