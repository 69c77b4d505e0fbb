"""Makes two versions of all-MiniLM-L6-v2 and says what fresh models of both embed.

``python minilm_versions.py DIRECTORY`` writes v1/ (the real weights), v2/ (with a little seeded noise) and expected.json.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

PYTHON = Path(__file__).resolve().parents[4] / "python"
sys.path[:0] = [str(PYTHON), str(PYTHON / "tests")]

from test_minilm import TEXTS, find_jar, fresh  # noqa: E402

from inflight.engine.architecture import embedding_digest  # noqa: E402
from inflight.tools.onnx_weights import extract  # noqa: E402


def main(directory: Path) -> None:
    torch.set_num_threads(1)
    jar = find_jar()
    if jar is None:
        sys.exit("no MiniLM jar in python/target or ~/.m2; mvn verify puts it there")
    for version in ("v1", "v2"):
        extract(jar, directory / version)
    generator = torch.Generator().manual_seed(2)
    weights = load_file(directory / "v2/model.safetensors")
    noisy = {k: v + 0.01 * v.std(correction=0) * torch.randn(v.shape, generator=generator) for k, v in weights.items()}
    save_file(noisy, directory / "v2/model.safetensors")
    expected = {"texts": TEXTS}
    for version in ("v1", "v2"):
        embeddings = fresh(directory / version).embed(TEXTS)
        expected[version] = {"embeddings": embeddings.tolist(), "sha256": embedding_digest(embeddings)}
    (directory / "expected.json").write_text(json.dumps(expected))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
