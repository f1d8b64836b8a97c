"""Put exits on a classifier that you have: no labels, no training of it, and the same answers at full depth.

python examples/attach.py CLASSIFIER TEXTS    # a folder or hub id, and a file with a text a line
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from transformers import pipeline

import offramp


def main(classifier: str, texts: list[str], output: str, **options: Any) -> None:
    """Attaches exits to a classifier, shows that at full depth nothing changed, and lets texts leave early."""
    attached = offramp.attach(classifier, texts, output=output, **options)
    print(f"exits after layers {attached.exits}")

    some, model = texts[:50], offramp.load(output)
    before = pipeline("text-classification", model=classifier)(some, truncation=True)
    full = model.predict_full(some)
    assert [one["label"] for one in before] == full.label
    np.testing.assert_allclose([one["score"] for one in before], full.probabilities.max(1), atol=1e-5)
    print(f"at full depth all {len(some)} answers are those of the classifier")

    early = model.predict(some, threshold=0.9)
    same = np.mean([one == other for one, other in zip(early.label, full.label, strict=True)])
    print(f"with early exit {same:.0%} of the labels are the same; texts left after:")
    for name in model.exit_names:
        print(f"    {name}: {list(early.exit).count(name)}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).read_text(encoding="utf-8").splitlines(), "fast-classifier")
