"""Serve a model and call it with a client that knows nothing of it: that of the Hugging Face hub.

python examples/serve_and_call.py MODEL          # needs  pip install 'offramp[serve]'
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import InferenceClient

TEXTS = ["Net profit rose to 3.2 mln dlrs in the first quarter.", "Crude oil prices fell for a third day."]


def main(model: str) -> None:
    """Starts a server, asks it, and ends it."""
    with served(model) as url:
        client = InferenceClient(url)
        for text in TEXTS:
            best = client.text_classification(text)[0]
            print(f"{best.label} ({best.score:.0%}): {text}")


@contextmanager
def served(model: str) -> Iterator[str]:
    """Runs a server while the block lasts, and gives its address."""
    command = [sys.executable, "-m", "offramp", "serve", model, "--port", "0"]  # 0: any port that is free
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            said = next(line for line in server.stderr if line.startswith("serving"))
            yield said.split(" at ")[1].split(";")[0]
        finally:
            server.terminate()  # what has come in is still answered
            server.communicate()


if __name__ == "__main__":
    main(sys.argv[1])
