"""Which columns of an input hold what, and how they are told apart."""

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from offramp.errors import OptionError

Quoting = Literal["auto", "minimal", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Names of the input columns; the command line turns every field into an option with the help text beside it.

    Without a ``label`` no labels are looked for, also where there are any.

    ``quoting`` is of csv and tsv files: with ``"minimal"`` quotes hold together a field that has delimiters or line
    ends inside; with ``"none"`` they are part of the texts (as ``csv.QUOTE_MINIMAL`` and ``csv.QUOTE_NONE`` are in
    pandas). With ``"auto"`` a csv file has the former; a tsv file has the latter unless every row of it looks as a
    program writes it that quotes. Rows over several lines that may be an error of this guess are warned of.

    Raises:
        OptionError: ``label_separator`` is the empty string, or there is no such ``quoting``.
    """

    text: Annotated[str, "column that holds the text"] = "text"
    text_pair: Annotated[str | None, "column that holds the second text of a pair"] = None
    label: Annotated[str | None, "column that holds the label, or the list of labels"] = "label"
    label_separator: Annotated[str | None, "text between the labels of a row, for several labels in one field"] = None
    quoting: Annotated[
        Quoting, "quotes in csv and tsv: minimal = they hold fields together, none = they are text; auto = by the file"
    ] = "auto"

    def __post_init__(self) -> None:
        if self.label_separator == "":
            raise OptionError(
                "label_separator is empty; give the text that stands between two labels, such as ';'",
                option="label_separator",
                value="",
            )
        if self.quoting not in get_args(Quoting):
            raise OptionError(
                f"quoting is {self.quoting!r}; use one of {', '.join(get_args(Quoting))}",
                option="quoting",
                value=self.quoting,
            )
