#!/usr/bin/env python3
"""Draws an update's timeline from its Chrome trace: one row for each worker, its phases and each stage, time from left to right.

    python3 benchmarks/timeline.py update-in-place.json timeline.svg

The trace is what `./inflight bench gpu --trace DIR` or `inflight.worker.trace-dir` leaves.
"""

import json
import sys
from collections import defaultdict
from html import escape

WIDTH, LEFT, ROW, GAP = 1100, 150, 22, 6
COLOURS = {"phase": ("#6b7280", "#9ca3af"), "H2D": ("#3b6fb6", "#6f9bd6"), "verify": ("#8a6fb0", "#b39ad0"),
           "transfer": ("#c9822b", "#e3ab66"), "reload": ("#3f8f5f", "#78b98f")}
ORDER = list(COLOURS)
STEPS = ("manifest", "plan", "open")


def rows_of(trace: dict) -> dict[tuple[str, str], list[tuple[float, float]]]:
    rows = defaultdict(list)
    for event in trace["traceEvents"]:
        # Steps of preparing lie within it.
        if event.get("ph") == "X" and event.get("name") not in STEPS:
            rows[(str(event["pid"]), str(event["tid"]))].append((event["ts"], event["dur"]))
    return {key: sorted(rows[key]) for key in sorted(rows, key=lambda k: (k[0], ORDER.index(k[1])))}


def svg(rows: dict[tuple[str, str], list[tuple[float, float]]], title: str) -> str:
    begin = min(spans[0][0] for spans in rows.values())
    end = max(ts + dur for spans in rows.values() for ts, dur in spans)
    scale = (WIDTH - LEFT - 20) / (end - begin)
    height = 40 + len(rows) * (ROW + GAP) + 30
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
             f'font-size="12"><rect width="100%" height="100%" fill="white"/>'
             f'<text x="10" y="20" font-size="14">{escape(title)}</text>']
    y = 34
    for (worker, stage), spans in rows.items():
        busy = sum(dur for _, dur in spans) / (end - begin)
        label = f"{worker.rsplit('/', 1)[-1]}  {stage}"
        parts.append(f'<text x="10" y="{y + 15}">worker {escape(label)} ({busy:.0%})</text>')
        for i, (ts, dur) in enumerate(spans):
            parts.append(f'<rect x="{LEFT + (ts - begin) * scale:.1f}" y="{y}" width="{max(dur * scale, 0.4):.2f}" '
                         f'height="{ROW}" fill="{COLOURS[stage][i % 2]}"/>')
        y += ROW + GAP
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if (end - begin) / 1e3 / s <= 12)
    for ms in range(0, int((end - begin) / 1e3) + 1, step):
        x = LEFT + ms * 1e3 * scale
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="30" y2="{y}" stroke="#ccc"/>'
                     f'<text x="{x:.1f}" y="{y + 16}" text-anchor="middle">{ms} ms</text>')
    return "\n".join(parts) + "</svg>\n"


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        rows = rows_of(json.load(file))
    if not rows:
        sys.exit(f"{sys.argv[1]}: no events")
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write(svg(rows, "One update, stage by stage; each block is a bucket"))


if __name__ == "__main__":
    main()
