"""GPUs by UUID: what two processes with different CUDA_VISIBLE_DEVICES both call the same."""

from __future__ import annotations

import torch

_PREFIX = "GPU-"


class DeviceError(Exception):
    """A device that this process can not use."""


def visible_uuids() -> list[str]:
    """The UUIDs of this process's GPUs, in torch's order, as ``GPU-…``."""
    if not torch.cuda.is_available():
        return []
    # torch prints them without the prefix.
    uuids = (str(torch.cuda.get_device_properties(i).uuid) for i in range(torch.cuda.device_count()))
    return [_PREFIX + canonical(uuid) for uuid in uuids]


def canonical(uuid: str) -> str:
    return uuid.lower().removeprefix(_PREFIX.lower())


def index_of(uuid: str) -> int:
    """torch's number for a GPU."""
    visible = visible_uuids()
    for index, other in enumerate(visible):
        if canonical(other) == canonical(uuid):
            return index
    seen = f"sees only {', '.join(visible)}" if visible else "sees no GPU"
    raise DeviceError(f"{uuid} is not visible to this engine, which {seen}")


def named(text: str) -> torch.device:
    """The device that ``cpu``, ``cuda``, ``cuda:N`` or ``GPU-uuid`` stands for."""
    if text == "cpu":
        return torch.device("cpu")
    if text.lower().startswith(_PREFIX.lower()):
        return torch.device("cuda", index_of(text))
    kind, colon, number = text.partition(":")
    if kind != "cuda" or (colon and not (number.isascii() and number.isdigit())):
        raise DeviceError(f'"{text}" is no device; say cpu, cuda, cuda:N or GPU-uuid')
    count = len(visible_uuids())
    index = int(number or 0)
    if index >= count:
        raise DeviceError(f"there is no {text} here: this process sees {count} GPUs")
    return torch.device("cuda", index)
