"""``/v2``: the Open Inference Protocol over REST, with texts as BYTES tensors, in JSON or in binary.

The input ``text`` holds the texts, ``text_pair`` the second ones; the request's parameters say when they leave. Outputs
are ``label`` (several labels joined by commas), ``score``, ``exit``, ``probabilities`` and ``handed_over``, which tells
whether the label is but a best guess.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Request, Response
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from offramp.engine import Predictions
from offramp.serving.adapters.tensors import JSON_LENGTH, TensorRequest, TensorRoute, packed, unpacked
from offramp.serving.refusals import Refusal, invalid
from offramp.serving.routes import check_ready
from offramp.serving.schemas import GUARDED, NOT_READY, REFUSALS, Body, ErrorReply, FailFast, Knobs
from offramp.serving.service import Service, service_of, times

_NO_MODEL: dict[int | str, dict[str, Any]] = {404: {"model": ErrorReply, "description": "No such model or version."}}
# The one version that there is.
_VERSION = "1"

router = APIRouter(prefix="/v2", tags=["Open Inference Protocol"], route_class=TensorRoute)

Natural = Annotated[int, Field(ge=0)]

_OutputName = Literal["label", "score", "exit", "probabilities", "handed_over"]


class TensorParameters(BaseModel):
    """What is said of a tensor; other parameters have no effect."""

    model_config = ConfigDict(strict=True)

    binary_data_size: Natural | None = Field(default=None, description="Bytes of the texts, after the JSON.")
    shared_memory_region: None = Field(default=None, description="Not offered.")


class Tensor(Body):
    """Texts; their data is here or, in binary, after the JSON."""

    name: Literal["text", "text_pair"]
    shape: list[int]
    datatype: Literal["BYTES"]
    data: Annotated[list[str], FailFast] | Annotated[list[Annotated[list[str], FailFast]], FailFast] | None = None
    parameters: TensorParameters | None = None


class OutputParameters(BaseModel):
    """What is said of an output; other parameters have no effect."""

    model_config = ConfigDict(strict=True)

    binary_data: bool | None = Field(default=None, description="Whether its data comes in binary, after the JSON.")
    classification: None = Field(default=None, description="Not offered.")
    shared_memory_region: None = Field(default=None, description="Not offered.")


class RequestedOutput(Body):
    """An output to be given."""

    name: _OutputName
    parameters: OutputParameters | None = None


class InferParameters(Knobs):
    """When a text leaves, and what Triton's and KServe's clients send besides."""

    binary_data_output: bool = Field(default=False, description="Whether outputs come in binary, after the JSON.")
    timeout: Natural | None = Field(default=None, description="RowAnswer within so many microseconds; 0 for no limit.")
    priority: int | str | None = Field(default=None, description="Of no effect.")
    sequence_id: int | str | None = Field(default=None, description="Of no effect.")
    sequence_start: bool | None = Field(default=None, description="Of no effect.")
    sequence_end: bool | None = Field(default=None, description="Of no effect.")
    content_type: str | None = Field(default=None, description="Of no effect.")
    headers: dict[str, Any] | None = Field(default=None, description="Of no effect.")


class InferRequest(Body):
    """Texts to classify."""

    id: str | None = None
    model_name: str | None = Field(default=None, description="Of no effect: the address names the model.")
    model_version: str | None = Field(default=None, description="Of no effect: the address names the version.")
    content_type: str | None = Field(default=None, description="Of no effect.")
    parameters: InferParameters | None = None
    inputs: Annotated[list[Tensor], FailFast]
    outputs: Annotated[list[RequestedOutput], FailFast] | None = Field(
        default=None, description="Which outputs come, in this order; all if there are none."
    )


class Output(BaseModel):
    """One tensor of the answer."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any] | None = Field(default=None, description="Not there where it comes in binary.")
    parameters: TensorParameters | None = None


class InferReply(BaseModel):
    """The tensors of the answer."""

    model_name: str
    model_version: str
    id: str | None = Field(default=None, description="The request's, if it had one.")
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
    """Whether the server is alive."""

    live: bool


class Ready(BaseModel):
    """Whether the server takes requests."""

    ready: bool


class ModelReady(Ready):
    """Whether the model takes requests."""

    name: str


@router.get("/health/live")
async def server_live() -> Live:
    """Tells that the server is alive."""
    return Live(live=True)


@router.get("/health/ready", responses=NOT_READY)
async def server_ready(request: Request) -> Ready:
    """Tells whether the server takes requests."""
    check_ready(service_of(request))
    return Ready(ready=True)


@router.get("", responses=GUARDED)
async def server_metadata() -> ServerMetadata:
    """Tells what the server is."""
    return ServerMetadata(name="offramp", version=version("offramp"), extensions=["binary_tensor_data", "parameters"])


@router.get("/models/{name}", responses=_NO_MODEL | GUARDED)
@router.get("/models/{name}/versions/{version}", include_in_schema=False)
async def model_metadata(name: str, request: Request) -> ModelMetadata:
    """Tells what the model takes and gives."""
    service = _model(name, request)
    labels = len(service.core.classifier.labels)
    pair = [Described(name="text_pair", datatype="BYTES", shape=[-1])] if service.core.classifier.takes_pairs else []
    return ModelMetadata(
        name=service.name,
        versions=[_VERSION],
        platform=f"offramp_{service.core.classifier.engine.backend}",
        inputs=[Described(name="text", datatype="BYTES", shape=[-1]), *pair],
        outputs=[
            Described(name="label", datatype="BYTES", shape=[-1]),
            Described(name="score", datatype="FP64", shape=[-1]),
            Described(name="exit", datatype="BYTES", shape=[-1]),
            Described(name="probabilities", datatype="FP64", shape=[-1, labels]),
            Described(name="handed_over", datatype="BOOL", shape=[-1]),
        ],
    )


