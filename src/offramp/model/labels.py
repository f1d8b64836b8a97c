"""What the outputs of a fine-tuned classifier are called, and whether they are labels at all."""

from collections.abc import Mapping, Sequence

from offramp.errors import BackboneError, OptionError

MULTI_LABEL = "multi_label_classification"
PROBLEM_TYPES = ("single_label_classification", MULTI_LABEL)


def label_flaw(names: Sequence[object]) -> str | None:
    """What is wrong with the names of a classifier's outputs, or None; around a name blanks do not count, as in data.

    An answer by such a name would not say which output gave it.
    """
    bare = [str(name).strip() for name in names]
    if "" in bare:
        return f"its output {bare.index('')} has no name"
    again = next((name for index, name in enumerate(bare) if name in bare[:index]), None)
    return None if again is None else f"{bare.count(again)} of its {len(bare)} outputs have the name {again!r}"


def problem_type_of(declared: str | None, outputs: int, name: str) -> str:
    """What a fine-tuned classifier is for.

    Args:
        declared: ``problem_type`` of its configuration.
        outputs: number of its outputs.
        name: folder or hub id, for messages.

    Raises:
        BackboneError: it predicts a number.
    """
    kind = declared or ("regression" if outputs == 1 else "single_label_classification")
    if kind not in PROBLEM_TYPES:
        raise BackboneError(
            f"{name!r} predicts a number ({outputs} output, problem_type {declared!r}), not a label, and could not "
            "tell how sure it is; give a classifier of at least two labels",
            path=name,
        )
    return kind


def labels_of(id2label: Mapping[int, object], name: str, wanted: Sequence[str] | None) -> list[str]:
    """What the outputs of a fine-tuned classifier are called, in their order.

    Args:
        id2label: of its configuration.
        name: folder or hub id, for messages.
        wanted: names to give them; None for those of the configuration.

    Raises:
        BackboneError: its own names are wanted, and cannot be used; or they do not count from 0.
        OptionError: there are not as many names as outputs, or not all different.
    """
    if sorted(id2label) != list(range(len(id2label))):
        raise BackboneError(
            f"{name!r} numbers its labels {', '.join(map(str, id2label))} under id2label in its config.json; "
            "they must count from 0: correct them there",
            path=name,
        )
    own = [str(id2label[index]).strip() for index in range(len(id2label))]
    if wanted is None:
        if flaw := label_flaw(own):
            raise BackboneError(
                f"{name!r} cannot be used as it is: {flaw} under id2label in its config.json; "
                "give each a name of its own there",
                path=name,
            )
        return own
    names = [label.strip() for label in wanted]
    if len(names) != len(own) or label_flaw(names):
        raise OptionError(
            f"labels are {', '.join(names)}; the classifier has {len(own)} outputs ({', '.join(own)}): give "
            f"{len(own)} different names, in the same order",
            option="labels",
            value=wanted,
        )
    return names
