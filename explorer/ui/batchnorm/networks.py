"""Which networks race: a claim's, or two to four put together by the visitor; and what all of them share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from explorer.experiment import SETTINGS, Experiment, Norm
from explorer.lecture.races import BY_KEY, PRESETS, Preset
from explorer.models import vision
from explorer.probes import activations
from explorer.runs import race
from explorer.ui import links, parts, state

OWN = "own"
MOST = 4  # networks of one's own
SIZES = (500, 1_000, 2_000, 5_000, 10_000, 20_000, 40_000)
BATCHES = (16, 32, 64, 128, 256)
RATES = (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0)
WHERE = links.one_of(activations.PLACES, lambda place: str(place).split()[0])
NORMS = {
    Norm.NONE: "none",
    Norm.RUNNING: "BatchNorm",
    Norm.LECTURE: "the lecture's BnLayer",
    Norm.TORCH: "nn.BatchNorm2d",
}


@dataclass(frozen=True)
class Options:
    """What all networks of a race share."""

    images: int  #: training pictures
    seed: int
    where: str  #: what of each layer is looked at, one of ``activations.PLACES``


def choose() -> str:
    """Which claim, by key; or a race of one's own."""
    titles = {preset.key: preset.title for preset in PRESETS} | {OWN: "Your own"}
    here = state.race()
    chosen = st.pills(
        "What shall race?",
        list(titles),
        required=True,
        label_visibility="collapsed",
        format_func=titles.__getitem__,
        key=links.bound("race", here.key("preset"), links.one_of(titles), PRESETS[0].key),
        persist_state="session",
    )
    return chosen or PRESETS[0].key


def options(chosen: str) -> Options:
    """What all networks share: how many pictures, beside the buttons; the rest in the sidebar."""
    here = state.race()
    first = next(iter(BY_KEY[chosen].experiments.values())) if chosen in BY_KEY else None
    images = st.select_slider(
        "Training pictures",
        SIZES,
        format_func="{:,}".format,
        key=links.bound("images", here.key("images", chosen), links.one_of(SIZES), first.images if first else 5_000),
        persist_state="session",
        help="Fewer is quicker, and says less. A change takes effect at the next start.",
    )
    with st.sidebar:
        st.markdown("**The race**")
        seed = st.number_input(
            "Seed",
            0,
            10**6,
            key=links.bound("seed", here.key("seed"), links.number(0, 10**6, int), 0),
            persist_state="session",
            help="Initial weights and the order of the batches. One seed is one draw.",
        )
        where = st.radio(
            "Look at each layer",
            list(activations.PLACES),
            key=links.bound("look", here.key("where"), WHERE, list(activations.PLACES)[1]),
            persist_state="session",
            captions=list(activations.PLACES.values()),
        )
        st.caption(f"Looked at at one step in {activations.EVERY}. A change takes effect at the next start.")
    return Options(images, seed, where)


def experiments(chosen: str, options: Options) -> dict[str, Experiment]:
    """The networks of a claim, or those that the visitor puts together here.

    Raises:
        SettingsError: a setting is out of range.
    """
    if chosen == OWN:
        return of_ones_own(options)
    return BY_KEY[chosen].race(images=options.images, seed=options.seed)


def about(preset: Preset, options: Options) -> None:
    """A claim in words: the lecture's and ours."""
    took = f" About {parts.seconds(preset.seconds)} on two CPU cores." if whole(preset, options.images) else ""
    st.markdown(f"**{preset.claim}** {preset.note}{took}")
    st.caption(f"The lecture: “{parts.escape(preset.words)}”")


def whole(preset: Preset, images: int) -> bool:
    """Whether a race has as many pictures as the claim's own."""
    return all(e.images == images for e in preset.experiments.values())


