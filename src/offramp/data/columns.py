"""Which columns of an input hold what."""

from dataclasses import dataclass
from typing import Annotated

from offramp.errors import OptionError


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Names of the input columns; the command line turns every field into an option with the help text beside it.

    Raises:
        OptionError: ``label_separator`` is the empty string.
    """

    text: Annotated[str, "column that holds the text"] = "text"
    text_pair: Annotated[str | None, "column that holds the second text of a pair"] = None
    label: Annotated[str, "column that holds the label, or the list of labels"] = "label"
    label_separator: Annotated[str | None, "text between the labels of a row, for several labels in one field"] = None

    def __post_init__(self) -> None:
        if self.label_separator == "":
            raise OptionError("label_separator is empty; give the text that stands between two labels, such as ';'")
