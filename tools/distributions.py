"""Finishes what was built: puts a bill of materials into the wheel, and looks through what users will get.

python tools/distributions.py FOLDER

FOLDER holds one wheel and one source distribution. The bill, in CycloneDX, lies in the wheel where PEP 770 wants it. It
fails where a file is missing, belongs elsewhere, such as a test or a result, or makes the whole too large.
"""

import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Bytes of a wheel and of a source distribution; both are far below, and what makes them grow so much belongs elsewhere.
LARGEST = {".whl": 2_000_000, ".gz": 10_000_000}
# What the package is made of.
SUFFIXES = {".py", ".typed", ".css", ".html"}
# What a wheel tells of itself.
TOLD = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE", "sboms/offramp.cdx.json"}
SOURCES = {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "Makefile", "constraints.txt"}


def add_bill(wheel: Path) -> None:
    """Writes what the wheel needs at run time into it, as its own metadata declare it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    with tempfile.TemporaryDirectory() as folder:
        _run("wheel", "unpack", str(wheel), "--dest", folder)
        (unpacked,) = Path(folder).iterdir()
        (told,) = unpacked.glob("*.dist-info")
        bill = told / "sboms" / "offramp.cdx.json"
        bill.parent.mkdir()
        options = ("--pyproject", str(ROOT / "pyproject.toml"), "--mc-type", "library", "--output-reproducible")
        _run("cyclonedx_py", "requirements", "-", *options, "-o", str(bill), given="\n".join(project["dependencies"]))
        _run("wheel", "pack", str(unpacked), "--dest-dir", str(wheel.parent))


def _run(*words: str, given: str = "") -> None:
    done = subprocess.run([sys.executable, "-m", *words], input=given, text=True, check=False, capture_output=True)
    if done.returncode:
        sys.exit(f"{words[0]}: {done.stderr}")


def flaws_of_wheel(names: Iterable[str]) -> list[str]:
    """What is wrong with the names of the files in a wheel, a line each."""
    found, told = [], set()
    for name in names:
        if inside := re.match(r"offramp-[^/]+\.dist-info/(.+)", name):
            told.add(inside[1])
        elif not name.startswith("offramp/") or Path(name).suffix not in SUFFIXES or "test" in name:
            found.append(f"{name} belongs elsewhere")
    return [*found, *(f"{name} is missing" for name in sorted(TOLD - told))]


def flaws_of_sources(names: Iterable[str]) -> list[str]:
    """What is wrong with the names of the files in a source distribution, a line each."""
    inside = {name.partition("/")[2] for name in names}
    found = [f"{name} belongs elsewhere" for name in sorted(inside) if re.search(r"__pycache__|_build/|answers/", name)]
    return [*found, *(f"{name} is missing" for name in sorted(SOURCES - inside))]


def flaws_in(folder: Path) -> list[str]:
    """What is wrong with the wheel and the source distribution in a folder, a line each."""
    (wheel,), (sources,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive, tarfile.open(sources) as packed:
        found = [*flaws_of_wheel(archive.namelist()), *flaws_of_sources(packed.getnames())]
    for path in (wheel, sources):
        size, most = path.stat().st_size, LARGEST[path.suffix]
        print(f"{path.name}: {size:,} bytes")
        if size > most:
            found.append(f"{path.name} has more than {most:,} bytes")
    return found


def main(folder: str) -> int:
    """Adds the bill and prints what is wrong; the exit code says whether something is."""
    (wheel,) = Path(folder).glob("*.whl")
    add_bill(wheel)
    flaws = flaws_in(Path(folder))
    print("\n".join(flaws) or "nothing is missing, nothing belongs elsewhere")
    return int(bool(flaws))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
