"""Element types of the safetensors format."""

from __future__ import annotations

from collections.abc import Sequence

_OF_BITS = {
    4: ("F4",),
    6: ("F6_E2M3", "F6_E3M2"),
    8: ("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"),
    16: ("I16", "U16", "F16", "BF16"),
    32: ("I32", "U32", "F32"),
    64: ("C64", "F64", "I64", "U64"),
}
BITS = {dtype: bits for bits, dtypes in _OF_BITS.items() for dtype in dtypes}


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
