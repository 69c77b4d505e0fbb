import signal
import subprocess
import sys

import pytest
import torch
from conformance import ROOT, write_architecture
from make_vectors import TENSORS

from inflight.engine.__main__ import main


def engine(directory, *flags: str) -> list[str]:
    write_architecture(directory / "a.safetensors", TENSORS)
    command = [sys.executable, "-m", "inflight.engine", "--link", str(directory / "none"), "--id", "e", "--model", "m"]
    return [*command, "--architecture", str(directory / "a.safetensors"), *flags]


def test_it_ends_when_the_process_it_was_tied_to_is_gone(tmp_path):
    # A process that has ended and been reaped is as gone as one that was killed.
    other = subprocess.Popen([sys.executable, "-c", ""])
    other.wait()
    done = subprocess.run(engine(tmp_path, "--exit-with-parent", str(other.pid)), cwd=ROOT, timeout=30)
    assert done.returncode == 0


def test_an_architecture_that_is_not_there_is_one_line(tmp_path):
    command = engine(tmp_path, "--architecture", "/no/such/checkpoint")
    done = subprocess.run(command, cwd=ROOT, timeout=30, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "inflight.engine: /no/such/checkpoint: no such file or directory\n"


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("gpu", '"gpu" is no device; say cpu, cuda, cuda:N or GPU-uuid'),
        ("cuda:x", '"cuda:x" is no device; say cpu, cuda, cuda:N or GPU-uuid'),
        ("cuda:4711", "there is no cuda:4711 here: this process sees"),
        ("GPU-00000000-0000-0000-0000-000000000000", "is not visible to this engine, which sees"),
    ],
)
def test_a_device_that_is_not_there_is_one_line(tmp_path, device, message):
    command = engine(tmp_path, "--device", device)
    done = subprocess.run(command, cwd=ROOT, timeout=30, capture_output=True, text=True)
    assert done.returncode == 2
    assert message in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--tp-rank", "2", "--tp-size", "2"), "rank 2 is not in 0 to 1"),
        (("--tp-size", "2", "--slices", "z.*=0"), "can not be cut into 2 equal parts (tpSize 2)"),
        (("--architecture", "bert:nowhere", "--slices", "*=0"), "the module of bert:DIR has whole tensors"),
    ],
)
def test_a_share_that_makes_no_sense_is_one_line(tmp_path, flags, message):
    done = subprocess.run(engine(tmp_path, *flags), cwd=ROOT, timeout=30, capture_output=True, text=True)
    assert done.returncode == 2
    assert message in done.stderr and done.stderr.count("\n") == 1


def test_a_module_that_can_not_be_loaded_into_is_one_line(monkeypatch, capsys):
    module = torch.nn.Linear(2, 2, device="meta")
    monkeypatch.setattr("inflight.engine.__main__.module_of", lambda specs, device: module)
    monkeypatch.setattr("inflight.engine.__main__.read_specs", lambda source: [])
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    threads = torch.get_num_threads()
    try:
        assert main(["--link", "none", "--id", "e", "--model", "m", "--architecture", "made-up"]) == 2
    finally:
        torch.set_num_threads(threads)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    error = capsys.readouterr().err
    assert error.startswith('inflight.engine: "weight" is on the meta device') and error.count("\n") == 1