@router.get("/models/{name}/ready", responses=_NO_MODEL | GUARDED | NOT_READY)
@router.get("/models/{name}/versions/{version}/ready", include_in_schema=False)
async def model_ready(name: str, request: Request) -> ModelReady:
    """Tells whether the model takes requests."""
    service = _model(name, request)
    check_ready(service)
    return ModelReady(name=service.name, ready=True)


@router.post("/models/{name}/infer", response_model=InferReply, responses=REFUSALS | _NO_MODEL)
@router.post("/models/{name}/versions/{version}/infer", include_in_schema=False)
async def infer(name: str, body: InferRequest, request: TensorRequest) -> Response:
    """Classifies texts, in the form of the Open Inference Protocol.

    Tensors may come and go in binary, as Triton's clients send them: the bytes follow the JSON, and the header
    Inference-Header-Content-Length tells how long the JSON is.
    """
    service, parameters = _model(name, request), body.parameters or InferParameters()
    tensors = _texts(body.inputs, request.binary, service.settings.max_texts)
    if "text" not in tensors:
        raise invalid("there is no input tensor named text", "inputs")
    answered = await service.answer(
        request,
        tensors["text"],
        tensors.get("text_pair"),
        parameters,
        top_k=1,
        timeout_ms=parameters.timeout / 1000 if parameters.timeout else None,
        field="inputs",
    )
    columns = _columns(answered.predictions)
    wanted = body.outputs or [RequestedOutput(name=name) for name in _usual(columns, answered.predictions)]
    outputs, binary = _written(columns, wanted, parameters.binary_data_output)
    content = {"model_name": service.name, "model_version": _VERSION, "outputs": outputs}
    text = json.dumps(content if body.id is None else content | {"id": body.id}, separators=(",", ":")).encode()
    if not binary:
        return Response(text, media_type="application/json", headers=times(answered))
    headers = {**times(answered), JSON_LENGTH: str(len(text))}
    return Response(b"".join([text, *binary]), media_type="application/octet-stream", headers=headers)


def _model(name: str, request: Request) -> Service:
    service = service_of(request)
    if name != service.name:
        raise Refusal(404, "not_found", f"there is no model {name!r:.60}; this is {service.name}", "name")
    wanted = request.path_params.get("version", _VERSION)
    if wanted != _VERSION:
        raise Refusal(404, "not_found", f"there is no version {wanted!r:.60}; this is {_VERSION}", "version")
    return service


def _texts(tensors: Sequence[Tensor], binary: bytes, most: int) -> dict[str, list[str]]:
    """The texts of each tensor, by its name."""
    by_name: dict[str, list[str]] = {}
    start = 0
    for index, tensor in enumerate(tensors):
        field = f"inputs[{index}]"
        if tensor.name in by_name:
            raise invalid(f"there are two tensors named {tensor.name}; send one", f"{field}.name")
        size = tensor.parameters.binary_data_size if tensor.parameters else None
        if (size is None) == (tensor.data is None):
            raise invalid("send either data or binary_data_size with the bytes after the JSON", field)
        if size is not None:
            texts, start = unpacked(binary[start : start + size], most, field), start + size
        else:
            texts = [text for row in tensor.data or () for text in ([row] if isinstance(row, str) else row)]
        if tensor.shape not in ([len(texts)], [len(texts), 1]):
            raise invalid(f"the shape is {tensor.shape!s:.60}, but there are {len(texts)} texts", f"{field}.shape")
        by_name[tensor.name] = texts
    if start != len(binary):
        raise invalid(f"the tensors have {start} bytes after the JSON, but {len(binary)} were sent", "inputs")
    return by_name


def _columns(predictions: Predictions) -> dict[_OutputName, tuple[str, list[str] | NDArray[Any]]]:
    """Datatype and values of every output, by its name."""
    return {
        "label": ("BYTES", [",".join(labels) for labels in predictions.guessed_labels]),
        "score": ("FP64", predictions.confidence),
        "exit": ("BYTES", predictions.exit),
        "probabilities": ("FP64", predictions.probabilities),
        "handed_over": ("BOOL", predictions.handed_over),
    }


def _usual(columns: Iterable[_OutputName], predictions: Predictions) -> Iterator[_OutputName]:
    """The outputs where none are named: not whether texts are handed over, unless some could be."""
    return (name for name in columns if name != "handed_over" or predictions.may_hand_over)


def _written(
    columns: dict[_OutputName, tuple[str, list[str] | NDArray[Any]]],
    wanted: Sequence[RequestedOutput],
    binary_default: bool,
) -> tuple[list[dict[str, Any]], list[bytes]]:
    """The outputs that are wanted as JSON, and the bytes of those that go in binary."""
    outputs: list[dict[str, Any]] = []
    binary = []
    for output in wanted:
        datatype, column = columns[output.name]
        written: dict[str, Any] = {"name": output.name, "shape": list(np.shape(column)), "datatype": datatype}
        own = output.parameters.binary_data if output.parameters else None
        if binary_default if own is None else own:
            binary.append(packed(column))
            written["parameters"] = {"binary_data_size": len(binary[-1])}
        else:
            written["data"] = column.ravel().tolist() if isinstance(column, np.ndarray) else column
        outputs.append(written)
    return outputs, binary
