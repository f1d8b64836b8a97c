"""What is trained, on what and in which order: tables to read and to change."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import cast

from offramp.data import Columns
from offramp.training import Recipe, Regime, recipe_named
from offramp.training.recipe import Targets

STANDARD, CLASSIFIER, JOINT, CUT = "standard", "classifier", "joint", "cut"
UNLABELLED, TUNED, TAUGHT, TWICE = "unlabelled", "tuned", "taught", "twice"
SWITCHES = (UNLABELLED, TUNED, TAUGHT, TWICE)
TEACHER = "mpnet"
DISTILLED = f"{JOINT} distill=1"
SHARED, PER_EXIT = "shared", "per-exit"
ATTACH = "attach"
ATTACHED = tuple(f"{ATTACH} {targets}" for targets in ("labels", "model"))
ON_CLASSIFIER = tuple(f"{attached} {CLASSIFIER}" for attached in ATTACHED)


@dataclass(frozen=True, slots=True)
class Hub:
    """Where a data set lies on the Hugging Face hub.

    Attributes:
        name: of the data set there.
        text, text_pair: columns.
        dev, test: splits; without a dev split, rows of the training split are put aside.
    """

    name: str
    text: str = "text"
    text_pair: str | None = None
    dev: str | None = None
    test: str = "test"


@dataclass(frozen=True, slots=True)
class DataSet:
    """One of the data sets, and how much of it a CPU can take.

    Attributes:
        title: as people write it.
        pairs: whether a row has two texts.
        train_rows, dev_rows, test_rows: rows drawn if there are more; None for all.
        max_length: tokens at which texts are cut.
        unlabelled_rows: texts without labels drawn, if there are more: rows of the training and test splits that
            nothing else uses.
        unlabelled_of: data set whose training texts are taken for that instead.
        sentences: whether a row is a sentence, so that texts of another data set are cut into such.
    """

    name: str
    title: str
    hub: Hub
    pairs: bool = False
    train_rows: int | None = 20_000
    dev_rows: int | None = 1_500
    test_rows: int | None = 3_000
    max_length: int | None = None
    unlabelled_rows: int = 20_000
    unlabelled_of: str | None = None
    sentences: bool = False

    @property
    def columns(self) -> Columns:
        """Of the files that the preparation writes."""
        return Columns(text_pair="text_pair" if self.pairs else None)


DATA_SETS = {
    one.name: one
    for one in (
        DataSet(
            "sst2",
            "SST-2",
            Hub("stanfordnlp/sst2", text="sentence", test="validation"),
            unlabelled_of="imdb",
            sentences=True,
        ),
        DataSet("ag_news", "AG News", Hub("fancyzhx/ag_news")),
        # Of pairs, rows that are left over share their first texts with the test rows; so each has the other's.
        DataSet(
            "snli",
            "SNLI",
            Hub("stanfordnlp/snli", "premise", "hypothesis", "validation"),
            pairs=True,
            unlabelled_rows=10_000,
            unlabelled_of="multinli",
        ),
        DataSet(
            "imdb",
            "IMDB",
            Hub("stanfordnlp/imdb"),
            train_rows=8_000,
            dev_rows=1_000,
            test_rows=2_000,
            max_length=256,
            unlabelled_rows=8_000,
        ),
        DataSet(
            "multinli",
            "MultiNLI",
            Hub("nyu-mll/multi_nli", "premise", "hypothesis", test="validation_matched"),
            pairs=True,
            train_rows=8_000,
            unlabelled_rows=10_000,
            unlabelled_of="snli",
        ),
    )
}
_PAIRS = tuple(one.name for one in DATA_SETS.values() if one.pairs)


@dataclass(frozen=True, slots=True)
class Encoder:
    """An encoder and how it is trained, which was chosen on dev rows and is the same in all methods that can share it.

    Attributes:
        title: as people write it.
        layers: its depth.
        exits: layers before each exit of the networks with several.
        recipe: for data sets that have none of their own in ``recipes``.
        early: data sets' recipes for networks that are trained with exits before full depth, where those need others.
    """

    name: str
    title: str
    layers: int
    exits: tuple[int, ...]
    recipe: Recipe
    recipes: dict[str, Recipe] = field(default_factory=dict)
    early: dict[str, Recipe] = field(default_factory=dict)

    def recipe_for(self, run: "Run") -> Recipe:
        """How a run's network is trained."""
        own = self.early.get(run.data) if run.early else None
        recipe = own or self.recipes.get(run.data, self.recipe)
        return replace(recipe, epochs=2 * recipe.epochs) if run.twice else recipe


