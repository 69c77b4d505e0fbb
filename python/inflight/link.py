"""Frames of the engine link (docs/ENGINE_LINK.md), and its messages in JSON.

Decoding refuses anything malformed with LinkError and never trusts a length.
"""

from __future__ import annotations

import dataclasses
import json
import re
import socket
import types
import typing

from inflight.messages import (
    FROM_ENGINE,
    FROM_WORKER,
    Abort,
    Aborted,
    Begin,
    Begun,
    Commit,
    Committed,
    CudaMemory,
    Device,
    Dump,
    Dumped,
    DumpPart,
    End,
    Ended,
    Error,
    Failed,
    Hello,
    Load,
    Loaded,
    ShmMemory,
    SliceRule,
    Slot,
    SlotMemory,
    Standby,
    TensorPart,
    WantRule,
    Welcome,
)

__all__ = [
    "Abort",
    "Aborted",
    "Begin",
    "Begun",
    "Commit",
    "Committed",
    "CudaMemory",
    "Device",
    "Dump",
    "DumpPart",
    "Dumped",
    "End",
    "Ended",
    "Error",
    "FROM_ENGINE",
    "FROM_WORKER",
    "Failed",
    "Hello",
    "LinkError",
    "Load",
    "Loaded",
    "MAX_FRAME_BYTES",
    "MAX_INTEGER",
    "PROTOCOL",
    "ShmMemory",
    "SliceRule",
    "Slot",
    "SlotMemory",
    "Standby",
    "TensorPart",
    "WantRule",
    "Welcome",
    "decode",
    "encode",
    "frame_length",
    "read_message",
    "to_json",
]

PROTOCOL = 1
MAX_FRAME_BYTES = 16 * 1024 * 1024
MAX_INTEGER = 2**63 - 1


class LinkError(Exception):
    """What came over the link is not the protocol; the connection must be closed."""


_CHOICES = {
    (Hello, "modes"): ("in-place", "shadow"),
    (Begin, "mode"): ("in-place", "shadow"),
    (Begin, "from_"): ("standby",),
    (Device, "kind"): ("host", "cuda"),
    (Aborted, "state"): ("SERVING", "PENDING_WEIGHTS"),
}
_HEX_DIGITS = {(CudaMemory, "handle"): 128}
# Lists that may be left out when they are empty.
_MAY_BE_ABSENT = {(Hello, "slices"), (Hello, "wants")}
# How long lists, and texts in UTF-8, may be.
_LONGEST_LISTS = {(Hello, "wants"): 512}
_LONGEST_TEXTS = {(WantRule, "pattern"): 256}
# Fields that are not written when they are null.
_LEFT_OUT = {
    (Hello, "standby"),
    (Committed, "standby"),
    (Aborted, "standby"),
    (Begin, "from_"),
    (Dump, "epoch"),
}
# Fields whose own fields stand in the record itself.
_INLINE = {(Slot, "memory")}
# What a union of records is told by.
_KIND = "kind"
_RECORDS_OF_A_KIND = {"shm": ShmMemory, "cuda": CudaMemory}


def encode(message: object) -> bytes:
    """The frame of a message, length included."""
    body = json.dumps(to_json(message), ensure_ascii=False, separators=(",", ":")).encode()
    if len(body) > MAX_FRAME_BYTES:
        raise LinkError(f"{type(message).__name__.lower()} of {len(body)} bytes is over {MAX_FRAME_BYTES}")
    return len(body).to_bytes(4, "big") + body


def to_json(message: object) -> dict:
    return {"verb": type(message).__name__.lower(), **_fields_to_json(message)}


def decode(body: bytes, verbs: dict[str, type]) -> object:
    """The message of a frame's body; ``verbs`` is FROM_WORKER or FROM_ENGINE."""
    try:
        tree = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as e:
        raise LinkError(f"frame is not JSON: {e}") from None
    if not isinstance(tree, dict):
        raise LinkError("frame is not a JSON object")
    verb = tree.get("verb")
    kind = verbs.get(verb) if isinstance(verb, str) else None
    if kind is None:
        raise LinkError(f"unknown verb {verb!r:.80}")
    return _record(kind, tree, verb)


def frame_length(header: bytes) -> int:
    length = int.from_bytes(header, "big")
    if not 1 <= length <= MAX_FRAME_BYTES:
        raise LinkError(f"frame length {length} is not in 1..{MAX_FRAME_BYTES}")
    return length


