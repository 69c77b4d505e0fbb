"""Modules to load weights into: made from a tensor list, or transformers' BertModel."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from pathlib import Path

import torch

from inflight.adapters.torch_module import ALIGNMENT, storage_spec
from inflight.safetensors_header import TensorSpec, read_specs

HOST = torch.device("cpu")


def module_of(specs: Iterable[TensorSpec], device: torch.device = HOST) -> torch.nn.Module:
    """Nested modules whose parameters have these names, dtypes and shapes, all zero and in touched memory."""
    kinds = [(spec, *storage_spec(spec.dtype, spec.shape)) for spec in specs]
    places, total = [], 0
    for _, kind, shape in kinds:
        places.append(total)
        size = math.prod(shape) * kind.itemsize
        total += -(-size // ALIGNMENT) * ALIGNMENT
    arena = torch.zeros(total, dtype=torch.uint8, device=device).fill_(0)
    root = torch.nn.Module()
    for (spec, kind, shape), place in zip(kinds, places):
        data = arena[place : place + math.prod(shape) * kind.itemsize].view(kind).view(shape)
        _put(root, spec.name, torch.nn.Parameter(data, requires_grad=False))
    return root


def _put(root: torch.nn.Module, name: str, parameter: torch.nn.Parameter) -> None:
    # Straight into the dictionaries: names of real checkpoints need not be Python attributes, and "a" may be beside
    # "a.b", which register_parameter refuses.
    *path, leaf = name.split(".")
    if not all(path):
        # named_parameters drops the dots of an empty segment; a whole name on the root it gives back as it is.
        path, leaf = [], name
    module = root
    for segment in path:
        module = module._modules.setdefault(segment, torch.nn.Module())
    module._parameters[leaf] = parameter


class BertEmbedder:
    """Sentence embeddings by transformers' BertModel: mean pooling, L2 norm."""

    def __init__(self, directory: str | Path, device: torch.device = HOST):
        from tokenizers import Tokenizer
        from transformers import BertConfig, BertModel

        directory = Path(directory)
        config = BertConfig.from_dict(json.loads((directory / "config.json").read_text()))
        weights = directory / "model.safetensors"
        pooler = weights.exists() and any(spec.name.startswith("pooler.") for spec in read_specs(weights))
        self.module = BertModel(config, add_pooling_layer=pooler).eval().requires_grad_(False).to(device)
        self._device = device
        self._tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self._tokenizer.enable_truncation(config.max_position_embeddings)
        self._tokenizer.enable_padding(pad_id=config.pad_token_id)

    def embed(self, texts: list[str]) -> torch.Tensor:
        """One row per text."""
        encodings = self._tokenizer.encode_batch(texts)
        ids = torch.tensor([e.ids for e in encodings], device=self._device)
        mask = torch.tensor([e.attention_mask for e in encodings], device=self._device)
        with torch.no_grad():
            hidden = self.module(input_ids=ids, attention_mask=mask).last_hidden_state
            weights = mask.unsqueeze(-1).to(hidden.dtype)
            pooled = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
            return torch.nn.functional.normalize(pooled, dim=1).to("cpu", torch.float32)


def embedding_digest(embeddings: torch.Tensor) -> str:
    """SHA-256 over the float32 values in little endian."""
    return hashlib.sha256(embeddings.contiguous().numpy().astype("<f4").tobytes()).hexdigest()
