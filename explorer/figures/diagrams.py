"""Drawings as SVG: the lecture's arrows, the cells, the shrinking pictures, and miniatures of runs.

Lines and words take the page's own text colour (``currentColor``), so a drawing fits the light and the dark
page; only the lecture's arrows have colours of their own, and each also has a letter or a place of its own.
Every drawing carries its description as ``<title>``. No Streamlit, no torch.
"""

import html
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from explorer.figures import style
from explorer.ladders import Cut

if TYPE_CHECKING:
    from explorer.experiment import Experiment

GREEN, ORANGE, BLUE = style.SERIES[2], style.SERIES[1], style.SERIES[0]  #: the lecture's arrows: in, hidden, out
MOST_COLUMNS = 8  #: more characters than this are drawn as the first ones, an ellipsis and the last
_TEXT = "for those who think"


def _svg(width: float, height: float, title: str, body: str, css: str = "") -> str:
    words = html.escape(title)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{words}" style="width:100%;max-width:{width:g}px;height:auto;{css}" '
        f'font-family="inherit" fill="none" stroke="none"><title>{words}</title>{body}</svg>'
    )


def _text(x: float, y: float, words: str, size: float = 13, **rest: object) -> str:
    """Centred words; underscores in attribute names become hyphens."""
    given = {"text_anchor": "middle", "fill": "currentColor", **rest}
    attributes = " ".join(f'{name.replace("_", "-")}="{value}"' for name, value in given.items())
    return f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" {attributes}>{html.escape(words)}</text>'


def _arrow(x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 2.2, dash: str = "") -> str:
    """A straight arrow with its head at (x2, y2)."""
    length = math.hypot(x2 - x1, y2 - y1) or 1.0
    dx, dy = (x2 - x1) / length, (y2 - y1) / length
    head = 5.0 + width
    bx, by = x2 - head * dx, y2 - head * dy
    half = 0.5 * head
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<path d="M{x1:.1f} {y1:.1f}L{bx:.1f} {by:.1f}" stroke="{colour}" stroke-width="{width:g}"{dashed}/>'
        f'<path d="M{x2:.1f} {y2:.1f}L{bx - half * dy:.1f} {by + half * dx:.1f}L{bx + half * dy:.1f} '
        f'{by - half * dx:.1f}Z" fill="{colour}"/>'
    )


def _box(
    x: float,
    y: float,
    width: float,
    height: float,
    colour: str = "currentColor",
    radius: float = 7,
    opacity: float = 0.12,
) -> str:
    """A rectangle around the centre (x, y), faintly filled."""
    return (
        f'<rect x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:g}" height="{height:g}" rx="{radius:g}" '
        f'fill="{colour}" fill-opacity="{opacity:g}" stroke="{colour}" stroke-width="1.6"/>'
    )


def _circle(x: float, y: float, radius: float, colour: str = "currentColor") -> str:
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{colour}" fill-opacity="0.14" stroke="{colour}" '
        f'stroke-width="1.6"/>'
    )


def _columns(characters: int) -> list[int | None]:
    """Which characters are drawn; None is the ellipsis."""
    if characters <= MOST_COLUMNS:
        return list(range(characters))
    return [*range(MOST_COLUMNS - 2), None, characters - 1]


# -- recurrent nets ------------------------------------------------------------------------------------


