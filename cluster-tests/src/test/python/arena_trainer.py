"""A trainer that publishes tensors out of its own memory, and one that dies with an arena in its hands.

arena_trainer.py COORDINATOR MODEL publish   publishes v1 and v2, updates to each, verifies; prints a line for each
arena_trainer.py COORDINATOR MODEL hold      borrows an arena, prints its lease, and does no more
"""

import dataclasses
import json
import sys
import time

import numpy

from inflight import arena
from inflight.trainer import Trainer


def tensors(seed: int):
    random = numpy.random.default_rng(seed)
    for layer, elements in enumerate([1_500_000, 700_001, 3, 400_000]):
        yield f"layers.{layer}.weight", random.standard_normal(elements, dtype=numpy.float32)
        yield f"layers.{layer}.bias", random.integers(0, 256, elements // 2 + 1, dtype=numpy.uint8)
    yield "embedding", random.standard_normal((2000, 500), dtype=numpy.float32).astype(numpy.float16).T


def publish(trainer: Trainer, model: str) -> None:
    for seed, version in enumerate(["v1", "v2"]):
        published = trainer.wait(trainer.publish(model, version, tensors(seed)))
        updated = trainer.wait(trainer.update(model, version))
        verified = trainer.wait(trainer.verify(model))
        results = [dataclasses.asdict(operation.result) for operation in (published, updated, verified)]
        print(json.dumps(dict(zip(["published", "updated", "verified"], results))), flush=True)


def hold(trainer: Trainer) -> None:
    layout = arena.lay_out(tensors(0))
    lease = trainer._ready(trainer._lend(layout.bytes, None))
    arena.write(layout, lease["path"])
    print(json.dumps(lease), flush=True)
    time.sleep(3600)


if __name__ == "__main__":
    coordinator, model, deed = sys.argv[1:]
    if deed == "publish":
        publish(Trainer(coordinator), model)
    else:
        hold(Trainer(coordinator))
