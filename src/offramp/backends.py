"""What computes a network: an engine is a backend in a precision."""

from dataclasses import dataclass

AUTO = "auto"
TORCH = "torch"


@dataclass(frozen=True, slots=True)
class Engine:
    """A backend in a precision; each gives confidences of its own, and so has operating points of its own."""

    backend: str
    precision: str

    def __str__(self) -> str:
        return f"{self.backend} {self.precision}"

    @property
    def exported(self) -> bool:
        """Whether it runs what ``offramp export`` wrote; PyTorch runs the model folder itself."""
        return self.backend != TORCH


REFERENCE = Engine(TORCH, "fp32")
"""What every other engine is compared with."""
