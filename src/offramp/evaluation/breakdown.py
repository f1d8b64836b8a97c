"""Where rows leave and whether they are right there: by exit, by class, by length."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offramp.calibration import Problem

NO_LABEL = "(no label)"


@dataclass(frozen=True, slots=True)
class ExitCount:
    """The rows that took an exit: answered right or wrong, or handed over. ``layers`` were run before it."""

    name: str
    layers: int
    right: int
    wrong: int
    handed_over: int


@dataclass(frozen=True, slots=True)
class Group:
    """Counts of rows that have something in common; counts of groups can be added.

    Attributes:
        exits: rows that took each exit, (exits,).
        handed_over: rows without an answer; the figures below are of the others.
        right: rows answered right.
        won, lost: rows that only early exit, or only full depth, answers right.
        agree: rows that early exit answers as full depth does.
    """

    name: str
    rows: int
    exits: tuple[int, ...]
    handed_over: int
    right: int
    won: int
    lost: int
    agree: int

    @property
    def answered(self) -> int:
        """Rows that are not handed over."""
        return self.rows - self.handed_over

    @property
    def accuracy(self) -> float:
        """Share of the answered rows that are right; 0 if none is answered."""
        return self.right / max(1, self.answered)

    @property
    def full_accuracy(self) -> float:
        """Share of the same rows that full depth answers right; 0 if there is none."""
        return (self.right - self.won + self.lost) / max(1, self.answered)

    def mean_layers(self, layers: Sequence[int]) -> float:
        """Mean over rows of the layers run, given the layers before each exit."""
        return float(np.average(layers, weights=self.exits))


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """The outcome of each row at some setting; all arrays are (rows,).

    Attributes:
        exits: index of the exit taken.
        right: whether early exit answers right.
        full_right: whether full depth answers right.
        agree: whether both give the same answer.
        handed_over: whether early exit gives no answer but a best guess, which the others are about.
    """

    exits: NDArray[np.int64]
    right: NDArray[np.bool_]
    full_right: NDArray[np.bool_]
    agree: NDArray[np.bool_]
    handed_over: NDArray[np.bool_]

    @property
    def won(self) -> int:
        """Rows that only early exit answers right."""
        return int((self.right & ~self.full_right).sum())

    @property
    def lost(self) -> int:
        """Rows that only full depth answers right."""
        return int((self.full_right & ~self.right).sum())


def exit_counts(outcome: Outcome, names: Sequence[str], layers: Sequence[int]) -> tuple[ExitCount, ...]:
    """Counts rows at each exit, given its name and the layers run before it."""
    answered = ~outcome.handed_over
    masks = (answered & outcome.right, answered & ~outcome.right, outcome.handed_over)
    counted = (np.bincount(outcome.exits[mask], minlength=len(layers)).tolist() for mask in masks)
    return tuple(ExitCount(*counts) for counts in zip(names, layers, *counted, strict=True))


def group_rows(outcome: Outcome, members: Mapping[str, NDArray[np.bool_]], n_exits: int) -> tuple[Group, ...]:
    """Counts each group's rows; ``members`` are bool (rows,). Groups without rows are left out."""
    return tuple(_group(name, outcome, rows, n_exits) for name, rows in members.items() if rows.any())


def class_members(targets: NDArray[Any], labels: Sequence[str], problem: Problem) -> dict[str, NDArray[np.bool_]]:
    """Groups rows by their true label.

    In a multi-label problem, a row belongs to the group of each of its labels; rows without labels have their own.

    Args:
        targets: int (rows,) or 0/1 (rows, labels).
        labels: names of the labels.
        problem: one label or a set of labels.

    Returns:
        bool (rows,) for each label.
    """
    if problem.multi_label:
        has = targets.astype(np.bool_)
        return {name: has[:, index] for index, name in enumerate(labels)} | {NO_LABEL: np.asarray(~has.any(axis=1))}
    return {name: np.asarray(targets == index) for index, name in enumerate(labels)}


def length_members(tokens: NDArray[np.int64], parts: int = 4) -> dict[str, NDArray[np.bool_]]:
    """Groups rows by length into parts of about equal size; rows of equal length stay together.

    Args:
        tokens: of each row, (rows,).
        parts: how many, at most.

    Returns:
        bool (rows,) for each part, by names such as "12-18 tokens", the shortest first.
    """
    edges = np.unique(np.quantile(tokens, np.arange(1, parts) / parts, method="lower"))
    part_of = np.searchsorted(edges, tokens, side="left")
    members = {}
    for part in np.unique(part_of):
        rows = part_of == part
        shortest, longest = int(tokens[rows].min()), int(tokens[rows].max())
        span = f"{shortest}" if shortest == longest else f"{shortest}-{longest}"
        members[f"{span} tokens"] = rows
    return members


def add_up(groups: Iterable[Group], name: str) -> Group:
    """Adds groups up to one; a row that is in several of them counts several times."""
    parts = list(groups)
    return Group(
        name=name,
        rows=sum(group.rows for group in parts),
        exits=tuple(sum(counts) for counts in zip(*(group.exits for group in parts), strict=True)),
        handed_over=sum(group.handed_over for group in parts),
        right=sum(group.right for group in parts),
        won=sum(group.won for group in parts),
        lost=sum(group.lost for group in parts),
        agree=sum(group.agree for group in parts),
    )


def _group(name: str, outcome: Outcome, rows: NDArray[np.bool_], n_exits: int) -> Group:
    answered = rows & ~outcome.handed_over
    part = Outcome(*(getattr(outcome, field.name)[answered] for field in fields(Outcome)))
    return Group(
        name=name,
        rows=int(rows.sum()),
        exits=tuple(np.bincount(outcome.exits[rows], minlength=n_exits).tolist()),
        handed_over=int((rows & outcome.handed_over).sum()),
        right=int(part.right.sum()),
        won=part.won,
        lost=part.lost,
        agree=int(part.agree.sum()),
    )
