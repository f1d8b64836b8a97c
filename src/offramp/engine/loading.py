"""From a model folder to a classifier, in the backend that is wanted or fastest."""

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from offramp.backends import AUTO, TORCH, Engine, Runtime, backends, imported
from offramp.calibration import Calibration, Problem, ProblemType
from offramp.drift import read_summaries
from offramp.engine.cascade import Cascade
from offramp.engine.chains import chained
from offramp.engine.choosing import DEFAULT_TOKEN_BUDGET, choose_engine, processor_of
from offramp.engine.classifier import Classifier
from offramp.engine.encoder import Encoder
from offramp.engine.exports import Export, read_export
from offramp.engine.hub import folder_of
from offramp.engine.stages import Stages
from offramp.engine.text_stages import TextMember, TextStage
from offramp.engine.torch_stages import TorchStages
from offramp.engine.tuning import tuned_budget
from offramp.errors import ModelFolderError, OptionError
from offramp.files import RESTORE, is_there
from offramp.folder import WORDS, export_folder, models_of
from offramp.model import EarlyExitConfig, LoadedModel
from offramp.model import load as load_model
from offramp.model.loading import load_config, load_tokenizer
from offramp.policy import read_operating_points
from offramp.words import Words, words_trial


def load(
    folder: str | Path,
    *,
    revision: str | None = None,
    backend: str = AUTO,
    precision: str = AUTO,
    token_budget: int | None = None,
    threads: int | None = None,
    device: str | None = None,
    few_shapes: bool = False,
) -> Classifier:
    """Loads the classifier of a model folder, or of a model on the Hugging Face hub.

    Of a chain every model is loaded, each in its own backend and precision: the fastest, or those that are asked for,
    which may be one for all or, with commas in between, one for each.

    Args:
        folder: what ``offramp train`` or ``offramp chain`` wrote; or a hub id, ``owner/name``, if there is no folder of
            that name.
        revision: of the model on the hub: a branch, a tag or a commit; by default its main branch.
        backend: ``torch``, or ``onnxruntime`` or ``openvino`` once ``offramp export`` has written the model for it;
            by default the one that was fastest on this processor when it was exported, of those that were exported
            with enough texts to be sure of them.
        precision: ``fp32``, ``bf16`` or ``int8``, as far as the backend has it; by default the fastest exported, and
            ``fp32`` in ``torch``.
        token_budget: tokens of a batch, padding included; by default the fastest that ``offramp bench --autotune``
            found on this processor.
        threads: processor threads; by default the backend's choice. In ``torch`` it holds for the whole process.
        device: where ``torch`` runs, such as ``"cuda"``; by default a GPU if there is one. No other backend takes it.
        few_shapes: batches will have few different shapes, so that what is prepared for one is worth keeping.

    Raises:
        ModelFolderError: the folder is missing, not an offramp model, damaged, or not exported to the backend; or the
            hub does not give a model of that name.
        OptionError: the backend has no such precision, or a value is out of range.
        MissingExtraError: the backend is not installed.
        StorageError: a file cannot be read, or what the hub gives not be kept.

    Example:
        >>> classifier = offramp.load("model")
        >>> classifier
        <Classifier: bert, 2 labels, exits after layer 1, layer 2, layer 3, layer 4; torch fp32>
        >>> classifier.predict(["a wonderful story", "the plot was dull"]).label
        ['good', 'bad']
    """
    if device is not None and not {AUTO, TORCH}.issuperset(backend.split(",")):
        raise OptionError(
            f"device is {device!r}, but {backend} takes none; leave it out, or run the model in {TORCH}",
            option="device",
            value=device,
        )
    folder = folder_of(folder, revision=revision)
    engine = choose_engine(folder, Runtime(backend if device is None else TORCH, precision, threads))
    if token_budget is None:
        token_budget = tuned_budget(folder, processor_of(engine, device), engine, threads)
    models, options = models_of(folder), _Options(token_budget, threads, device, few_shapes)
    each = [_load_model(model, one, options) for model, one in zip(models, engine.of_models(len(models)), strict=True)]
    classifier = each[0] if len(each) == 1 else chained(each, list(map(str, models)), token_budget=token_budget)
    classifier.folder = folder
    classifier.points = read_operating_points(folder)
    classifier.summaries = read_summaries(folder)
    return classifier


@dataclass(frozen=True, slots=True)
class _Options:
    """Those of :func:`load` that every model of a chain is loaded with."""

    token_budget: int
    threads: int | None
    device: str | None
    few_shapes: bool


