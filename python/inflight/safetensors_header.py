"""Reads the headers of safetensors files: what the tensors are, without their bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from inflight.dtypes import tensor_bytes

MAX_HEADER_BYTES = 100_000_000


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
        index = source / "model.safetensors.index.json"
        if not index.exists():
            files = sorted(source.glob("*.safetensors"))
            if not files:
                raise CheckpointError(f"{source}: no *.safetensors in it")
            return files
        source = index
    if source.name.endswith(".index.json"):
        try:
            names = sorted(set(json.loads(source.read_text())["weight_map"].values()))
        except (ValueError, KeyError, AttributeError, TypeError) as e:
            raise CheckpointError(f"{source}: not an index of safetensors files: {e}") from None
        return [source.parent / name for name in names]
    return [source]


def _read_file(file: Path) -> list[TensorSpec]:
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if length > min(MAX_HEADER_BYTES, file.stat().st_size - 8):
                raise CheckpointError(f"{file}: a header of {length} bytes does not fit")
            header = json.loads(stream.read(length).decode())
        specs = [
            TensorSpec(name, t["dtype"], tuple(t["shape"])) for name, t in header.items() if name != "__metadata__"
        ]
        for spec in specs:
            tensor_bytes(spec.dtype, spec.shape)
        return specs
    except OSError as e:
        raise CheckpointError(f"{file}: {e.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise CheckpointError(f"{file}: bad header: {e}") from None
