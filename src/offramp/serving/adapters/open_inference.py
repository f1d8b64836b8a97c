"""``/v2``: the Open Inference Protocol over REST, with texts as BYTES tensors.

The input ``text`` holds the texts, ``text_pair`` the second ones; the request's parameters say when they leave. Outputs
are ``label`` (several labels joined by commas), ``score``, ``exit_layer`` and ``probabilities``.
"""

from importlib.metadata import version
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from offramp.serving.refusals import Refusal, invalid
from offramp.serving.schemas import GUARDED, REFUSALS, Body, ErrorReply, Knobs
from offramp.serving.service import Service, reply, service_of

_NO_MODEL: dict[int | str, dict[str, Any]] = {404: {"model": ErrorReply, "description": "No such model."}}

router = APIRouter(prefix="/v2", tags=["Open Inference Protocol"])


class Tensor(Body):
    """Texts."""

    name: Literal["text", "text_pair"]
    shape: list[int]
    datatype: Literal["BYTES"]
    data: list[str] | list[list[str]]
    parameters: dict[str, Any] = Field(default_factory=dict, description="Of no effect.")


class InferRequest(Body):
    """Texts to classify."""

    id: str | None = None
    parameters: Knobs = Knobs()
    inputs: list[Tensor]
    outputs: list[dict[str, Any]] = Field(default_factory=list, description="All outputs come, whatever is asked for.")


class Output(BaseModel):
    """One tensor of the answer."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


class InferReply(BaseModel):
    """The tensors of the answer."""

    model_name: str
    model_version: str
    id: str | None
    outputs: list[Output]


class Described(BaseModel):
    """A tensor of the model; -1 stands for any size."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    """What the model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[Described]
    outputs: list[Described]


class ServerMetadata(BaseModel):
    """What the server is."""

    name: str
    version: str
    extensions: list[str]


class Live(BaseModel):
    """Whether the server lives."""

    live: bool


@router.get("/health/live")
async def live() -> Live:
    """Tells that the server lives."""
    return Live(live=True)


@router.get("", responses=GUARDED)
async def server() -> ServerMetadata:
    """Tells what the server is."""
    return ServerMetadata(name="offramp", version=version("offramp"), extensions=[])


@router.get("/models/{name}", responses=_NO_MODEL | GUARDED)
async def model(name: str, request: Request) -> ModelMetadata:
    """Tells what the model takes and gives."""
    service = _model(name, request)
    labels = len(service.core.classifier.labels)
    pair = [Described(name="text_pair", datatype="BYTES", shape=[-1])] if service.core.classifier.takes_pairs else []
    return ModelMetadata(
        name=service.name,
        versions=["1"],
        platform=f"offramp_{service.core.classifier.stages.backend}",
        inputs=[Described(name="text", datatype="BYTES", shape=[-1]), *pair],
        outputs=[
            Described(name="label", datatype="BYTES", shape=[-1]),
            Described(name="score", datatype="FP64", shape=[-1]),
            Described(name="exit_layer", datatype="INT64", shape=[-1]),
            Described(name="probabilities", datatype="FP64", shape=[-1, labels]),
        ],
    )


@router.post("/models/{name}/infer", response_model=InferReply, responses=REFUSALS | _NO_MODEL)
async def infer(name: str, body: InferRequest, request: Request) -> Response:
    """Classifies texts, in the form of the Open Inference Protocol."""
    service = _model(name, request)
    tensors = {tensor.name: _texts(index, tensor) for index, tensor in enumerate(body.inputs)}
    if "text" not in tensors:
        raise invalid("there is no input tensor named text", "inputs")
    answered = await service.answer(
        request, tensors["text"], tensors.get("text_pair"), body.parameters, top_k=1, field="inputs"
    )
    found = answered.predictions
    rows = len(found)
    outputs = [
        ("label", "BYTES", [rows], [",".join(labels) for labels in found.labels]),
        ("score", "FP64", [rows], found.confidence.tolist()),
        ("exit_layer", "INT64", [rows], found.layers.tolist()),
        ("probabilities", "FP64", list(found.probabilities.shape), found.probabilities.ravel().tolist()),
    ]
    return reply(
        {
            "model_name": service.name,
            "model_version": "1",
            "id": body.id,
            "outputs": [
                {"name": output, "shape": shape, "datatype": datatype, "data": data}
                for output, datatype, shape, data in outputs
            ],
        },
        answered,
    )


def _model(name: str, request: Request) -> Service:
    service = service_of(request)
    if name != service.name:
        raise Refusal(404, "not_found", f"there is no model {name!r:.60}; this is {service.name}", "name")
    return service


def _texts(index: int, tensor: Tensor) -> list[str]:
    texts = [text for row in tensor.data for text in ([row] if isinstance(row, str) else row)]
    if tensor.shape not in ([len(texts)], [len(texts), 1]):
        raise invalid(f"the shape is {tensor.shape}, but there are {len(texts)} texts", f"inputs[{index}].shape")
    return texts
