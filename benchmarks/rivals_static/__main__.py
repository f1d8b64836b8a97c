"""Classifiers that need no deep network, or only a frozen one, on the same rows and by the same clock.

python -m benchmarks.rivals_static run --data DATA --work WORK [--only r8 ...] [--rivals words tfidf ...]
python -m benchmarks.rivals_static table [--price 0.04]

DATA holds NAME/{train,test}.jsonl.gz for ag_news, sst2, clinc150 and imdb; R8 comes from its package. Every rival gets
a virtual environment of its own in WORK, from a package index; all else is offline.
"""

import argparse
from pathlib import Path

from benchmarks.rivals_static.measuring import REPOSITORY, ROUNDS, measure
from benchmarks.rivals_static.rivals import RIVALS
from benchmarks.rivals_static.rows import DATA_SETS, read
from benchmarks.rivals_static.table import write_table
from offramp.files import write_json
from offramp.making.encoder import packaged_encoder


def run(options: argparse.Namespace) -> None:
    """Measures the data sets that are asked for; each has a file when it is done."""
    options.work.mkdir(parents=True, exist_ok=True)

    def say(text: str) -> None:
        print(text, flush=True)

    rivals = [rival for rival in RIVALS if rival.name in options.rivals]
    encoder = options.encoder or packaged_encoder()
    for data in DATA_SETS:
        if data.name in options.only:
            train, test = read(data, options.data)
            used = data.whole() if options.all_rows else data
            found = measure(used, train, test, rivals, encoder, options.work, say, options.rounds)
            write_json(options.results / f"{data.name}.json", found)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=REPOSITORY / "benchmarks" / "results" / "static")
    verbs = parser.add_subparsers(dest="verb", required=True)
    measured = verbs.add_parser("run")
    measured.add_argument("--data", type=Path, required=True)
    measured.add_argument("--work", type=Path, required=True)
    measured.add_argument("--encoder", type=Path, help="by default that of offramp demo")
    for option, several in (("--only", DATA_SETS), ("--rivals", RIVALS)):
        names = [one.name for one in several]
        measured.add_argument(option, nargs="+", choices=names, default=names)
    measured.add_argument("--rounds", type=int, default=ROUNDS)
    measured.add_argument(
        "--all-rows", action="store_true", help="for encoders, too, which read thousands of texts for minutes"
    )
    verbs.add_parser("table").add_argument("--price", type=float, default=0.04, help="dollars for an hour of one core")
    options = parser.parse_args()
    if options.verb == "run":
        run(options)
    else:
        print(write_table(options.results, options.price), end="")


if __name__ == "__main__":
    main()
