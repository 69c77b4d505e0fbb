#!/usr/bin/env python3
"""Says in one line of JSON what compute-sanitizer and the tests that ran under it found; fails unless all was well.

Usage: sanitizer_report.py STATUS REPORT LOG, which are the run's exit status, JUnit's XML report and the sanitizer's
log.
"""

from __future__ import annotations

import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

SUMMARY = re.compile(r"ERROR SUMMARY: (\d+) error")


def tests(report: Path) -> tuple[int, int, int]:
    """How many tests ran, failed and were skipped."""
    try:
        suite = ElementTree.parse(report).getroot()
    except (OSError, ElementTree.ParseError) as e:
        print(f"no report of the tests: {e}", file=sys.stderr)
        return 0, 0, 0
    skipped = int(suite.get("skipped", "0"))
    failed = int(suite.get("failures", "0")) + int(suite.get("errors", "0"))
    return int(suite.get("tests", "0")) - skipped, failed, skipped


def memory_errors(log: Path) -> int | None:
    """None if the sanitizer came to no end."""
    try:
        counts = SUMMARY.findall(log.read_text(errors="replace"))
    except OSError as e:
        print(f"no log of the sanitizer: {e}", file=sys.stderr)
        return None
    return sum(map(int, counts)) if counts else None


def main() -> int:
    status, report, log = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    ran, failed, skipped = tests(report)
    errors = memory_errors(log)
    problems = []
    if ran == 0:
        problems.append("no test ran")
    if failed:
        problems.append(f"{failed} tests failed")
    if errors is None:
        problems.append("the sanitizer wrote no summary")
    elif errors:
        problems.append(f"{errors} memory errors")
    if status and not failed:
        problems.append(f"the run ended with status {status}")
    result = {"step": "sanitizer", "tool": "memcheck", "tests": ran, "failed": failed, "skipped": skipped}
    print(json.dumps({**result, "errors": errors, "problems": problems}))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