def unrolled(experiment: "Experiment", text: str = _TEXT) -> str:
    """A language rung unrolled over the characters of one step, with the lecture's three arrows.

    It follows the settings: the window or bptt decides the columns, the cut of the text decides where a
    prediction is made, and statefulness and ``reset`` decide what comes in from the left.
    """
    cut, stream = experiment.rung.cut, experiment.rung.cut == Cut.STREAM
    count = experiment.bptt if stream else experiment.window
    everywhere = cut is not None and cut.everywhere
    shown = _columns(count)
    gap, left = 74.0, 92.0 if stream else 64.0
    width, height = left + gap * (len(shown) - 1) + (104.0 if stream else 64.0), 236.0
    y_out, y_hidden, y_in = 40.0, 116.0, 196.0
    parts: list[str] = []
    cell = {"gru": "GRU", "gru-cell": "GRU", "lstm": "LSTM"}.get(experiment.model, "h")
    for place, number in enumerate(shown):
        x = left + gap * place
        if number is None:
            parts.append(_text(x, y_hidden + 5, "···", 22) + _text(x, y_in + 5, "···", 18))
        else:
            character = text[number % len(text)]
            parts.append(_box(x, y_in, 30, 28) + _text(x, y_in + 5, "␣" if character == " " else character, 15))
            parts.append(_circle(x, y_hidden, 19) + _text(x, y_hidden + 4.5, cell, 12 if cell == "h" else 10.5))
            parts.append(_arrow(x, y_in - 15, x, y_hidden + 20, GREEN))
            if everywhere or number == count - 1:
                following = text[(number + 1) % len(text)]
                parts.append(_arrow(x, y_hidden - 20, x, y_out + 16, BLUE))
                parts.append(
                    _box(x, y_out, 30, 28, BLUE) + _text(x, y_out + 5, "␣" if following == " " else following, 15)
                )
        if place:
            parts.append(
                _arrow(
                    x - gap + (14 if shown[place - 1] is None else 20),
                    y_hidden,
                    x - (14 if number is None else 20),
                    y_hidden,
                    ORANGE,
                )
            )
    if stream:
        parts.append(_carried(left, left + gap * (len(shown) - 1), y_hidden, experiment.reset))
    else:
        parts.append(
            _text(left - 42, y_hidden + 4.5, "0", 14) + _arrow(left - 36, y_hidden, left - 20, y_hidden, ORANGE)
        )
    where = "after every character" if everywhere else "after the last character"
    title = (
        f"{count} characters unrolled: green arrows from input to hidden, orange from hidden to hidden, "
        f"blue from hidden to output {where}."
    )
    return _svg(width, height, title, "".join(parts))


def _carried(left: float, right: float, y: float, reset: str) -> str:
    """The state that comes in and goes out; scissors where its history is cut."""
    coming = {"never": "state", "epoch": "state", "batch": "0"}[reset]
    return (
        _text(left - 66, y - 12, coming, 12)
        + _arrow(left - 84, y, left - 20, y, ORANGE)
        + f'<path d="M{left - 44:.1f} {y - 34:.1f}V{y + 34:.1f}" stroke="currentColor" stroke-dasharray="3 4"/>'
        + _text(left - 44, y + 50, "no history", 11)
        + _arrow(right + 20, y, right + 84, y, ORANGE)
        + _text(right + 60, y - 12, "state", 12)
    )


def arrows_legend() -> str:
    """Which arrow is which."""
    rows = (
        (GREEN, "input → hidden", "l_in"),
        (ORANGE, "hidden → hidden", "l_hidden"),
        (BLUE, "hidden → output", "l_out"),
    )
    body = "".join(
        _arrow(8 + 190 * i, 16, 44 + 190 * i, 16, colour) + _text(52 + 190 * i, 20.5, words, 13, text_anchor="start")
        for i, (colour, words, _) in enumerate(rows)
    )
    return _svg(566, 32, "Green: input to hidden. Orange: hidden to hidden. Blue: hidden to output.", body)


def gru_cell(update: float = 0.5, reset: float = 0.5) -> str:
    """A GRU cell in PyTorch's form: h = n + z · (h − n). Its lines are as strong as the gates are open."""
    keep, new, look = 1.0 + 4.0 * update, 1.0 + 4.0 * (1.0 - update), 1.0 + 4.0 * reset
    body = (
        _box(330, 130, 400, 200, radius=16, opacity=0.05)
        + _text(70, 66, "h", 15)
        + _arrow(84, 62, 404, 62, ORANGE, keep)
        + _text(250, 52, f"keep z = {update:.2f}", 12)
        + _circle(420, 62, 15)
        + _text(420, 67, "+", 17)
        + _arrow(436, 62, 580, 62, ORANGE, 2.6)
        + _text(600, 67, "h′", 15)
        + _arrow(160, 64, 160, 120, ORANGE, look)
        + _circle(160, 138, 17)
        + _text(160, 143, "r", 13)
        + _text(196, 112, f"look {reset:.2f}", 12, text_anchor="start")
        + _arrow(178, 138, 288, 138, ORANGE, look)
        + _box(316, 138, 54, 34)
        + _text(316, 143, "tanh", 13)
        + _arrow(344, 138, 420, 138, BLUE, new)
        + _text(384, 158, "n", 13)
        + _arrow(420, 138, 420, 79, BLUE, new)
        + _text(430, 112, f"1 − z = {1 - update:.2f}", 12, text_anchor="start")
        + _text(316, 262, "x", 15)
        + _arrow(316, 246, 316, 157, GREEN, 2.4)
        + f'<path d="M316 212H160" stroke="{GREEN}" stroke-width="2.2"/>'
        + _arrow(160, 212, 160, 156, GREEN, 2.2)
    )
    title = (
        f"A GRU cell: the update gate keeps {update:.0%} of the old state, "
        f"the reset gate shows {reset:.0%} of it to the new one."
    )
    return _svg(640, 276, title, body)


