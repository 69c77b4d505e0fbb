import json

import pytest
from conformance import SESSIONS, Violation, python_engine, run_session


@pytest.mark.parametrize("path", SESSIONS, ids=lambda p: p.stem)
def test_the_python_engine_follows(path):
    run_session(path, python_engine())


def test_the_runner_notices_an_engine_that_does_not_follow(tmp_path):
    script = json.loads(next(p for p in SESSIONS if p.stem == "modes").read_text())
    script["steps"][-1]["http"]["expect"]["digest"] = "0123456789abcdef"
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(script))
    with pytest.raises(Violation, match="expected '0123456789abcdef'"):
        run_session(path, python_engine())
