"""A mini-batch as the lecture draws it: x beside y, the streams it is cut from, and how the loss lays it flat."""

from collections.abc import Sequence

from explorer.figures.diagrams import BLUE, GREEN, ORANGE, _arrow, _svg, _text

CELL, ROW = 21.0, 20.0
MOST = 14  #: places in time that are drawn; what is longer has an ellipsis


def beside(
    x: Sequence[Sequence[str]], y: Sequence[Sequence[str]], then: Sequence[Sequence[str]], names: Sequence[str]
) -> str:
    """Rows of cells: what the model reads, what it must say at each place, and how the next batch goes on.

    Args:
        x, y, then: a row a stream, a cell a place in time; ``then`` may be empty.
        names: of the rows.
    """
    size = 10.5 if any(len(cell) > 1 for row in x for cell in row) else 13.0
    blocks = [("x", x, BLUE, 0.17), ("y", y, ORANGE, 0.17), ("the next batch's x", then, GREEN, 0.08)]
    blocks = [block for block in blocks if block[1] and len(block[1][0])]
    at, body = 38.0, []
    for title, rows, colour, fill in blocks:
        shown = min(MOST, len(rows[0]))
        cut = len(rows[0]) > MOST
        width = shown * CELL
        body.append(_text(at, 16, title, 13, text_anchor="start", font_weight="600"))
        for place, row in enumerate(rows):
            top = 26 + place * ROW
            body.append(
                f'<rect x="{at:g}" y="{top:g}" width="{width:g}" height="{ROW - 2:g}" rx="3" fill="{colour}" '
                f'fill-opacity="{fill:g}"/>'
            )
            body += [
                _text(at + (column + 0.5) * CELL, top + 13.5, cell, size, font_family="monospace")
                for column, cell in enumerate(row[:shown])
            ]
            if cut:
                body.append(_text(at + width + 9, top + 12.5, "…", 12))
        at += width + (48 if cut else 30)
    body += [
        _text(30, 26 + place * ROW + 13.5, name, 11, text_anchor="end", opacity="0.75")
        for place, name in enumerate(names)
    ]
    height = 30 + len(names) * ROW
    return _svg(at, height, "A mini-batch: a row a stream, x, then y, which is x one character on.", "".join(body))


def streams(count: int, length: int, start: float, size: int) -> str:
    """The text as ``count`` streams, one below the other, and where in all of them a batch lies.

    Args:
        length: characters of a stream.
        start: share of each stream that comes before the batch.
        size: characters of the batch in each stream.
    """
    rows, width, left = 12, 620.0, 46.0
    body = []
    for row in range(rows):
        y = 16.0 + row * 9 + (12 if row == rows - 1 else 0)
        opacity = 0.32 if row % 2 else 0.5
        body.append(
            f'<rect x="{left:g}" y="{y:g}" width="{width:g}" height="5" rx="2.5" fill="currentColor" '
            f'fill-opacity="{opacity:g}"/>'
        )
    bottom = 16.0 + rows * 9 + 12
    x = left + start * width
    span = max(3.0, width * size / length)
    told, anchor = ((x + span + 46, bottom + 18), "start") if start < 0.5 else ((x - 8, bottom + 18), "end")
    body += [
        _text(left - 8, 22, "1", 11, text_anchor="end"),
        _text(left + width / 2, 16 + (rows - 1) * 9 + 6, "⋯", 14),
        _text(left - 8, 16 + (rows - 1) * 9 + 18, str(count), 11, text_anchor="end"),
        f'<rect x="{x:.1f}" y="8" width="{span:.1f}" height="{bottom - 2:g}" rx="2" fill="{BLUE}" '
        'fill-opacity="0.85"/>',
        _arrow(x + span + 2, bottom + 14, x + span + 40, bottom + 14, "currentColor", 1.4),
        _text(*told, f"{size} characters of each, then the next batch", 12, text_anchor=anchor),
    ]
    title = f"{count} streams of {length:,} characters; the batch takes {size} characters of each, at the same place."
    return _svg(left + width + 60, bottom + 28, title, "".join(body))


def flattened(time: int, batch: int, vocabulary: int) -> str:
    """Logits of rank 3 and targets of rank 2, laid flat so that the softmax sees rows: ``.view(-1, vocabulary)``."""
    flat = f"{time * batch:,}"
    body = []
    x, y, w, h, d = 66.0, 56.0, 92.0, 60.0, 34.0
    edge = f'stroke="{BLUE}" stroke-width="1.4" fill="{BLUE}"'
    body += [
        f'<path d="M{x} {y}h{w}v{h}h{-w}z" {edge} fill-opacity="0.2"/>',
        f'<path d="M{x} {y}l{d} {-d * 0.6:g}h{w}l{-d} {d * 0.6:g}z" {edge} fill-opacity="0.1"/>',
        f'<path d="M{x + w} {y}l{d} {-d * 0.6:g}v{h}l{-d} {d * 0.6:g}z" {edge} fill-opacity="0.3"/>',
        _text(x - 8, y + h / 2 + 4, f"time {time}", 12, text_anchor="end"),
        _text(x + w / 2, y + h + 16, f"batch {batch}", 12),
        _text(x + w + d / 2 + 10, y + h + 4, f"alphabet {vocabulary}", 12, text_anchor="start"),
        _text(x + w / 2, 18, "predictions", 13, font_weight="600"),
        _arrow(300, y + h / 2, 366, y + h / 2, "currentColor", 1.6),
        _text(333, y + h / 2 - 10, f".view(-1, {vocabulary})", 12),
        f'<rect x="392" y="34" width="46" height="128" rx="3" {edge} fill-opacity="0.2"/>',
        _text(415, 18, f"{flat} × {vocabulary}", 13, font_weight="600"),
    ]
    body += [f'<path d="M392 {34 + 16 * i}h46" stroke="{BLUE}" stroke-opacity="0.5"/>' for i in range(1, 8)]
    mark = f'stroke="{ORANGE}" stroke-width="1.4" fill="{ORANGE}"'
    body += [
        f'<rect x="{x}" y="176" width="{w}" height="{h}" rx="2" {mark} fill-opacity="0.2"/>',
        _text(x - 8, 176 + h / 2 + 4, f"time {time}", 12, text_anchor="end"),
        _text(x + w / 2, 176 + h + 16, f"batch {batch}: actual characters", 12),
        f'<path d="M{x + w + 8} 206H470V180" stroke="currentColor" stroke-width="1.6"/>',
        _arrow(470, 190, 470, 166, "currentColor", 1.6),
        f'<rect x="462" y="34" width="16" height="128" rx="3" {mark} fill-opacity="0.25"/>',
        _text(500, 18, flat, 13, font_weight="600"),
        _text(490, 102, "row by row: −log p of the right one", 12, text_anchor="start"),
    ]
    title = f"{time} × {batch} predictions over {vocabulary} characters become {flat} rows, beside {flat} targets."
    return _svg(700, 262, title, "".join(body))
