"""Where everything lies, and what of it is there already."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from benchmarks.paper.plan import UNLABELLED, Plan, Run
from offramp.data import Columns, LabeledTexts, Texts, read_labeled, read_texts
from offramp.files import read_json

PARTS = ("train", "dev", "test")
# Changed when what a run computes or measures changes, so that all runs are made again.
SCHEMA = 1


@dataclass(frozen=True)
class Place:
    """The folders of a reproduction.

    Attributes:
        work: holds data as they are used and models; large, and not to be committed.
        results: holds all that figures are made of, so that models are made once: what they answer, and times; then the
            figures themselves.
        source: folder of the data sets, NAME/{train,dev,test}.jsonl.gz; None for the hub.
        encoders: folder or hub id of each encoder.
    """

    plan: Plan
    work: Path
    results: Path
    source: Path | None
    encoders: Mapping[str, str]

    def data_file(self, data: str, part: str) -> Path:
        """Rows as they are used."""
        return self.work / "data" / data / f"{part}.jsonl"

    def rows(self, data: str, part: str) -> LabeledTexts:
        """The same, read."""
        return read_labeled(str(self.data_file(data, part)), self.plan.data_sets[data].columns)

    def unlabelled_file(self, data: str) -> Path:
        """Texts without labels, for runs that take such."""
        return self.work / "data" / data / "unlabelled.jsonl"

    def model(self, run: Run) -> Path:
        """The model folder; other settings get another, so that nothing of an earlier one is mixed in."""
        return self.work / "models" / self._name(run)

    def logits(self, run: Run) -> Path:
        """What the model's exits say of the dev and test rows."""
        return self.results / "answers" / f"{self._name(run)}.npz"

    def record(self, run: Run) -> Path:
        """How the model came about; written last, so that it vouches for the rest."""
        return self.results / "answers" / f"{self._name(run)}.json"

    def words(self, data: str) -> Path:
        """What a model of words says of the dev and test rows, which is fitted to the train rows."""
        return self.results / "answers" / f"{data}-words-{_short([SCHEMA, self.fingerprints(data)])}.npz"

    def words_times(self, data: str) -> Path:
        """How long that takes."""
        return self.results / "times" / f"{data}-words-{_short([SCHEMA, self.fingerprints(data)])}.json"

    def times(self, data: str, encoder: str) -> Path:
        """How long the network's parts take on this data set's texts; a network of other exits has times of its own."""
        exits = self.plan.encoders[encoder].exits
        of = [SCHEMA, self.encoder_identities[encoder], exits, self.fingerprints(data)["test"]]
        return self.results / "times" / f"{data}-{encoder}-{_short(of)}.json"

    def _name(self, run: Run) -> str:
        return f"{run.name}-{_short(self.settings(run))}"

    def settings(self, run: Run) -> dict[str, Any]:
        """All that a run's model depends on."""
        data, encoder = self.plan.data_sets[run.data], self.plan.encoders[run.encoder]
        recipe = asdict(encoder.recipe_for(run))
        del recipe["trials"]  # a run is one, and names of models are made of these settings
        return {
            "schema": SCHEMA,
            "data": run.data,
            "fingerprints": self.fingerprints(run.data),
            "encoder": self.encoder_identities[run.encoder],
            "method": run.method,
            "seed": run.seed,
            "exits": self.plan.exits(run),
            "max_length": data.max_length,
            "recipe": recipe,
        } | self._further_settings(run)

    def _further_settings(self, run: Run) -> dict[str, Any]:
        """Of the runs that have such alone, so that the names of others do not depend on them."""
        further: dict[str, Any] = {}
        if run.unlabelled:
            columns = self.plan.data_sets[run.data].columns
            further["unlabelled"] = _fingerprint(self.unlabelled_file(run.data), columns, read_texts)
        if run.teacher is not None:
            further["teacher"] = self._name(run.teacher)
        if run.attached_to is not None:
            further["attached to"] = self._name(run.attached_to)
        return further

    def is_prepared(self, data: str) -> bool:
        """Whether all parts of a data set were written, of this source and with these limits."""
        return self._is_of_origin(data, "parts")

    def has_unlabelled(self, data: str) -> bool:
        """Whether texts without labels were, likewise."""
        return self._is_of_origin(data, UNLABELLED)

    def _is_of_origin(self, data: str, what: str) -> bool:
        note = self.origin_file(data, what)
        return note.is_file() and read_json(note) == self.origin(data, what)

    def origin_file(self, data: str, what: str = "parts") -> Path:
        """Notes what was prepared of what; written last, so that it vouches for the rest."""
        return self.work / "data" / data / f"{what}.json"

    def origin(self, data: str, what: str = "parts") -> dict[str, Any]:
        """All that the rows depend on that are used."""
        own = self.plan.data_sets[data]
        origin: dict[str, Any] = {"source": self._source(data), "rows": [own.train_rows, own.dev_rows, own.test_rows]}
        if what == UNLABELLED:
            other = own.unlabelled_of
            origin["of"] = None if other is None else self._source(other)
            origin |= {"unlabelled": own.unlabelled_rows, "sentences": own.sentences}
        return origin

    def _source(self, data: str) -> str | dict[str, str]:
        """The name on the hub, or what is in the folder's files."""
        if self.source is None:
            return self.plan.data_sets[data].hub.name
        return {part: _digest(self.source_file(data, part)) for part in PARTS}

    def source_file(self, data: str, part: str) -> Path:
        """A part of a data set as it came, where that was in a folder."""
        assert self.source is not None
        return self.source / data / f"{part}.jsonl.gz"

    def fingerprints(self, data: str) -> dict[str, str]:
        """Of every part of a data set that is prepared."""
        columns = self.plan.data_sets[data].columns
        return {part: _fingerprint(self.data_file(data, part), columns, read_labeled) for part in PARTS}

    @cached_property
    def encoder_identities(self) -> dict[str, str]:
        """Of every encoder: a fingerprint of its weights, or its name on the hub."""
        return {name: _identity(source) for name, source in self.encoders.items()}

    def is_done(self, run: Run) -> bool:
        """Whether its model was trained, here or elsewhere, and all that figures need of it is kept."""
        prepared = self.is_prepared(run.data) and (not run.unlabelled or self.has_unlabelled(run.data))
        return prepared and self.record(run).is_file()

    def is_here(self, run: Run) -> bool:
        """Whether it is done and its model at hand, for others to start from or to be timed."""
        return self.is_done(run) and self.is_trained(run)

    def is_trained(self, run: Run) -> bool:
        """Whether the whole model lies in its folder."""
        return (self.model(run) / "config.json").is_file()

    def record_of(self, run: Run) -> dict[str, Any]:
        """Reads the record."""
        return read_json(self.record(run))


@cache
def _fingerprint(file: Path, columns: Columns, read: Callable[[str, Columns], LabeledTexts | Texts]) -> str:
    return read(str(file), columns).fingerprint


def _identity(source: str) -> str:
    weights = Path(source) / "model.safetensors"
    if not weights.is_file():
        return source
    return _digest(weights)


def _short(content: Any) -> str:
    """Tells content from other content, as part of a name."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]


@cache
def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()[:16]}"