def read_message(connection: socket.socket, verbs: dict[str, type]) -> object | None:
    """The next message, or None when the stream ends between frames."""
    header = _read(connection, 4)
    if not header:
        return None
    if len(header) < 4:
        raise LinkError("stream ends inside a frame's length")
    length = frame_length(header)
    body = _read(connection, length)
    if len(body) < length:
        raise LinkError(f"stream ends after {len(body)} of a frame's {length} bytes")
    return decode(body, verbs)


def _read(connection: socket.socket, count: int) -> bytes:
    # Grows with what arrives: a length alone must not make us allocate 16 MiB.
    parts, missing = [], count
    while missing:
        part = connection.recv(min(missing, 1 << 18))
        if not part:
            break
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _fields_to_json(record: object) -> dict:
    fields = {}
    for f in dataclasses.fields(record):
        value = _to_json(getattr(record, f.name))
        if value is None and (type(record), f.name) in _LEFT_OUT:
            continue
        fields.update(value if (type(record), f.name) in _INLINE else {_wire_name(f.name): value})
    return fields


def _to_json(value: object) -> object:
    if dataclasses.is_dataclass(value):
        return _fields_to_json(value)
    if isinstance(value, tuple):
        return [_to_json(v) for v in value]
    return value


def _wire_name(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.title() for word in tail)


def _record(kind: type, tree: object, where: str) -> object:
    if not isinstance(tree, dict):
        raise LinkError(f"{where} is not an object")
    values = {}
    for name, wire, field_type in _schema(kind):
        if (kind, name) in _INLINE:
            values[name] = _value(field_type, tree, where)
            continue
        at = f"{where}.{wire}"
        given = tree.get(wire)
        if given is None and (kind, name) in _MAY_BE_ABSENT:
            given = []
        values[name] = _value(field_type, given, at)
        digits = _HEX_DIGITS.get((kind, name))
        if digits and not re.fullmatch(f"[0-9a-fA-F]{{{digits}}}", values[name]):
            raise LinkError(f"{at} is not {digits} hex digits")
        most = _LONGEST_LISTS.get((kind, name))
        if most and len(values[name]) > most:
            raise LinkError(f"{at} has {len(values[name])} elements; {most} are the most")
        longest = _LONGEST_TEXTS.get((kind, name))
        if longest and not 1 <= len(values[name].encode("utf-8", "surrogatepass")) <= longest:
            raise LinkError(f"{at} must have 1 to {longest} bytes")
        allowed = _CHOICES.get((kind, name))
        if allowed and values[name] is not None:
            given = values[name] if isinstance(values[name], tuple) else (values[name],)
            for choice in given:
                if choice not in allowed:
                    raise LinkError(f"{at}: {choice!r:.80} is not one of {', '.join(allowed)}")
    return kind(**values)


_SCHEMAS: dict[type, list] = {}


def _schema(kind: type) -> list:
    if kind not in _SCHEMAS:
        hints = typing.get_type_hints(kind)
        _SCHEMAS[kind] = [(f.name, _wire_name(f.name), hints[f.name]) for f in dataclasses.fields(kind)]
    return _SCHEMAS[kind]


def _value(expected: object, value: object, where: str) -> object:
    if isinstance(expected, types.UnionType):
        if types.NoneType not in typing.get_args(expected):
            return _record_of_a_kind(value, where)
        if value is None:
            return None
        expected = typing.get_args(expected)[0]
    if value is None:
        raise LinkError(f"{where} is missing")
    if dataclasses.is_dataclass(expected):
        return _record(expected, value, where)
    if typing.get_origin(expected) is tuple:
        if not isinstance(value, list):
            raise LinkError(f"{where} is not a list")
        item = typing.get_args(expected)[0]
        return tuple([_value(item, v, where) for v in value])
    if type(value) is not expected:
        raise LinkError(f"{where}: {value!r:.80} is not of type {expected.__name__}")
    if expected is int and not 0 <= value <= MAX_INTEGER:
        raise LinkError(f"{where}: {value} is not in 0..2^63-1")
    return value


def _record_of_a_kind(value: object, where: str) -> object:
    if value is None:
        raise LinkError(f"{where} is missing")
    if not isinstance(value, dict):
        raise LinkError(f"{where} is not an object")
    kind = _value(str, value.get(_KIND), f"{where}.{_KIND}")
    record = _RECORDS_OF_A_KIND.get(kind)
    if record is None:
        raise LinkError(f"{where}.{_KIND}: {kind!r:.80} is not one of {', '.join(_RECORDS_OF_A_KIND)}")
    return _record(record, value, where)
