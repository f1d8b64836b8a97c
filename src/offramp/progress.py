"""How far a long piece of work is, and that it will hardly pay: the one way in which all verbs tell it."""

from typing import Protocol


class OnProgress(Protocol):
    """Is told what is being done, how many of how many parts; None for how many where nobody knows."""

    def __call__(self, what: str, done: int, total: int | None, /) -> None: ...


def unheard(what: str, done: int, total: int | None, /) -> None:
    """Tells nobody."""


class SpeedWarning(UserWarning):
    """Something works, but will hardly be faster than what it is to speed up."""
