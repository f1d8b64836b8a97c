"""A virtual environment for every rival, made when it is first needed."""

import json
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

from benchmarks.rivals_static.rivals import REQUIREMENTS
from offramp.files import write_json


def python_of(environment: str | None, folder: Path, say: Callable[[str], None]) -> Path:
    """The interpreter of an environment; this one's for None.

    Args:
        folder: where environments lie; what is there with the same requirements stays.
    """
    if environment is None:
        return Path(sys.executable)
    place, requirements = folder / environment, list(REQUIREMENTS[environment])
    python, done = place / "bin" / "python", place / "requirements.json"
    if not done.is_file() or json.loads(done.read_text(encoding="utf-8")) != requirements:
        say(f"installing {', '.join(requirements)}")
        venv.create(place, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *requirements], check=True)
        write_json(done, requirements)
    return python
