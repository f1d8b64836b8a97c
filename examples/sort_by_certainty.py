"""Answer what the model is sure of, with a limit on the errors, and sort the rest for people: the least sure first.

python examples/sort_by_certainty.py MODEL LABELED NEW    # files with columns `text` and `label`, and `text`
"""

import csv
import sys
from pathlib import Path

import offramp


def main(model: str, labeled: str, new: str, max_error: float = 0.05) -> None:
    """Writes ``answers.csv``, with an answer or none for each row, and ``unsure.csv``, sorted, for people."""
    tuned = offramp.tune(model, labeled, abstain=True, max_error=max_error, name="sure")
    if not tuned.points:
        raise SystemExit(tuned.missed[0].reason)
    print(f"of the texts that are answered at most {max_error:.0%} are answered wrong, with 95 % confidence")

    scored = offramp.predict(
        model, input=new, output="answers.csv", at="sure", keep=["text"], handed_over="unsure.csv", resume=True
    )
    print(f"answered {scored.rows - scored.handed_over} of {scored.rows} texts")

    with Path("unsure.csv").open(newline="", encoding="utf-8") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: float(row["confidence"]))
    with Path("unsure.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["confidence", "best_guess", "text"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    print(f"wrote {len(rows)} texts to unsure.csv, the least sure first")


if __name__ == "__main__":
    main(*sys.argv[1:])
