"""Made-up checkpoints in shared memory, and what an engine that serves one of them must answer."""

from __future__ import annotations

import json
import mmap
import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from inflight.answer import answer, in_order

TENSORS = 128
TENSORS_IN_A_LAYER = 4
COLUMNS = 1024
BYTES_PER_VALUE = 2
MOST_FILE_BYTES = 128 << 20
POOL_BYTES = 32 << 20
SEEDS = range(16)


class MadeUp:
    """A checkpoint of ``TENSORS`` equal BF16 tensors in several files; all versions have the same layout."""

    def __init__(self, directory: Path, version: str, total: int):
        self.version = version
        self.directory = directory / version
        row = COLUMNS * BYTES_PER_VALUE
        self._size = max(1, total // TENSORS // row) * row
        self.bytes = self._size * TENSORS
        self._files = _split(_names(), max(1, MOST_FILE_BYTES // self._size))

    def write(self) -> None:
        """Random bytes, cut from one pool at a different place for each tensor: making all anew takes too long."""
        self.directory.mkdir(parents=True)
        pool = memoryview(random.Random(self.version).randbytes(POOL_BYTES))
        with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as threads:
            list(threads.map(lambda file: self._write_file(file, pool), self._files))
        index = {name: file for file, names in self._files.items() for name in names}
        text = json.dumps({"metadata": {"total_size": self.bytes}, "weight_map": index})
        (self.directory / "model.safetensors.index.json").write_text(text)

    def answers(self) -> dict[int, str]:
        """The answer to each of ``SEEDS``, computed from the files."""
        tensors, maps = {}, []
        for file, names in self._files.items():
            with (self.directory / file).open("rb") as stream:
                mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            maps.append(mapped)
            data = memoryview(mapped)[8 + int.from_bytes(mapped[:8], "little") :]
            for i, name in enumerate(names):
                tensors[name] = data[i * self._size : (i + 1) * self._size]
        ordered = in_order(tensors)
        return {seed: answer(seed, ordered) for seed in SEEDS}

    def _write_file(self, file: str, pool: memoryview) -> None:
        names = self._files[file]
        header = {
            name: {
                "dtype": "BF16",
                "shape": [self._size // COLUMNS // BYTES_PER_VALUE, COLUMNS],
                "data_offsets": [i * self._size, (i + 1) * self._size],
            }
            for i, name in enumerate(names)
        }
        text = json.dumps(header).encode()
        text += b" " * (-(8 + len(text)) % 256)
        with (self.directory / file).open("wb", buffering=0) as stream:
            _write_all(stream.fileno(), memoryview(len(text).to_bytes(8, "little") + text))
            for name in names:
                begin, left = random.Random(name).randrange(POOL_BYTES), self._size
                while left:
                    part = pool[begin : begin + left]
                    _write_all(stream.fileno(), part)
                    begin, left = 0, left - len(part)


def _write_all(file: int, data: memoryview) -> None:
    while data:
        data = data[os.write(file, data) :]


def _names() -> list[str]:
    kinds = ("self_attn.qkv_proj", "self_attn.o_proj", "mlp.up_proj", "mlp.down_proj")[:TENSORS_IN_A_LAYER]
    return [f"model.layers.{i}.{kind}.weight" for i in range(TENSORS // len(kinds)) for kind in kinds]


def _split(names: list[str], most: int) -> dict[str, list[str]]:
    groups = [names[i : i + most] for i in range(0, len(names), most)]
    return {f"model-{i + 1:05}-of-{len(groups):05}.safetensors": group for i, group in enumerate(groups)}
