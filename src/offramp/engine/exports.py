"""What ``offramp export`` leaves in a model folder: one subfolder for every backend and precision."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from safetensors import SafetensorError, safe_open

from offramp.backends import Engine, backends
from offramp.calibration import Calibration
from offramp.calibration.chained import joined, parted
from offramp.data import LabeledTexts, Texts, remember, temperatures_of
from offramp.errors import ModelFolderError
from offramp.files import check_readable, is_there
from offramp.folder import EXPORT, WEIGHTS, export_folder, models_of

FULL = "full"


@dataclass(frozen=True, slots=True)
class ExportSpeed:
    """Texts a second at full depth, in the backend and in PyTorch fp32, on one processor with some threads."""

    cpu: str
    threads: int
    texts_per_second: float
    torch_texts_per_second: float


@dataclass(frozen=True, slots=True)
class Export:
    """An exported model: ``export.json`` beside its graphs.

    Attributes:
        weights: fingerprint of the weights that were exported.
        max_length: tokens at which texts are cut.
        engine: what runs it.
        calibration: the exits' temperatures in this engine.
        rows: texts on which it was compared with PyTorch in fp32, at full depth.
        agreement: share of them that get the same label at every exit.
        difference: largest difference of a logit.
        speeds: where it was measured.
        doubt: why too little is known of it to run it unasked; None where enough is.
    """

    engine: Engine
    weights: str
    max_length: int
    calibration: Calibration
    rows: int
    agreement: float
    difference: float
    speeds: tuple[ExportSpeed, ...]
    doubt: str | None = None

    def save(self, folder: Path) -> None:
        """Writes ``export.json`` into the folder of the graphs."""
        EXPORT.write(folder, self)


def stage_name(stage: int) -> str:
    """The graph of a stage."""
    return f"stage-{stage}"


def graph_file(folder: Path, name: str) -> Path:
    """The file of a graph: ONNX, or OpenVINO's own format where it was quantized by OpenVINO's tools.

    Raises:
        ModelFolderError: there is none.
    """
    for suffix in (".xml", ".onnx"):
        if (file := folder / f"{name}{suffix}").is_file():
            return file
    raise ModelFolderError(f"{folder} has no graph {name!r}; {EXPORT.cure}", path=folder)


def graphs_fingerprint(folder: Path) -> str:
    """A hash of everything in a folder of graphs but ``export.json``."""
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.name != EXPORT.name:
            with file.open("rb") as stream:
                digest.update(file.name.encode())
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def read_export(model: Path, engine: Engine) -> Export:
    """Reads what was exported for an engine.

    Raises:
        ModelFolderError: nothing was, it is damaged, or the model was trained again since.
    """
    folder = export_folder(model, engine)
    if not is_there(folder / EXPORT.name):
        raise not_exported(model, engine)
    export = EXPORT.read(folder, Export)
    if export.weights != weights_fingerprint(model):
        raise ModelFolderError(
            f"{folder} was exported from other weights than {model} holds now; {EXPORT.cure}", path=folder
        )
    return export


def not_exported(model: Path, *engines: Engine) -> ModelFolderError:
    """The error that a model folder has an export for none of some engines, and how to get the first."""
    wanted = " or ".join(f"{engine.backend} in {engine.precision}" for engine in engines)
    exported = ", ".join(str(export.engine) for export in exports_of(model)) or "nothing"
    return ModelFolderError(
        f"{model} has no export for {wanted} (it has {exported}); "
        f"run  offramp export {model} --backend {engines[0].backend} --precision {engines[0].precision}",
        path=model,
    )


def read_calibration(model: Path, engine: Engine) -> Calibration:
    """Reads the temperatures of an engine in a model folder; PyTorch's precisions share theirs.

    Raises:
        ModelFolderError: there is no such export, or what is there is damaged.
    """
    models = models_of(model)
    if models != (model,):
        each = zip(models, engine.of_models(len(models)), strict=True)
        return joined([read_calibration(*one) for one in each])
    return read_export(model, engine).calibration if engine.exported else Calibration.load(model)


def save_calibration(model: Path, engine: Engine, calibration: Calibration, rows: LabeledTexts | Texts) -> None:
    """Replaces the temperatures of an engine in a model folder, and notes the rows that they were fitted to.

    Those of a chain are kept with each of its models.

    Raises:
        ModelFolderError: there is no such export, or it is damaged.
        StorageError: the folder cannot be written.
    """
    models = models_of(model)
    if models != (model,):
        each = list(zip(models, engine.of_models(len(models)), strict=True))
        exits = [len(read_calibration(*one).temperatures) for one in each]
        for (one, its_engine), part in zip(each, parted(calibration, exits), strict=True):
            save_calibration(one, its_engine, part, rows)
        return
    if engine.exported:
        replace(read_export(model, engine), calibration=calibration).save(export_folder(model, engine))
    else:
        calibration.save(model)
    remember(model, rows, temperatures_of(engine))


def exports_of(model: Path) -> list[Export]:
    """Every export in a model folder that can be used."""
    engines = (Engine(backend.name, precision) for backend in backends().values() for precision in backend.precisions)
    return [read_export(model, engine) for engine in engines if is_there(export_folder(model, engine) / EXPORT.name)]


def weights_fingerprint(model: Path) -> str:
    """Tells one training from another: a hash of the exits' own weights, which no two trainings share.

    Hashing everything would cost seconds at every start.

    Raises:
        ModelFolderError: the weights are missing or damaged.
        StorageError: they may not be read.
    """
    digest = hashlib.sha256()
    if (model / WEIGHTS).is_file():
        check_readable(model / WEIGHTS)
    try:
        with safe_open(model / WEIGHTS, "numpy") as tensors:
            for name in sorted(name for name in tensors.keys() if name.startswith("heads.")):  # noqa: SIM118
                digest.update(tensors.get_tensor(name).tobytes())
    except (SafetensorError, OSError) as error:
        raise ModelFolderError(
            f"{model / WEIGHTS} cannot be read ({error}); restore it or train again", path=model / WEIGHTS
        ) from error
    return f"sha256:{digest.hexdigest()[:16]}"
