"""The lecture as a map: a card for each station, with its idea, its recorded run in small, and two numbers."""

import functools
import html
import json
from collections.abc import Sequence
from urllib.parse import urlencode

import numpy as np

from explorer import ladders, limits, paths
from explorer.figures import diagrams, style
from explorer.ladders import Page, Rung
from explorer.lecture.recorded import recording
from explorer.series import smooth, spread
from explorer.ui import clickable, controls, links, state

Way = tuple[str, str, str, Sequence[str]]  #: title, words, colour; rungs' keys


def the_map(ways: Sequence[Way]) -> None:
    """The lecture's paths, each a (title, idea, colour, stations); a station is a rung's key.

    A card shows its rung's idea, a miniature of its recorded run, the best number here and the lecture's, and is a
    link to its page.
    """
    here = state.home()
    if (address := here.pop_go()) is not None:
        links.go(address)
    clickable.show(map_html(ways), here.key("map"), here.go_to)


def map_html(ways: Sequence[Way]) -> str:
    """The whole map as HTML."""
    preset = limits.now().preset
    return "".join(
        f'<div class="x-path" style="--x:{colour}"><h2>{html.escape(title)}</h2><p>{html.escape(words)}</p></div>'
        f'<div class="x-stations">{"".join(_station(n, key, preset) for n, key in enumerate(stations, start=1))}</div>'
        for title, words, colour, stations in ways
    )


@functools.lru_cache(maxsize=64)
def _station(number: int, key: str, preset: str) -> str:
    """A station's card; its address says the class's ``preset``, where its rung has one of that name."""
    if key == Page.CAM:
        return _link(Page.CAM, style.VALID, _map_card(number))
    rung = ladders.rung(key)
    card = _card(number, rung.title, rung.idea, _miniature(rung), _numbers(rung))
    return _link(f"{rung.page}?{urlencode(controls.fresh(key, preset).to_query())}", style.MODELS[key], card)


def _link(address: str, colour: str, card: str) -> str:
    at = html.escape(address)
    return f'<a class="x-station" style="--x:{colour}" href="{at}" data-at="{at}">{card}</a>'


@functools.lru_cache(maxsize=4)
def _map_card(number: int) -> str:
    run = _photo_run()
    mini = diagrams.heat(diagrams.LECTURE_MAP, "The heat map the lecture printed for its cat, 7 by 7.", 9)
    numbers = _figure("here, recorded", f"{run:.1%}" if run else "–", "accuracy") + _figure(
        "lecture", "–", "not printed"
    )
    return _card(
        number,
        "Class activation maps",
        "Ask the last layer which parts of the photo made it say cat: the map before the average.",
        f'<div style="width:66px">{mini}</div><span style="margin-left:.8rem;opacity:.85">the lecture’s cat</span>',
        numbers,
    )


def _photo_run() -> float | None:
    """Validation accuracy of the shipped cats-and-dogs head, from its record; it is no rung of a ladder."""
    path = paths.WEIGHTS / "dogscats.json"
    if not path.exists():
        return None
    rows = json.loads(path.read_text()).get("epochs", [])
    return max((row["accuracy"] for row in rows), default=None)


def _card(number: int, title: str, idea: str, miniature: str, numbers: str) -> str:
    return (
        f'<div class="x-track"><span class="x-dot">{number}</span><b>{html.escape(title)}</b>'
        f'<span class="x-line"></span></div><p class="x-idea">{html.escape(idea)}</p>'
        f'<div class="x-mini">{miniature}</div><dl class="x-nums">{numbers}</dl>'
    )


def _figure(label: str, value: str, note: str) -> str:
    return f"<div><dt>{html.escape(label)}</dt><dd>{value} <small>{html.escape(note)}</small></dd></div>"


def _shown(metric: str, value: float) -> str:
    return f"{value:.3f}" if metric == "val_loss" else f"{value:.1%}"


def _numbers(rung: Rung) -> str:
    unit, run, figure = ("nats" if rung.metric == "val_loss" else "right"), recording(rung.key), rung.reference
    here, there = _figure("here, recorded", "–", "no run yet"), _figure("lecture", "–", "not printed")
    if run is not None:
        best = run.history.best_val_loss if unit == "nats" else run.history.best_accuracy
        here = _figure("here, recorded", _shown(rung.metric, best), f"{unit}, {len(run.history.epochs)} epochs")
    if figure is not None:
        whose = "lecture" if figure.source == "lecture notes" else "its notebook"
        there = _figure(whose, _shown(figure.metric, figure.value), f"{figure.epochs} epochs")
    return here + there


def _miniature(rung: Rung) -> str:
    run = recording(rung.key)
    if run is None:
        return '<span style="opacity:.85">No recorded run ships yet. Open it and train.</span>'
    sample = run.history.epochs[-1].sample if run.history.epochs else ""
    if rung.key in ("stateful", "lstm") and sample:
        return f"<q>{html.escape(sample[:96].strip())} …</q>"
    total = run.history.epochs[-1].epoch
    column = "val_loss" if rung.metric == "val_loss" else "accuracy"
    dots = [(row.epoch / total, getattr(row, column)) for row in run.history.epochs]
    figure = rung.reference
    curve = figure.curve if figure else ()
    printed = figure.epochs - len(curve) + 1 if figure else 0  # the epoch of the first value that was printed
    reference = [(x, y) for i, y in enumerate(curve) if (x := (printed + i) / total) <= 1]
    losses = _settled(run.history["loss"]) if column == "val_loss" else []
    what = "Loss" if column == "val_loss" else "Accuracy"
    return diagrams.sparkline(
        losses,
        dots,
        reference,
        colour=style.MODELS[rung.key],
        title=f"{what} of the recorded run over {total} epochs, ending at {_shown(rung.metric, dots[-1][1])}"
        + ("; dashed: the lecture's." if reference else "."),
    )


def _settled(losses: np.ndarray) -> list[float]:
    """A recorded loss, smoothed and without its first fall, which would flatten the rest."""
    calm = smooth(losses, 0.9)
    return [float(loss) for loss in calm[spread(len(calm), 90)][4:]]
