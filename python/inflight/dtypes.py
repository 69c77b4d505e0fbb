"""Element types of the safetensors format."""

from __future__ import annotations

from collections.abc import Sequence

BITS = {
    "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "C64": 64, "F64": 64, "I64": 64, "U64": 64,
}  # fmt: skip


def tensor_bytes(dtype: str, shape: Sequence[int]) -> int:
    """Size of a tensor. Raises ValueError for an unknown dtype or a size that is no whole number of bytes."""
    bits = BITS.get(dtype)
    if bits is None:
        raise ValueError(f'unknown dtype "{dtype:.40}"')
    for size in shape:
        bits *= size
    if bits % 8:
        raise ValueError(f"{dtype} of shape {list(shape)} is {bits} bits, which is no whole number of bytes")
    return bits // 8
