"""Element types of the safetensors format in torch."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from inflight.dtypes import BITS, tensor_bytes

# safetensors name -> name in torch; the newest are missing from older versions of torch.
_NAMES = {
    "F4": "float4_e2m1fn_x2",
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "F8_E5M2": "float8_e5m2",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "I16": "int16",
    "U16": "uint16",
    "F16": "float16",
    "BF16": "bfloat16",
    "I32": "int32",
    "U32": "uint32",
    "F32": "float32",
    "C64": "complex64",
    "F64": "float64",
    "I64": "int64",
    "U64": "uint64",
}
TORCH_DTYPES = {name: getattr(torch, t) for name, t in _NAMES.items() if hasattr(torch, t)}
_SAFETENSORS_NAMES = {t: name for name, t in TORCH_DTYPES.items()}
_OFTEN_IN_BYTES = ("F4", "F6_", "F8_")


def storage_spec(dtype: str, shape: tuple[int, ...]) -> tuple[torch.dtype, tuple[int, ...]]:
    """The torch dtype and shape that hold such a tensor. Types that torch lacks are held as bytes."""
    kind = TORCH_DTYPES.get(dtype)
    if kind is None:
        return torch.uint8, (tensor_bytes(dtype, shape),)
    if dtype == "F4":
        # Two elements in a byte: torch counts bytes, safetensors elements.
        if not shape or shape[-1] % 2:
            return torch.uint8, (tensor_bytes(dtype, shape),)
        return kind, (*shape[:-1], shape[-1] // 2)
    return kind, tuple(shape)


def fits(dtype: str, shape: tuple[int, ...], kind: torch.dtype, held: Sequence[int]) -> bool:
    """Whether a tensor of the module, of dtype ``kind`` and shape ``held``, takes such a tensor as it is.

    Modules often hold types of eight bits and fewer as plain bytes, row by row; no other dtype stands for another.
    """
    held = tuple(held)
    if (kind, held) == storage_spec(dtype, shape):
        return True
    if kind != torch.uint8 or not dtype.startswith(_OFTEN_IN_BYTES) or not shape:
        return False
    row_bits = shape[-1] * BITS[dtype]
    return row_bits % 8 == 0 and held == (*shape[:-1], row_bits // 8)


def describe(kind: torch.dtype, shape: Sequence[int]) -> str:
    return f"{_SAFETENSORS_NAMES.get(kind, kind)} {list(shape)}"
