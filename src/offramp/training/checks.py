"""What is looked at before any work is done."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from offramp.data import Columns, Data, LabeledTexts, Texts, check_dev_fraction
from offramp.data.seen import SeenRows, fitted_rows, share_among
from offramp.data.wording import listing
from offramp.errors import DataError, OptionError, check_type
from offramp.files import check_folder_readable, check_replaceable, is_there
from offramp.folder import CHAIN, TRAINING
from offramp.model.windows import LongTexts
from offramp.training.architecture import Architecture
from offramp.training.recipe import ExitFit, Recipe, Targets
from offramp.training.regimes import Regime

if TYPE_CHECKING:
    from offramp.model import LoadedModel

# A few texts stand in any two data sets of a kind; more of the dev rows than this are no chance.
MOST_REPEATED = 0.05

# The experiment trackers of transformers, and the packages any of which brings them: importing it takes seconds.
TRACKERS = {
    "azure_ml": ("azureml",),
    "clearml": ("clearml",),
    "codecarbon": ("codecarbon",),
    "comet_ml": ("comet_ml",),
    "dagshub": ("dagshub",),
    "dvclive": ("dvclive",),
    "flyte": ("flytekit",),
    "kubeflow": ("kubeflow",),
    "mlflow": ("mlflow",),
    "neptune": ("neptune",),
    "swanlab": ("swanlab",),
    "tensorboard": ("tensorboard", "tensorboardX"),
    "trackio": ("trackio",),
    "wandb": ("wandb",),
}


def check_kinds(**options: object) -> None:
    """Refuses options of a training that are not of their type; None stands for one that is left out.

    Raises:
        OptionError: one is of another.
    """
    kinds = {
        "columns": Columns,
        "architecture": Architecture,
        "regime": Regime,
        "recipe": Recipe,
        "fit": ExitFit,
        "long": LongTexts,
    }
    for option, value in options.items():
        check_type(option, value, kinds[option])


def check_numbers(dev: Data | float, seed: int, trials: int = 1) -> None:
    """Refuses values out of range. ``dev`` are rows, or a share of the rows to split off."""
    if isinstance(dev, float | int):
        check_dev_fraction(dev)
    if not 0 <= seed < 2**32:
        raise OptionError(f"seed is {seed}; use a whole number from 0 to {2**32 - 1}", option="seed", value=seed)
    if trials > 2**32 - seed:
        raise OptionError(
            f"trials is {trials}; use a whole number from 1 to {2**32 - seed}", option="trials", value=trials
        )


def check_second_texts(data: Data, rows: LabeledTexts | Texts, outputs: int) -> None:
    """Refuses a list of pairs whose second parts look like labels, which would be read as texts.

    Args:
        data: what the rows were read from; only lists have columns that nobody named.
        rows: as they were read.
        outputs: labels that the classifier knows; 0 where that is not known yet.

    Raises:
        DataError: the second parts repeat each other, and there are no more of them than labels.
    """
    if rows.text_pairs is None or not isinstance(data, Sequence) or isinstance(data, str):
        return
    second = sorted(set(rows.text_pairs))
    if len(second) <= outputs and len(second) < len(rows):
        raise DataError(
            f"data is a list of {len(rows)} pairs whose second parts are {listing(second)}: labels, it seems, and not "
            "texts; labels stand in a list of their own, as in (texts, labels). If these are texts, give "
            "offramp.Texts.of(texts, text_pairs)",
            option="data",
            value=rows.text_pairs[0],
        )


def check_output(folder: Path, overwrite: bool) -> None:
    """Refuses to write a model over something else."""
    if folder.name in ("", ".."):
        raise OptionError(
            f"the output {folder} has no name of its own; give the name of a folder to write",
            option="output",
            path=folder,
        )
    if is_there(folder.parent / CHAIN.name):
        raise OptionError(
            f"{folder} lies in the chain {folder.parent}, whose models belong together; choose another output",
            option="output",
            path=folder,
        )
    if is_there(folder):
        if not folder.is_dir():
            raise OptionError(
                f"{folder} is a file; give a folder to write the model into", option="output", path=folder
            )
        check_folder_readable(folder)
        if any(folder.iterdir()):
            if not overwrite:
                raise OptionError(
                    f"{folder} exists and is not empty; choose another output or add `overwrite`",
                    option="overwrite",
                    path=folder,
                )
            if not any((folder / one.name).is_file() for one in (TRAINING, CHAIN)):
                raise OptionError(
                    f"{folder} holds something other than an offramp model; choose another output",
                    option="output",
                    path=folder,
                )
    check_replaceable(folder)


def check_trackers(report_to: str) -> None:
    """Refuses experiment trackers that are not installed."""
    installed = ["none", "all", *(name for name, packages in TRACKERS.items() if any(map(find_spec, packages)))]
    if report_to not in installed:
        raise OptionError(
            f"report_to is {report_to!r}, which is not known or not installed; valid here: {', '.join(installed)}",
            option="report_to",
            value=report_to,
        )


def check_taught(rows: LabeledTexts, regime: Regime, column: str | None) -> None:
    """Refuses two teachers at once.

    Args:
        rows: what is learnt.
        column: where a teacher's answers stand.

    Raises:
        OptionError: a model is to teach, too; or the exits are to learn from each other, and from probabilities.
    """
    if column is not None and regime.teacher is not None:
        raise OptionError(
            f"the column {column!r} and the model {regime.teacher} are both given as teachers; choose one",
            option="teacher",
            value=regime.teacher,
        )
    if rows.beliefs is not None and (regime.distill or regime.name == "frozen"):
        what = "distill" if regime.distill else "regime 'frozen'"
        raise OptionError(
            f"the column {column!r} holds probabilities, which all exits learn; {what} would teach them something "
            "else, so leave that out",
            option="teacher_column",
            value=column,
        )


def check_layers(model: "LoadedModel", regime: Regime) -> None:
    """Refuses what tells the layers of one exit from those of another where they are the same."""
    if model.network.stack.tied and (regime.name == "sweet" or regime.equilibrium):
        what = "equilibrium" if regime.equilibrium else f"regime {regime.name!r}"
        raise OptionError(
            f"{what} is about which exit shapes which layers, but layers of "
            f"{model.network.backbone.config.model_type} share their parameters; choose another regime or encoder"
        )


def check_reading(model: "LoadedModel", long: LongTexts, *, pairs: bool) -> None:
    """Makes sure that a model can read long texts as it is to.

    Raises:
        OptionError: it cannot.
    """
    if (read_on := long.reading(model.tokenizer)) is not None:
        read_on.check(model.tokenizer, pairs=pairs)


def fitted_before(
    name: str, train: LabeledTexts | Texts, dev: LabeledTexts | Texts, *, same_split: bool
) -> list[SeenRows]:
    """What a model that teaches or is where training starts was fitted to; the dev rows must not be.

    Args:
        same_split: whether the data, seed and fraction of that training would give the same dev rows again.
    """
    before = fitted_rows(Path(name))
    # What stands among the training rows, too, simply repeats.
    if before and (share := share_among(before, dev, beside=train)) > MOST_REPEATED:
        again = "use the data, seed and dev fraction of that training again, or " if same_split else ""
        raise DataError(
            f"about {share:.0%} of the {len(dev)} dev rows are among those that {name} was trained on: figures "
            f"taken on them would look better than they are; {again}give other rows as dev",
            option="dev",
            path=dev.source,
        )
    return before


def check_targets(targets: str, teacher_column: str | None) -> None:
    """Makes sure that what attached exits are to learn is known, and that a column of it goes with it.

    Raises:
        OptionError: it is not, or does not.
    """
    if targets not in get_args(Targets):
        raise OptionError(
            f"targets {targets!r} are not known; valid: {', '.join(get_args(Targets))}", option="targets", value=targets
        )
    if teacher_column is not None and targets == "model":
        raise OptionError(
            f"teacher_column is {teacher_column!r}, but the targets are 'model', what the classifier itself says; "
            "choose 'labels' or 'both'",
            option="teacher_column",
            value=teacher_column,
        )


def check_self_made(dev: Data | float, targets: str) -> None:
    """Makes sure that texts which a classifier makes itself are put to no use that takes real ones.

    Raises:
        OptionError: dev texts would be split off them, or labels are to be learned.
    """
    if isinstance(dev, float | int):
        raise OptionError(
            f"dev is {dev:g}, a share of the texts that the classifier makes itself; dev texts choose epochs and fit "
            "temperatures, for which they have to be real: name some",
            option="dev",
            value=dev,
        )
    if targets != "model":
        raise OptionError(
            f"targets {targets!r} take labels, and texts that the classifier makes itself have none; choose 'model'",
            option="targets",
            value=targets,
        )
