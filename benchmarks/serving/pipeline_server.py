"""What one would write without offramp: FastAPI around ``transformers.pipeline``, with dynamic batching.

    python -m benchmarks.serving.pipeline_server MODEL --port 8001 --batch 16 --wait-ms 5

Requests that come within a few milliseconds of each other run as one batch, in a thread: the event loop stays free.
``POST /predict`` takes ``{"texts": "..."}`` for one text, as the load generator sends it.
"""

import argparse
import asyncio
from concurrent.futures import ThreadPoolExecutor

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from transformers import pipeline

import offramp  # noqa: F401  (makes transformers read offramp's folders, at full depth)


class Body(BaseModel):
    """One text."""

    texts: str


def create_app(model: str, batch: int, wait: float) -> FastAPI:
    """Makes the application; ``wait`` is in seconds."""
    classify = pipeline("text-classification", model=model, device="cpu")
    app, thread = FastAPI(), ThreadPoolExecutor(1)
    queue: asyncio.Queue[tuple[str, asyncio.Future[dict[str, object]]]] = asyncio.Queue()

    def run(texts: list[str]) -> list[dict[str, object]]:
        found: list[dict[str, object]] = classify(texts, batch_size=len(texts), truncation=True)
        return found

    async def work() -> None:
        loop = asyncio.get_running_loop()
        while True:
            waiting = [await queue.get()]
            until = loop.time() + wait
            while len(waiting) < batch and (left := until - loop.time()) > 0:
                try:
                    waiting.append(await asyncio.wait_for(queue.get(), left))
                except TimeoutError:
                    break
            answers = await loop.run_in_executor(thread, run, [text for text, _ in waiting])
            for (_, future), answer in zip(waiting, answers, strict=True):
                if not future.done():
                    future.set_result(answer)

    tasks: list[asyncio.Task[None]] = []

    @app.post("/predict")
    async def predict(body: Body) -> dict[str, object]:
        if not tasks:
            tasks.append(asyncio.create_task(work()))
        future: asyncio.Future[dict[str, object]] = asyncio.get_running_loop().create_future()
        await queue.put((body.texts, future))
        return await future

    @app.get("/ready")
    async def ready() -> str:
        return "ready"

    return app


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--wait-ms", type=float, default=5.0)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    app = create_app(given.model, given.batch, given.wait_ms / 1000)
    uvicorn.run(app, port=given.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
