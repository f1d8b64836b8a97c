"""The ways in which a network's exits can be taught, side by side: a name and a few switches that go with each.

What a regime comes to on a network of so many exits stands in ``phases.py``.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from offramp.errors import OptionError

if TYPE_CHECKING:
    from offramp.data import LabeledTexts, Texts
else:  # options are made from the annotations, and the help of the command line does not wait for numpy
    LabeledTexts = Texts = object


Name = Literal["joint", "weighted", "frozen", "mixed", "sweet", "alternating"]

# Where there is no gradient of several exits, or not in every step.
_ALONE = {
    "sweet": "no exit shares layers with a later one",
    "frozen": "no exit shares layers with another",
    "alternating": "every other step has the last exit alone",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Regime:
    """How the exits are taught.

    - ``joint``: all exits at once, unweighted (Schwartz et al., ACL 2020, §3).
    - ``weighted``: all exits at once, each weighted by its depth (PABEE: Zhou et al., NeurIPS 2020, §3.2; Kaya et al.,
      ICML 2019).
    - ``frozen``: first the encoder with its last exit alone, as if there were no others; then, on the encoder as it is,
      the others (DeeBERT: Xin et al., ACL 2020, §3.1). The recipe is the encoder's; the others are fitted by an
      :class:`~offramp.training.ExitFit`, each up to the epoch that is best for it.
    - ``mixed``: first the encoder with its last exit alone, then all exits at once; half of the epochs each (Kubaty et
      al., "How to Train Your Multi-Exit Model?", ICML 2025). With distillation the first half's last exit is the
      teacher of the second.
    - ``sweet``: all exits at once, but later exits leave the layers of earlier stages alone (SWEET: Rotem et al., ACL
      2023, §4).
    - ``alternating``: the last exit alone and all exits at once, in turn from step to step (BERxiT: Xin et al., EACL
      2021, §3.2).

    With ``distill`` the exits also learn what the last exit believes, or in its place a ``teacher`` (Hinton et al.
    2015): a fine-tuned classifier of the same labels, of any architecture, as a checkpoint for
    ``AutoModelForSequenceClassification`` or a folder of ours. ``unlabeled`` are more texts, a source or in memory
    (:class:`~offramp.data.Texts`), which have no other target. With one exit only a teacher's ``distill`` has a
    meaning.

    Raises:
        OptionError: a value is not known or out of range, or two do not go together.
    """

    name: Annotated[Name, "how the exits are taught"] = "joint"
    distill: Annotated[float, "weight of what a teacher or the last exit believes as a target; 0 = labels alone"] = 0.0
    teacher: Annotated[str | None, "fine-tuned classifier that teaches through distill: folder or hub id"] = None
    unlabeled: Annotated[
        str | Path | LabeledTexts | Texts | None,
        "more texts, which teach through distill: a source as that of the others",
    ] = None
    consistent: Annotated[bool, "weigh a row most at the exit where it is likely to leave (COSEE)"] = False
    equilibrium: Annotated[bool, "layers before many exits get no larger gradients than others"] = False

    def __post_init__(self) -> None:
        if self.name not in get_args(Name):
            raise OptionError(
                f"regime {self.name!r} is not known; valid: {', '.join(get_args(Name))}",
                option="regime",
                value=self.name,
            )
        if not 0 <= self.distill <= 100:
            raise OptionError(
                f"distill is {self.distill}; it is a weight beside the labels' 1, so use 0 to 100",
                option="distill",
                value=self.distill,
            )
        if not self.distill and self.unlabeled is not None:
            raise OptionError(
                "texts without labels teach through distillation alone; give `distill` a weight, such as 1",
                option="distill",
                value=self.distill,
            )
        if not self.distill and self.teacher is not None:
            raise OptionError(
                "a teacher teaches through distillation; give `distill` a weight, such as 1",
                option="distill",
                value=self.distill,
            )
        if self.teacher is not None and self.name == "frozen":
            raise OptionError(
                "in regime 'frozen' the exits learn what the last exit made of the encoder; choose another, leave the "
                "teacher out, or put exits on the teacher itself with 'offramp attach'",
                option="teacher",
                value=self.teacher,
            )
        if self.equilibrium and self.name in _ALONE:
            raise OptionError(
                f"equilibrium is for layers that several exits share, but in regime {self.name!r} {_ALONE[self.name]}; "
                "leave one of the two out"
            )