def of_ones_own(options: Options) -> dict[str, Experiment]:
    """Two to four networks put together by the visitor.

    Raises:
        SettingsError: a setting is out of range.
    """
    here = state.race()
    _follow(here)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            count = st.segmented_control(
                "Networks", [2, 3, 4], required=True, key=here.key("count"), persist_state="session"
            )
            widths = st.text_input(
                "Widths",
                key=links.bound("widths", here.key("widths"), links.text_of(40), "16,32,64,128"),
                persist_state="session",
                help=SETTINGS["widths"].help,
                width=180,
            )
            epochs = st.number_input(
                "Epochs",
                1,
                20,
                key=links.bound("epochs", here.key("epochs"), links.number(1, 20, int), 2),
                persist_state="session",
                width=120,
            )
            batch = st.selectbox(
                "Batch size",
                BATCHES,
                key=links.bound("batch", here.key("batch"), links.one_of(BATCHES), 64),
                persist_state="session",
                width=120,
            )
        rows = [_network(number, column) for number, column in enumerate(st.columns(count or 2))]
    links.say("nets", ",".join(map(_written, rows)))
    shared: dict[str, Any] = dict(
        widths=widths,
        stem=0,
        augment=False,
        batch_size=batch,
        schedule="constant",
        epochs=int(epochs),
        images=options.images,
        seed=int(options.seed),
    )
    found = {}
    for number, row in enumerate(rows, 1):
        words = [f"{row['depth'] * (widths.count(',') + 1)} layers", f"{row['lr']:g}"]
        words += ["BatchNorm"] * (row["norm"] != Norm.NONE) + ["skips"] * row["skip"]
        found[f"{number}: {', '.join(words)}"] = Experiment.of("builder", **shared, **row)
    return found


def _follow(here: state.Race) -> None:
    """Set the networks as a link asks for, such as ``none-2-0.03,running-2-0.03-skips``; else as they begin."""
    if (asked := links.followed("nets", here.key("count"))) is not None:
        try:
            rows = [_read(words) for words in asked.split(",")]
            if not 2 <= len(rows) <= MOST:
                raise ValueError
        except ValueError:
            links.refuse("nets", asked)
        else:
            here.set("count", len(rows))
            for number, row in enumerate(rows):
                for name, value in row.items():
                    here.set(state.key(name, number), value)
    if not state.drawn(here.key("count")):
        here.set("count", 2)
    for number in range(MOST):
        for name, value in {"norm": list(NORMS)[number % 2], "depth": 2, "lr": 0.03, "skip": False}.items():
            if not state.drawn(here.key(name, number)):
                here.set(state.key(name, number), value)


def _written(row: Mapping[str, Any]) -> str:
    """A network of one's own in a link."""
    return "-".join((row["norm"], str(row["depth"]), f"{row['lr']:g}", *(["skips"] * row["skip"])))


def _read(words: str) -> dict[str, Any]:
    norm, depth, rate, *skips = words.split("-")
    row = {"norm": norm, "depth": int(depth), "lr": float(rate), "skip": skips == ["skips"]}
    if norm not in NORMS or row["depth"] not in range(1, 7) or row["lr"] not in RATES or skips not in ([], ["skips"]):
        raise ValueError
    return row


def _network(number: int, column: DeltaGenerator) -> dict[str, Any]:
    here = state.race()
    with column, st.container(border=True):
        st.markdown(f"**Network {number + 1}**")
        norm = st.selectbox(
            "Normalisation",
            list(NORMS),
            format_func=NORMS.__getitem__,
            key=here.key("norm", number),
            persist_state="session",
        )
        depth = st.slider("Layers per stage", 1, 6, key=here.key("depth", number), persist_state="session")
        rate = st.select_slider(
            "Learning rate", RATES, format_func="{:g}".format, key=here.key("lr", number), persist_state="session"
        )
        skip = st.toggle("Skip connections", key=here.key("skip", number), persist_state="session")
    return {"norm": norm, "depth": depth, "lr": rate, "skip": skip}


def check(experiments: Mapping[str, Experiment]) -> None:
    """Everything that can be said against a race before it starts.

    Raises:
        SettingsError: with the sentence.
    """
    race.check(experiments)
    for experiment in experiments.values():
        vision.check(experiment)
