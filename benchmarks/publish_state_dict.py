"""Times publish(state_dict) of the Python trainer against a memory copy of the same run.

PYTHONPATH=python python3 benchmarks/publish_state_dict.py [--coordinator URL] [--bytes N] [--runs N] [--torch]

Needs a coordinator and one worker host on this machine, and numpy (torch with --torch). Equal bytes are published again
under one version for each framework, so from the second time on the arena is one that was used before; the first is told apart.
"""

import argparse
import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import numpy
from inflight import arena
from inflight.trainer import Trainer

TENSOR_BYTES = 32 << 20
CEILING_BYTES = 256 << 20


def tensors(size: int, as_torch: bool) -> dict:
    random = numpy.random.default_rng(1)
    made = {}
    for index in range(max(1, size // TENSOR_BYTES)):
        array = random.integers(0, 1 << 16, min(size, TENSOR_BYTES) // 2, dtype=numpy.uint16)
        made[f"layers.{index}.weight"] = array
    if as_torch:
        import torch

        made = {name: torch.from_numpy(array).view(torch.bfloat16) for name, array in made.items()}
    return made


def ceiling() -> float:
    """GB/s of two threads that each copy from touched memory to touched memory; median of 7 rounds."""
    pairs = [(numpy.ones(CEILING_BYTES, numpy.uint8), numpy.ones(CEILING_BYTES, numpy.uint8)) for _ in range(2)]
    rates = []
    with ThreadPoolExecutor(2) as pool:
        for _ in range(7):
            begin = time.perf_counter()
            list(pool.map(lambda pair: numpy.copyto(*pair), pairs))
            rates.append(2 * CEILING_BYTES / 1e9 / (time.perf_counter() - begin))
    return statistics.median(rates)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--coordinator", default="http://127.0.0.1:8780")
    parser.add_argument("--bytes", type=int, default=1 << 30)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--torch", action="store_true")
    options = parser.parse_args()

    framework = "torch" if options.torch else "numpy"
    trainer = Trainer(options.coordinator)
    state_dict = tensors(options.bytes, options.torch)
    size = arena.lay_out(state_dict).bytes
    writes = []
    write = arena.write

    def timed_write(*arguments):
        begin = time.perf_counter()
        write(*arguments)
        writes.append(time.perf_counter() - begin)

    arena.write = timed_write
    seconds, published = [], []
    for _ in range(options.runs + 1):
        begin = time.perf_counter()
        result = trainer.wait(trainer.publish("bench", framework, state_dict)).result
        seconds.append(time.perf_counter() - begin)
        published.append(result.seconds)
    median, copy = statistics.median(seconds[1:]), ceiling()
    gbps = size / 1e9 / median
    print(
        json.dumps(
            {
                "bench": "publish-state-dict",
                "framework": framework,
                "bytes": size,
                "tensors": len(state_dict),
                "runs": options.runs,
                "firstSeconds": round(seconds[0], 3),
                "seconds": round(median, 4),
                "writeSeconds": round(statistics.median(writes[1:]), 4),
                "publishSeconds": round(statistics.median(published[1:]), 4),
                "publishGBps": round(gbps, 3),
                "ceilingGBps": round(copy, 2),
                "ratio": round(gbps / copy, 3),
                "digest": result.digest,
            }
        )
    )


if __name__ == "__main__":
    main()
