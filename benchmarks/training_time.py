"""What joint exits add to a training step and to the parameters, against the same encoder with one exit.

python benchmarks/training_time.py ENCODER [--exits 1,2,4,6] [--rows 32] [--length 40] [--threads 1] [--json FILE]

Both networks take the same step (forward, joint loss, backward, AdamW) on the same random tokens, in turn.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from offramp import environment
from offramp.evaluation import interleave, ratio
from offramp.files import write_json
from offramp.model import EarlyExitForSequenceClassification, build

LABELS = ("no", "yes")


def network(encoder: str, exits: str | None) -> EarlyExitForSequenceClassification:
    """The encoder with untrained exits, ready to train as ``offramp train`` does on short texts."""
    built = build(encoder, exits=exits, labels=LABELS, problem_type="single_label_classification").network
    built.backbone.set_attn_implementation("eager")
    return built.train()


def stepper(model: EarlyExitForSequenceClassification, tokens: torch.Tensor, steps: int) -> Callable[[], None]:
    """Takes some training steps."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    labels = torch.arange(len(tokens)) % len(LABELS)

    def run() -> None:
        for _ in range(steps):
            loss = model(input_ids=tokens, attention_mask=torch.ones_like(tokens), labels=labels).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

    return run


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoder")
    parser.add_argument("--exits", help="layers before each, or all; by default as for offramp train")
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--length", type=int, default=40, help="tokens a row")
    parser.add_argument("--steps", type=int, default=5, help="of each network before it is the other's turn")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    joint = network(options.encoder, options.exits)
    single = network(options.encoder, str(joint.config.exits[-1]))
    tokens = torch.randint(1000, 20_000, (options.rows, options.length))
    step = partial(stepper, tokens=tokens, steps=options.steps)
    seconds = interleave({"joint": step(joint), "single": step(single)}, options.repeats)
    times = ratio(seconds["joint"], seconds["single"])
    before = single.num_parameters()
    more = joint.num_parameters() - before
    result = {
        "environment": environment.describe() | {"threads": options.threads},
        "encoder": Path(options.encoder).name,
        "exits": list(joint.config.exits),
        "time": {"median": times.median, "quartiles": [times.low, times.high], "repeats": options.repeats},
        "parameters": {"single": before, "more": more, "share": more / before},
    }
    print(
        f"{result['encoder']}: exits {joint.config.exits} take {times.median:.3f} ({times.low:.3f}-{times.high:.3f}) "
        f"times the step of one, and {more:,} parameters more, {more / before:.4%}"
    )
    if options.json is not None:
        write_json(options.json, result)


if __name__ == "__main__":
    main()