def lstm_cell(forget: float = 0.5, let_in: float = 0.5, out: float = 0.5) -> str:
    """An LSTM cell: c = f · c + i · g, h = o · tanh(c). Its lines are as strong as the gates are open."""
    kept, taken, told = (1.0 + 4.0 * gate for gate in (forget, let_in, out))
    gates = ((190, "f", forget), (290, "i", let_in), (480, "o", out))
    body = _box(340, 140, 440, 220, radius=16, opacity=0.05)
    body += _text(64, 61, "c", 15) + _arrow(78, 56, 176, 56, ORANGE, 2.6) + _arrow(206, 56, 316, 56, ORANGE, kept)
    body += _circle(190, 56, 14) + _text(190, 61, "×", 15) + _circle(332, 56, 14) + _text(332, 61, "+", 16)
    body += _arrow(347, 56, 588, 56, ORANGE, 2.6) + _text(608, 61, "c′", 15)
    body += _arrow(332, 116, 332, 72, BLUE, taken) + _circle(332, 130, 14) + _text(332, 135, "×", 15)
    body += _box(376, 190, 50, 30) + _text(376, 195, "tanh", 12) + _arrow(376, 174, 345, 138, BLUE, 2.2)
    body += _text(384, 156, "g", 12) + _arrow(290, 174, 319, 138, BLUE, taken)
    body += _arrow(190, 174, 190, 71, BLUE, kept)
    body += _arrow(480, 58, 480, 114, ORANGE, 2.2) + _circle(480, 130, 14) + _text(480, 135, "×", 15)
    body += _text(490, 90, "tanh", 12, text_anchor="start") + _arrow(480, 174, 480, 146, BLUE, told)
    body += _arrow(495, 130, 588, 130, BLUE, told) + _text(608, 135, "h′", 15)
    for x, name, value in gates:
        body += (
            _circle(x, 190, 15) + _text(x, 195, name, 13) + _text(x - 20, 178, f"{value:.2f}", 11, text_anchor="end")
        )
    body += f'<path d="M84 236H480" stroke="{GREEN}" stroke-width="2.2"/>' + _text(60, 241, "h, x", 15)
    body += "".join(_arrow(x, 236, x, 207, GREEN, 2.0) for x in (190, 290, 376, 480))
    title = f"An LSTM cell: it forgets all but {forget:.0%} of c, lets {let_in:.0%} of the new in, and tells {out:.0%}."
    return _svg(640, 276, title, body)


# -- convolutions --------------------------------------------------------------------------------------


def conv_ladder(sides: Sequence[int], widths: Sequence[int] = ()) -> str:
    """The picture's side after each layer, to scale: 32 → 15 → 7 → 3 → 1.

    Args:
        sides: pixels a side, from the picture on.
        widths: channels of each of them, where known; drawn as that many sheets, at most six.
    """
    scale, gap = 104.0 / max(sides), 46.0
    sheets = [min(6, max(1, round(math.log2(w)))) for w in widths] if widths else [1] * len(sides)
    at, body = 14.0, []
    for place, side in enumerate(sides):
        edge, layers = max(5.0, side * scale), sheets[place] if place < len(sheets) else 1
        top = 74.0 - edge / 2
        for sheet in reversed(range(layers)):
            body.append(
                f'<rect x="{at + 3.5 * sheet:.1f}" y="{top - 3.5 * sheet:.1f}" width="{edge:.1f}" height="{edge:.1f}" '
                f'rx="1.5" fill="{BLUE}" fill-opacity="0.16" stroke="{BLUE}" stroke-width="1.3"/>'
            )
        middle = at + edge / 2
        body.append(_text(middle, 152, str(side), 16, font_weight="600"))
        if place < len(widths):
            body.append(_text(middle, 170, f"× {widths[place]}", 11.5))
        at += edge + 3.5 * (layers - 1)
        if place + 1 < len(sides):
            body.append(_arrow(at + 8, 74, at + gap - 8, 74, "currentColor", 1.6))
            at += gap
    title = "Pixels a side, layer by layer: " + " to ".join(str(side) for side in sides) + "."
    return _svg(at + 30, 180, title, "".join(body))


