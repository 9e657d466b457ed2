"""Adaptive pooling, drawn: one tells it how many cells to give, and it finds out how far each of them looks."""

from collections.abc import Sequence

from explorer.figures.diagrams import BLUE, GREEN, ORANGE, _arrow, _svg, _text
from explorer.figures.style import SERIES

TINTS = (BLUE, ORANGE, GREEN, SERIES[3])


def adaptive(values: Sequence[Sequence[float]], rows: Sequence[tuple[int, int]], kind: str) -> str:
    """A square map of numbers, the cells that pool it, and what each of them gives.

    Args:
        values: the map.
        rows: where each cell looks along a side, (first, one past the last); the same across.
        kind: "max", "mean" or "both".
    """
    size, cells = len(values), len(rows)
    edge = min(34.0, 300.0 / size)
    small = 11.5 if edge > 26 else 9.5 if edge > 19 else 0.0
    body = []
    for i, row in enumerate(rows):
        for j, column in enumerate(rows):
            colour = TINTS[(i + j) % len(TINTS) if cells > 1 else 0]
            x, y = 10 + column[0] * edge, 26 + row[0] * edge
            width, height = (column[1] - column[0]) * edge, (row[1] - row[0]) * edge
            body.append(
                f'<rect x="{x + 1:.1f}" y="{y + 1:.1f}" width="{width - 2:.1f}" height="{height - 2:.1f}" rx="4" '
                f'fill="{colour}" fill-opacity="0.13" stroke="{colour}" stroke-width="1.5"/>'
            )
            if kind != "mean":
                top = max(
                    ((values[a][b], a, b) for a in range(*row) for b in range(*column)), key=lambda found: found[0]
                )
                body.append(
                    f'<circle cx="{10 + (top[2] + 0.5) * edge:.1f}" cy="{26 + (top[1] + 0.5) * edge:.1f}" '
                    f'r="{0.46 * edge:.1f}" stroke="{colour}" stroke-width="2.2"/>'
                )
    if small:
        body += [
            _text(10 + (b + 0.5) * edge, 26 + (a + 0.5) * edge + 0.35 * small, f"{value:.1f}", small)
            for a, line in enumerate(values)
            for b, value in enumerate(line)
        ]
    side = size * edge
    body.append(_text(10 + side / 2, 16, f"{size} × {size}", 13, font_weight="600"))
    at, middle = 10 + side + 96, 26 + side / 2
    body.append(_arrow(10 + side + 14, middle, at - 16, middle, "currentColor", 1.6))
    words = {"max": "largest", "mean": "mean", "both": "mean | largest"}[kind]
    body.append(_text((10 + side + at) / 2, middle - 10, words, 12))
    cell = 46.0
    for copy, which in enumerate(("mean", "max") if kind == "both" else (kind,)):
        left = at + copy * (cells * cell + 22)
        top_edge = middle - cells * cell / 2
        for i, row in enumerate(rows):
            for j, column in enumerate(rows):
                seen = [values[a][b] for a in range(*row) for b in range(*column)]
                value = max(seen) if which == "max" else sum(seen) / len(seen)
                colour = TINTS[(i + j) % len(TINTS) if cells > 1 else 0]
                body.append(
                    f'<rect x="{left + j * cell + 1:.1f}" y="{top_edge + i * cell + 1:.1f}" width="{cell - 2:g}" '
                    f'height="{cell - 2:g}" rx="5" fill="{colour}" fill-opacity="0.22" stroke="{colour}" '
                    'stroke-width="1.5"/>'
                    + _text(left + (j + 0.5) * cell, top_edge + (i + 0.5) * cell + 4.5, f"{value:.2f}", 13)
                )
        body.append(_text(left + cells * cell / 2, top_edge - 8, f"{which}: {cells} × {cells}", 12))
    width = at + (2 if kind == "both" else 1) * (cells * cell + 22) + 6
    title = f"A map of {size} × {size} pooled into {cells} × {cells} cells, by {words}."
    return _svg(width, max(26 + side, middle + cells * cell / 2) + 12, title, "".join(body))
