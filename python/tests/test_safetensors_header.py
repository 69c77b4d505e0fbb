import json
from pathlib import Path

import pytest

from inflight.safetensors_header import CheckpointError, TensorSpec, read_specs

A = {"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}}
B = {"b": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}}


def write(path: Path, header: dict | str) -> Path:
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(4))
    return path


def write_index(directory: Path, text: str) -> Path:
    path = directory / "model.safetensors.index.json"
    path.write_text(text)
    return path


def refusal(source: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        read_specs(source)
    return str(caught.value)


def test_specs_are_read_from_files_directories_and_indexes(tmp_path):
    one = write(tmp_path / "one.safetensors", {**A, "__metadata__": {"x": "y"}})
    write(tmp_path / "two.safetensors", B)
    assert read_specs(one) == [TensorSpec("a", "U8", (4,))]
    assert [s.name for s in read_specs(tmp_path)] == ["a", "b"]
    index = write_index(tmp_path, json.dumps({"metadata": {}, "weight_map": {"b": "two.safetensors"}}))
    assert [s.name for s in read_specs(tmp_path)] == [s.name for s in read_specs(index)] == ["b"]


def test_what_is_not_there_is_named(tmp_path):
    assert refusal(tmp_path / "none").endswith("none: no such file or directory")
    assert refusal(tmp_path).endswith("no *.safetensors in it")
    index = write_index(tmp_path, '{"weight_map": {"a": "one.safetensors"}}')
    assert refusal(tmp_path) == f'{index}: tensor "a" is said to be in "one.safetensors", which does not exist'


def test_a_tensor_in_two_files_is_refused(tmp_path):
    write(tmp_path / "one.safetensors", A)
    two = write(tmp_path / "two.safetensors", A)
    assert refusal(tmp_path) == f'{two}: tensor "a" is in another file too'


@pytest.mark.parametrize("name", ["/etc/passwd", "../x.safetensors", "a/../../x", "..", ".", "", "a//b", "./a", 3, {}])
def test_an_index_must_not_reach_outside_its_directory(tmp_path, name):
    (tmp_path / "inside").mkdir()
    write(tmp_path / "x.safetensors", A)
    index = write_index(tmp_path / "inside", json.dumps({"weight_map": {"a": name}}))
    assert refusal(index).startswith(f'{index}: tensor "a" is said to be in {json.dumps(name)}; only plain paths')


def test_links_in_the_directory_are_followed(tmp_path):
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot/one.safetensors").symlink_to(write(tmp_path / "blob", A))
    write_index(tmp_path / "snapshot", '{"weight_map": {"a": "one.safetensors"}}')
    assert read_specs(tmp_path / "snapshot") == [TensorSpec("a", "U8", (4,))]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"weight_map": {"a": "x", "a": "y"}}', 'weight_map has "a" twice'),
        ('{"weight_map": {}, "weight_map": {}}', 'the index has "weight_map" twice'),
        ('{"weight_map": {}}', "weight_map has no entries"),
        ('{"weight_map": []}', "weight_map is not a JSON object"),
        ("{}", "weight_map is not a JSON object"),
        ("[]", "the index is not a JSON object"),
        ("{", "not an index of safetensors"),
    ],
)
def test_a_bad_index_is_refused(tmp_path, text, message):
    index = write_index(tmp_path, text)
    assert refusal(index).startswith(f"{index}: {message}")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ('{"a": {"dtype": "U8", "shape": []}, "a": {"dtype": "U8", "shape": []}}', 'the header has "a" twice'),
        ('{"a": {"dtype": "U8", "shape": [2], "shape": [3]}}', 'tensor "a" has "shape" twice'),
        ('{"a": {"dtype": "U8", "shape": [2, -1]}}', 'tensor "a": its shape [2, -1] is not a list of sizes'),
        ('{"a": {"dtype": "U8", "shape": [1.0]}}', 'tensor "a": its shape [1.0] is not'),
        ('{"a": {"dtype": "U8", "shape": [true]}}', 'tensor "a": its shape [true] is not'),
        ('{"a": {"dtype": "U8", "shape": {}}}', 'tensor "a": its shape {} is not'),
        ('{"a": {"dtype": "U8"}}', 'tensor "a": its shape null is not'),
        ('{"a": {"shape": []}}', 'tensor "a" has no dtype'),
        ('{"a": {"dtype": "F99", "shape": []}}', 'tensor "a": unknown dtype "F99"'),
        ('{"a": {"dtype": "F4", "shape": [3]}}', 'tensor "a": F4 of shape [3] is 12 bits'),
        ('{"a": []}', 'tensor "a" is not a JSON object'),
        ("[]", "the header is not a JSON object"),
        ("{", "not a header of safetensors"),
    ],
)
def test_a_bad_header_is_refused_by_file_and_tensor(tmp_path, header, message):
    file = write(tmp_path / "one.safetensors", header)
    assert refusal(file).startswith(f"{file}: {message}")