def _load_model(folder: Path, engine: Engine, options: _Options) -> Classifier:
    """Loads a folder of one model."""
    budget, threads = options.token_budget, options.threads
    if engine.exported:
        export = read_export(folder, engine)
        return open_export(folder, export, token_budget=budget, threads=threads, few_shapes=options.few_shapes)
    if threads is not None:
        torch.set_num_threads(threads)
    model = load_model(folder)
    words, bf16 = words_of(folder, model.network.config), engine.precision == "bf16"
    calibration = _fitting(Calibration.load(folder), model.network.config, words, folder)
    return torch_classifier(model, calibration, words=words, token_budget=budget, device=options.device, bf16=bf16)


def torch_classifier(
    model: LoadedModel,
    calibration: Calibration,
    *,
    words: TextStage | None = None,
    token_budget: int = DEFAULT_TOKEN_BUDGET,
    device: str | None = None,
    bf16: bool = False,
) -> Classifier:
    """Makes a classifier from a model in memory, run by PyTorch; ``bf16`` computes in bfloat16.

    Args:
        words: is asked before the encoder.
    """
    network = model.network.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if bf16:
        network = network.to(torch.bfloat16)
    return classifier_of(TorchStages(network), model.tokenizer, network.config, calibration, token_budget, words)


def open_export(
    folder: Path,
    export: Export,
    *,
    token_budget: int = DEFAULT_TOKEN_BUDGET,
    threads: int | None = None,
    few_shapes: bool = False,
) -> Classifier:
    """Makes a classifier from exported graphs.

    Args:
        folder: the model folder.
        export: what was exported there.
    """
    config = load_config(folder)
    tokenizer = load_tokenizer(folder, config)
    tokenizer.model_max_length = export.max_length
    stages = open_stages(
        export_folder(folder, export.engine), export.engine, tuple(config.exits), threads=threads, few_shapes=few_shapes
    )
    words = words_of(folder, config)
    calibration = _fitting(export.calibration, config, words, folder)
    return classifier_of(stages, tokenizer, config, calibration, token_budget, words)


def words_of(folder: Path, config: EarlyExitConfig) -> Words | None:
    """The model of words in a model folder, if there is one.

    Raises:
        ModelFolderError: it is damaged, belongs to another model, or is gone.
        StorageError: it may not be read.
    """
    if not is_there(folder / WORDS):
        if (trial := words_trial(folder)) is not None and trial.kept:
            raise ModelFolderError(f"{folder} has lost its {WORDS}; {RESTORE}", path=folder / WORDS)
        return None
    words = Words.load(folder)
    if (words.about.labels, words.about.problem) != (tuple(config.labels), _problem_of(config).type):
        raise ModelFolderError(
            f"{folder / WORDS} belongs to another model (its labels are {', '.join(words.about.labels)}); {RESTORE}",
            path=folder / WORDS,
        )
    return words


def open_stages(
    graphs: Path, engine: Engine, layers: tuple[int, ...], *, threads: int | None, few_shapes: bool = False
) -> Stages:
    """Opens what was exported for an engine.

    Args:
        layers: number of layers run before each exit.
        few_shapes: as for :func:`load`.
    """
    opened = imported(backends()[engine.backend].open)
    stages: Stages = opened(graphs, layers, precision=engine.precision, threads=threads, few_shapes=few_shapes)
    return stages


def _fitting(calibration: Calibration, config: EarlyExitConfig, words: Words | None, folder: Path) -> Calibration:
    """The same calibration, which has a temperature for each exit."""
    exits = len(config.all_exits) + (words is not None)
    if len(calibration.temperatures) != exits:
        raise ModelFolderError(
            f"{folder} holds {len(calibration.temperatures)} temperatures for {exits} exits; "
            "run 'offramp calibrate' again",
            path=folder,
        )
    return calibration


def classifier_of(
    stages: Stages,
    tokenizer: PreTrainedTokenizerBase,
    config: EarlyExitConfig,
    calibration: Calibration,
    token_budget: int = DEFAULT_TOKEN_BUDGET,
    words: TextStage | None = None,
) -> Classifier:
    """Makes a classifier of one encoder, and perhaps a model of words before it."""
    problem = calibration.problem(_problem_of(config))
    encoder = Encoder(stages, tokenizer, config)
    members = (*(() if words is None else (TextMember(words),)), *encoder.windows())
    cascade = Cascade(members, problem, calibration.temperatures, config.labels, calibration.evidence)
    return Classifier(cascade, calibration, token_budget=token_budget)


def _problem_of(config: EarlyExitConfig) -> Problem:
    return Problem(ProblemType(config.problem_type or ProblemType.SINGLE_LABEL))
