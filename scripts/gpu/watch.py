"""Asks engines without a pause and compares each answer with what the version it names must answer."""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.error
import urllib.request
from itertools import cycle

from made_up import SEEDS

PAUSE_SECONDS = 0.02
# Above what a paused engine lets a request wait.
ANSWER_SECONDS = 25.0
HEALTH_SECONDS = 2.0


class Watch:
    """Requests to one engine from a thread of its own; refused connections and errors are failures, not mixtures.

    :param expected: answers by seed, by version
    """

    def __init__(self, engine: str, url: str, expected: dict[str, dict[int, str]]):
        self.engine = engine
        self._url = url
        self._expected = expected
        self._stop = threading.Event()
        self._answered = 0
        self._mixed: list[str] = []
        self._failed: list[str] = []
        self._thread = threading.Thread(target=self._run, name=f"watch-{engine}", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        # Not joined: a request to a paused engine may take long.

    @property
    def answered(self) -> int:
        return self._answered

    @property
    def mixed(self) -> list[str]:
        """Answers that are not the named version's."""
        return list(self._mixed)

    @property
    def failed(self) -> list[str]:
        """What came instead of an answer."""
        return list(self._failed)

    def _run(self) -> None:
        for seed in cycle(SEEDS):
            if self._stop.wait(PAUSE_SECONDS):
                return
            status, body = get(f"{self._url}/answer?seed={seed}", ANSWER_SECONDS)
            if status != 200:
                self._failed.append(f"{time.strftime('%H:%M:%S')} {status} {body}")
                continue
            version, digest = body.get("version"), body.get("digest")
            if self._expected.get(version, {}).get(seed) != digest:
                self._mixed.append(f"seed {seed}: {digest} as {version}")
            self._answered += 1


def health(url: str) -> tuple[int, str | None]:
    """Status, and the version it serves."""
    status, body = get(f"{url}/health", HEALTH_SECONDS)
    return status, body.get("version")


def get(url: str, seconds: float) -> tuple[int, dict]:
    """Status and body; 0 and the error if there was no answer."""
    try:
        with urllib.request.urlopen(url, timeout=seconds) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as e:
        with e:
            return e.code, {"error": e.read().decode(errors="replace")}
    except (OSError, ValueError, http.client.HTTPException) as e:
        return 0, {"error": str(e)}