ENCODERS = {
    one.name: one
    for one in (
        Encoder(
            "minilm",
            "MiniLM, 6 layers",
            6,
            (1, 2, 4, 6),
            recipe_named("default", learning_rates=(1e-4,), epochs=3.0),
            # Dropout of attention takes as long on a CPU as all the rest where texts are long.
            {"imdb": recipe_named("default", learning_rates=(1e-4,), epochs=2.0, dropout=0.0)},
            {data: recipe_named("default", learning_rates=(2e-4,), epochs=3.0, max_grad_norm=0.0) for data in _PAIRS},
        ),
        Encoder(
            "mpnet",
            "MPNet, 12 layers",
            12,
            (1, 2, 4, 6, 8, 12),
            recipe_named("default", learning_rates=(6e-5,), epochs=2.0),
            {"sst2": recipe_named("default", learning_rates=(3e-5,), epochs=3.0)},
            {"snli": recipe_named("default", learning_rates=(6e-5,), epochs=3.0, max_grad_norm=0.0)},
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Run:
    """One model to train.

    Attributes:
        data, encoder: keys of the plan's tables.
        method: ``standard`` (one exit); ``cut 2`` (the efficient baseline: one exit, cut off after two layers);
            ``classifier`` (fine-tuned with transformers alone); ``attach labels`` or ``attach model`` (exits put on
            the standard model, and with ``classifier`` behind it on that one); or a regime with its switches, such as
            ``mixed distill=1 consistent``, and ``unlabelled`` where texts without labels join in, ``tuned`` where the
            standard model is both where training starts and what the exits learn from, ``taught`` where that of 12
            layers is the teacher, ``twice`` where training takes twice as long.
    """

    data: str
    encoder: str
    method: str
    seed: int

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.data}-{self.encoder}-{self.method.replace(' ', '+')}-{self.seed}"

    @property
    def layers(self) -> int | None:
        """Layers that a cut network has; None for whole ones."""
        kind, _, layers = self.method.partition(" ")
        return int(layers) if kind == CUT else None

    @property
    def targets(self) -> Targets | None:
        """What attached exits learn; None for networks that are trained as a whole."""
        kind, *words = self.method.split()
        return cast(Targets, words[0]) if kind == ATTACH else None

    @property
    def attached_to(self) -> "Run | None":
        """The one that exits are put on, if it is such a run."""
        if self.targets is None:
            return None
        method = CLASSIFIER if CLASSIFIER in self.method.split() else STANDARD
        return Run(self.data, self.encoder, method, self.seed)

    @property
    def unlabelled(self) -> bool:
        """Whether texts without labels join in."""
        return UNLABELLED in self.method.split()

    @property
    def twice(self) -> bool:
        """Whether it is trained for twice as many epochs: as long as two trainings take."""
        return TWICE in self.method.split()

    @property
    def start(self) -> "Run | None":
        """The one whose encoder it goes on from, if it does."""
        return Run(self.data, self.encoder, STANDARD, self.seed) if TUNED in self.method.split() else None

    @property
    def teacher(self) -> "Run | None":
        """The one that exits learn from, if they do."""
        return Run(self.data, TEACHER, STANDARD, self.seed) if TAUGHT in self.method.split() else self.start

    @property
    def early(self) -> bool:
        """Whether the encoder is trained with an exit before its full depth."""
        alone = self.method in (STANDARD, CLASSIFIER) or self.targets is not None
        return not alone and self.regime.name != "frozen"

    @property
    def needed(self) -> "tuple[Run, ...]":
        """Those that have to be done before."""
        return tuple(dict.fromkeys(run for run in (self.start, self.teacher, self.attached_to) if run is not None))

    @property
    def regime(self) -> Regime:
        """How its exits are taught."""
        if self.method == STANDARD or self.layers is not None:
            return Regime()
        name, *switches = self.method.split()
        values = dict(switch.partition("=")[::2] for switch in switches if switch not in SWITCHES)
        more = {key: float(value) if value else True for key, value in values.items()}
        return Regime(name=name, **more)  # type: ignore[arg-type]  # Regime checks


@dataclass(frozen=True, slots=True)
class Wave:
    """Runs that belong together; a data set's come one after the other."""

    data: tuple[str, ...]
    encoder: str
    methods: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything there is to do; what comes first matters most."""

    data_sets: dict[str, DataSet]
    encoders: dict[str, Encoder]
    waves: tuple[Wave, ...]

    def exits(self, run: Run) -> tuple[int, ...]:
        """Layers before each exit of a run's network; none if it is a classifier of transformers."""
        encoder = self.encoders[run.encoder]
        if run.method == CLASSIFIER:
            return ()
        if run.method == STANDARD or run.layers is not None:
            return (run.layers or encoder.layers,)
        return encoder.exits

    def runs(self) -> list[Run]:
        """In their order, each once."""
        return list(dict.fromkeys(self._runs()))

    def _runs(self) -> Iterator[Run]:
        for wave in self.waves:
            for seed in wave.seeds:
                for data in wave.data:
                    for method in wave.methods:
                        yield Run(data, wave.encoder, method, seed)


@dataclass(frozen=True, slots=True)
class Ours:
    """Something of ours that is set beside the others.

    Attributes:
        method: of the runs.
        rule: ``shared``, one threshold for all exits as in the paper; or ``per-exit``, one for each under one knob.
    """

    method: str
    rule: str


EFFICIENT = ("cut 1", "cut 2", "cut 4")
EFFICIENT_12 = ("cut 2", "cut 4", "cut 6")
AGAIN = f"{DISTILLED} {TUNED}"
MORE = f"{DISTILLED} {UNLABELLED}"
SELF, PUPIL = f"{MORE} {TUNED}", f"{MORE} {TAUGHT}"
OURS = {
    "paper": Ours(JOINT, SHARED),
    "joint": Ours(JOINT, PER_EXIT),
    "attached": Ours("attach model", PER_EXIT),
    "tuned": Ours(AGAIN, PER_EXIT),
    "unlabelled": Ours(SELF, PER_EXIT),
}
# Those of ours that words, or the same of a smaller network, are put before.
CASCADED = ("attached", "tuned")
RIVALS = ("sweet", "weighted", "alternating")
_SHORT, _LONG = ("sst2", "ag_news", "snli"), ("imdb", "multinli")

PLAN = Plan(
    DATA_SETS,
    ENCODERS,
    (
        Wave(("sst2",), "minilm", (STANDARD, JOINT, *EFFICIENT, CLASSIFIER, *ON_CLASSIFIER)),
        Wave(_SHORT, "minilm", (STANDARD, JOINT, *EFFICIENT, *ATTACHED, AGAIN)),
        Wave(_SHORT, "mpnet", (STANDARD, *ATTACHED, SELF)),
        Wave(_LONG, "minilm", (STANDARD, JOINT, *EFFICIENT, *ATTACHED, AGAIN)),
        Wave(_SHORT, "mpnet", (JOINT,)),
        Wave(_SHORT, "minilm", (SELF, *RIVALS)),
        Wave(("multinli",), "minilm", (SELF, *RIVALS)),
        Wave(_SHORT, "mpnet", (*EFFICIENT_12, AGAIN)),
        Wave(_SHORT, "minilm", (f"{JOINT} {TWICE}", DISTILLED, "frozen", "mixed", "mixed distill=1", MORE, PUPIL)),
        Wave(("imdb",), "minilm", RIVALS),
        Wave(_SHORT, "minilm", (STANDARD, JOINT, *EFFICIENT, *ATTACHED, AGAIN), seeds=(1, 2)),
    ),
)
