"""Which tensors of a checkpoint an engine wants at all (docs/ENGINE_LINK.md)."""

from __future__ import annotations

from dataclasses import dataclass

from inflight.messages import WantRule
from inflight.slices import matches

MOST_RULES = 512
MOST_PATTERN_BYTES = 256


class WantError(ValueError):
    """Rules that no worker would take."""


@dataclass(frozen=True)
class Wants:
    """The first rule that matches a tensor's name counts; a tensor that none matches is wanted. Raises WantError for
    more rules, or longer patterns, than a worker takes."""

    rules: tuple[WantRule, ...] = ()

    def __post_init__(self) -> None:
        if len(self.rules) > MOST_RULES:
            raise WantError(f"{len(self.rules)} rules say what is wanted; {MOST_RULES} are the most")
        for rule in self.rules:
            size = len(rule.pattern.encode())
            if not 1 <= size <= MOST_PATTERN_BYTES:
                raise WantError(
                    f"{rule.pattern!r:.80}: a pattern has 1 to {MOST_PATTERN_BYTES} bytes, this one has {size}"
                )

    def take(self, name: str) -> bool:
        """Whether a tensor of this name is wanted."""
        return next((rule.take for rule in self.rules if matches(rule.pattern, name)), True)


EVERYTHING = Wants()


def parse_wants(text: str) -> Wants:
    """Rules as on a command line: ``PATTERN,!PATTERN,...``, those with an exclamation mark not wanted. Raises
    WantError."""
    rules = text.split(",") if text else ()
    return Wants(tuple(WantRule(rule.removeprefix("!"), not rule.startswith("!")) for rule in rules))
