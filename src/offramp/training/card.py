"""The model card that lies in the folder as ``README.md``."""

from typing import Any

from offramp.calibration import Calibration
from offramp.model import EarlyExitConfig

_CARD = """---
library_name: offramp
pipeline_tag: text-classification
tags: [early-exit, text-classification]
---

# Early-exit text classifier

Exits after {exits} of {depth} layers on `{backbone}`; {labels} labels; {kind}. An input leaves at the first exit whose
calibrated confidence reaches the threshold.

```python
import offramp

classifier = offramp.load("path/to/this/folder")
classifier.predict([{example}], threshold=0.9)[0]
```

`transformers` reads the folder too, at full depth, once `offramp` is imported.

## On the dev data ({rows} rows)

| exit after layer | accuracy | temperature | ECE before | ECE after |
|---|---|---|---|---|
{table}

Trained on {train_rows} rows, texts cut at their end where they are longer than the model reads.
These dev rows also chose the epoch and the temperatures: measure on data of your own with `offramp evaluate`.
"""


def model_card(config: EarlyExitConfig, calibration: Calibration, record: dict[str, Any]) -> str:
    """Renders the card from the network's configuration, its calibration and the content of ``training.json``."""
    table = "\n".join(
        f"| {one.layers} | {one.accuracy:.2%} | {one.temperature:.3f} | {one.ece_before:.3f} | {one.ece_after:.3f} |"
        for one in calibration.exits
    )
    return _CARD.format(
        exits=", ".join(map(str, config.exits)),
        depth=config.exits[-1],
        backbone=str(record["backbone"]).rstrip("/").rsplit("/", 1)[-1],
        labels=len(config.labels),
        kind="pairs of texts" if config.text_pair else "single texts",
        example='"a text"], ["its pair"' if config.text_pair else '"a text"',
        rows=calibration.rows,
        table=table,
        train_rows=record["rows"]["train"],
    )
