"""``python -m offramp``: what ``torchrun`` and ``accelerate launch`` start."""

from offramp.cli import main

main()
