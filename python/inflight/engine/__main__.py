"""``python -m inflight.engine``: flags, and the process's life."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import os
import signal
import sys
import threading

from inflight.engine.process import favour_short_waits, stream_large_copies

if __name__ == "__main__":
    stream_large_copies()  # Before torch, whose import is most of the time to start.

import torch

from inflight.adapters.torch_module import TorchAdapterError
from inflight.cuda_devices import DeviceError, named
from inflight.engine.architecture import BertEmbedder, module_of
from inflight.engine.serving import Application, EngineServer, ServedModule
from inflight.engine_link import EngineLink
from inflight.gate import Gate
from inflight.safetensors_header import CheckpointError, read_specs
from inflight.session import IN_PLACE, SHADOW, Session
from inflight.slices import SliceError, TensorParallel, parse_rules
from inflight.wants import EVERYTHING, WantError, Wants, parse_wants

BERT = "bert:"
PARENT_POLL_SECONDS = 1.0
CRASHED = 70


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m inflight.engine", description=__doc__)
    parser.add_argument("--link", required=True, metavar="SOCKET", help="the worker's Unix socket")
    parser.add_argument("--id", required=True, help="this engine's id")
    parser.add_argument("--model", required=True, help="the model it serves")
    parser.add_argument(
        "--architecture", required=True, help="safetensors file or directory to take names and shapes from, or bert:DIR"
    )
    parser.add_argument(
        "--device", default="cpu", help="where the weights live: cpu, cuda (the first visible GPU), cuda:N or GPU-uuid"
    )
    parser.add_argument("--modes", type=_modes, default=(IN_PLACE, SHADOW), help="load modes to offer")
    parser.add_argument("--reserve-shadow", action="store_true", help="allocate the second set of storages at start")
    parser.add_argument("--tp-rank", type=int, default=0, metavar="RANK", help="its rank in a tensor-parallel group")
    parser.add_argument("--tp-size", type=int, default=1, metavar="N", help="how many ranks the group has")
    parser.add_argument(
        "--slices",
        type=_rules,
        default=(),
        metavar="PATTERN=DIM,...",
        help="which tensors are cut, along which dimension; the first pattern that matches a name counts",
    )
    parser.add_argument(
        "--wants",
        type=_wants,
        default=EVERYTHING,
        metavar="PATTERN,!PATTERN,...",
        help="which tensors it wants, and with an exclamation mark which it does not; the first that matches counts",
    )
    parser.add_argument("--http-port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--announce", metavar="FILE", help="where to write the address, once it is up")
    parser.add_argument(
        "--pause-timeout-ms", type=int, default=60000, help="how long a request waits for a paused engine"
    )
    parser.add_argument("--exit-with-parent", type=int, metavar="PID", help="end when this process is gone")
    return parser.parse_args(arguments)


def _modes(text: str) -> tuple[str, ...]:
    modes = tuple(text.split(","))
    if not set(modes) <= {IN_PLACE, SHADOW}:
        raise argparse.ArgumentTypeError(f"{text}: each must be {IN_PLACE} or {SHADOW}")
    return modes


def _rules(text: str) -> tuple:
    try:
        return parse_rules(text)
    except SliceError as e:
        raise argparse.ArgumentTypeError(str(e)) from None


def _wants(text: str) -> Wants:
    try:
        return parse_wants(text)
    except WantError as e:
        raise argparse.ArgumentTypeError(str(e)) from None


def announce(path: str, engine: str, url: str) -> None:
    """Writes the file under another name first, so that nobody reads half of it."""
    partial = f"{path}.{os.getpid()}.partial"
    with open(partial, "w") as file:
        json.dump({"engine": engine, "pid": os.getpid(), "http": url}, file)
    os.rename(partial, path)


def main(arguments: list[str] | None = None) -> int:
    flags = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    stop = threading.Event()
    status = 0
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def crashed(_: BaseException) -> None:
        nonlocal status
        status = CRASHED
        stop.set()

    favour_short_waits()
    torch.set_num_threads(1)  # Embeddings must not depend on how a sum was split over threads.
    parent = os.getppid()
    embedder = None
    try:
        device = named(flags.device)
        share = TensorParallel(flags.tp_rank, flags.tp_size, flags.slices)
        if flags.architecture.startswith(BERT):
            if share.rules:
                raise SliceError("--slices: the module of bert:DIR has whole tensors")
            if flags.wants.rules:
                raise WantError("--wants: the module of bert:DIR needs all tensors")
            embedder = BertEmbedder(flags.architecture.removeprefix(BERT), device)
            module = embedder.module
        else:
            specs = [spec for spec in read_specs(flags.architecture) if flags.wants.take(spec.name)]
            sliced = [dataclasses.replace(s, shape=share.slice(s.name, s.dtype, s.shape).shape) for s in specs]
            module = module_of(sliced, device)
        adapter = ServedModule(module, flags.reserve_shadow)
    except (
        CheckpointError,
        DeviceError,
        SliceError,
        WantError,
        TorchAdapterError,
        torch.OutOfMemoryError,
        OSError,
    ) as e:
        print(f"inflight.engine: {e}", file=sys.stderr)
        return 2
    gate = Gate(wait_seconds=flags.pause_timeout_ms / 1000)
    session = Session(flags.model, adapter, gate, flags.modes, share, flags.wants)
    server = EngineServer(flags.http_port, Application(flags.id, flags.model, session, gate, adapter, embedder))
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    EngineLink(flags.link, flags.id, flags.model, session, adapter.device, on_crash=crashed).start()
    if flags.announce:
        announce(flags.announce, flags.id, server.url)
    while not stop.wait(PARENT_POLL_SECONDS):
        if flags.exit_with_parent and _is_gone(flags.exit_with_parent, parent):
            break
    return status


def _is_gone(pid: int, parent: int) -> bool:
    if pid == parent:
        return os.getppid() != pid
    try:
        os.kill(pid, 0)
        return False
    except ProcessLookupError:
        return True
    except PermissionError:
        return False


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # The threads are daemons and may be inside torch, which a regular interpreter exit would pull away under them.
    os._exit(code)
