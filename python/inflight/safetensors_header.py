"""Reads the headers of safetensors files: what the tensors are, without their bytes."""

from __future__ import annotations

import json
import posixpath
from dataclasses import dataclass
from pathlib import Path

from inflight.dtypes import tensor_bytes

MAX_HEADER_BYTES = 100_000_000
_INDEX = "model.safetensors.index.json"
_METADATA = "__metadata__"


class CheckpointError(Exception):
    """A file that is no safetensors checkpoint; the message begins with its name."""


@dataclass(frozen=True)
class TensorSpec:
    name: str
    dtype: str
    shape: tuple[int, ...]


def read_specs(source: str | Path) -> list[TensorSpec]:
    """The tensors of a safetensors file, an index file or a directory with either."""
    source = Path(source)
    specs: dict[str, TensorSpec] = {}
    for file in checkpoint_files(source):
        for spec in _read_file(file):
            if spec.name in specs:
                raise CheckpointError(f'{file}: tensor "{spec.name}" is in another file too')
            specs[spec.name] = spec
    return list(specs.values())


def checkpoint_files(source: Path) -> list[Path]:
    if not source.exists():
        raise CheckpointError(f"{source}: no such file or directory")
    if source.is_dir():
        index = source / _INDEX
        if not index.exists():
            files = sorted(source.glob("*.safetensors"))
            if not files:
                raise CheckpointError(f"{source}: no *.safetensors in it")
            return files
        source = index
    if source.name.endswith(".index.json"):
        return _indexed_files(source)
    return [source]


class _Fields(list):
    """The fields of a JSON object in their order, which a dict would thin out: a name may be there twice."""


def _indexed_files(index: Path) -> list[Path]:
    try:
        tree = _parse(index.read_bytes(), index, "an index")
    except OSError as e:
        raise CheckpointError(f"{index}: {e.strerror}") from None
    entries = _object(_object(tree, f"{index}: the index").get("weight_map"), f"{index}: weight_map")
    if not entries:
        raise CheckpointError(f"{index}: weight_map has no entries")
    for tensor, name in entries.items():
        # An index comes with the weights, so it must not reach what its directory does not hold. Links in the directory
        # are the host's own, and followed: a Hugging Face cache is made of them.
        if not isinstance(name, str) or not _is_plain(name):
            raise CheckpointError(
                f'{index}: tensor "{tensor}" is said to be in {json.dumps(_plain(name))}; '
                "only plain paths inside the index's directory are allowed"
            )
        if not (index.parent / name).exists():
            raise CheckpointError(f'{index}: tensor "{tensor}" is said to be in "{name}", which does not exist')
    return [index.parent / name for name in sorted(set(entries.values()))]


def _is_plain(name: str) -> bool:
    normal = posixpath.normpath(name)
    return normal == name and name not in (".", "..") and not name.startswith(("/", "../")) and "\0" not in name


def _read_file(file: Path) -> list[TensorSpec]:
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if length > min(MAX_HEADER_BYTES, file.stat().st_size - 8):
                raise CheckpointError(f"{file}: a header of {length} bytes does not fit")
            header = _object(_parse(stream.read(length), file, "a header"), f"{file}: the header")
    except OSError as e:
        raise CheckpointError(f"{file}: {e.strerror}") from None
    return [_spec(name, entry, file) for name, entry in header.items() if name != _METADATA]


def _spec(name: str, entry: object, file: Path) -> TensorSpec:
    where = f'{file}: tensor "{name}"'
    fields = _object(entry, where)
    dtype, shape = fields.get("dtype"), fields.get("shape")
    if not isinstance(dtype, str):
        raise CheckpointError(f"{where} has no dtype")
    # bool is an int to Python, but true is no size.
    if type(shape) is not list or not all(type(size) is int and size >= 0 for size in shape):
        raise CheckpointError(f"{where}: its shape {json.dumps(_plain(shape))} is not a list of sizes from 0 on")
    try:
        tensor_bytes(dtype, shape)
    except ValueError as e:
        raise CheckpointError(f"{where}: {e}") from None
    return TensorSpec(name, dtype, tuple(shape))


def _parse(text: bytes, file: Path, what: str) -> object:
    try:
        return json.loads(text.decode(), object_pairs_hook=_Fields)
    except (ValueError, RecursionError) as e:
        raise CheckpointError(f"{file}: not {what} of safetensors: {e}") from None


def _object(value: object, where: str) -> dict[str, object]:
    if not isinstance(value, _Fields):
        raise CheckpointError(f"{where} is not a JSON object")
    fields: dict[str, object] = {}
    for name, field in value:
        if name in fields:
            raise CheckpointError(f'{where} has "{name}" twice')
        fields[name] = field
    return fields


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, _Fields) else value