def shared_weights(inputs: int = 3072, units: int = 40, kernel: int = 3, channels: int = 3, filters: int = 20) -> str:
    """Weights of a fully connected layer and of a convolution as areas to the same scale."""
    full, shared = inputs * units, filters * (channels * kernel * kernel + 1)
    edge = 120.0
    small = max(2.0, edge * math.sqrt(shared / full))
    body = (
        f'<rect x="10" y="10" width="{edge:g}" height="{edge:g}" rx="3" fill="{ORANGE}" fill-opacity="0.2" '
        f'stroke="{ORANGE}"/>'
        f'<rect x="220" y="{130 - small:.1f}" width="{small:.1f}" height="{small:.1f}" fill="{BLUE}" stroke="{BLUE}"/>'
        + _text(70, 152, f"{full:,}", 15, font_weight="600")
        + _text(70, 170, "fully connected", 12)
        + _text(240, 152, f"{shared:,}", 15, font_weight="600")
        + _text(240, 170, "convolution", 12)
    )
    return _svg(310, 180, f"{full:,} weights against {shared:,}, as areas.", body)


# -- miniatures ----------------------------------------------------------------------------------------


def sparkline(
    values: Sequence[float],
    dots: Sequence[tuple[float, float]] = (),
    reference: Sequence[tuple[float, float]] = (),
    *,
    colour: str = style.TRAIN,
    title: str = "A small curve.",
    width: int = 240,
    height: int = 58,
) -> str:
    """A small curve without axes: ``values`` evenly over [0, 1], ``dots`` and a dashed ``reference`` as (x, y)."""
    settled = [v for v in values[len(values) // 25 :] if math.isfinite(v)]
    every = [*settled, *(y for _, y in dots), *(y for _, y in reference)]
    if not every:
        return _svg(width, height, title, "")
    low, high = min(every), max(every)
    span = (high - low) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        return 4 + x * (width - 8), 5 + (height - 10) * (1 - min(1.0, max(0.0, (y - low) / span)))

    def line(points: Sequence[tuple[float, float]]) -> str:
        return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in (place(x, y) for x, y in points))

    body = ""
    finite = [(i / max(1, len(values) - 1), v) for i, v in enumerate(values) if math.isfinite(v)]
    if len(finite) > 1:
        body += f'<path d="{line(finite)}" stroke="{colour}" stroke-width="1.4" stroke-opacity="0.55"/>'
    if len(reference) > 1:
        body += f'<path d="{line(reference)}" stroke="{style.LECTURE}" stroke-width="1.4" stroke-dasharray="4 3"/>'
    if len(dots) > 1:
        body += f'<path d="{line(dots)}" stroke="{colour}" stroke-width="2.2" stroke-linejoin="round"/>'
    for x, y in dots[-1:]:
        a, b = place(x, y)
        body += f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.4" fill="{colour}"/>'
    return _svg(width, height, title, body)


def heat(values: Sequence[Sequence[float]], title: str, cell: int = 14) -> str:
    """A small heat map of numbers in [0, 1]: squares as large and as dark as the value, so not by colour alone."""
    body = "".join(
        f'<rect x="{x * cell + cell * (1 - s) / 2:.1f}" y="{y * cell + cell * (1 - s) / 2:.1f}" width="{cell * s:.1f}" '
        f'height="{cell * s:.1f}" fill="{ORANGE}" fill-opacity="{0.25 + 0.75 * v:.2f}"/>'
        for y, row in enumerate(values)
        for x, v in enumerate(row)
        for s in [0.3 + 0.66 * min(1.0, max(0.0, v))]
    )
    return _svg(cell * len(values[0]), cell * len(values), title, body)


#: the 7 × 7 map the lecture printed for its cat
LECTURE_MAP = (
    (0.12739, 0.16946, 0.14072, 0.13504, 0.17374, 0.18246, 0.07364),
    (0.27871, 0.32266, 0.26193, 0.20904, 0.24067, 0.24784, 0.11502),
    (0.53374, 0.6641, 0.59405, 0.48618, 0.49895, 0.44552, 0.23511),
    (0.68743, 0.8717, 0.80648, 0.7566, 0.855, 0.79022, 0.454),
    (0.61305, 0.79002, 0.74769, 0.74808, 0.96233, 1.0, 0.62686),
    (0.31683, 0.41362, 0.41097, 0.46197, 0.70958, 0.85436, 0.59416),
    (0.01643, 0.01299, 0.0, 0.00983, 0.15675, 0.29076, 0.22025),
)
