"""Which networks race: a claim's, or two to four put together by the visitor; and what all of them share."""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from explorer.experiment import SETTINGS, Experiment
from explorer.figures.race import looks
from explorer.lecture.races import BY_KEY, PRESETS, Preset
from explorer.models import vision
from explorer.probes import activations
from explorer.runs import race
from explorer.ui import links, parts, state

OWN = "own"
RATES = (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0)
NORMS = {"none": "none", "running": "BatchNorm", "lecture": "the lecture's BnLayer", "torch": "nn.BatchNorm2d"}


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
    words, notices = links.picked(st.query_params, "race", titles)
    links.tell(notices)
    asked = words[0] if words else None
    if asked and here.asked != asked:
        here.asked = asked
        here.set("preset", asked)
    if here.value("preset", None) is None:
        here.set("preset", PRESETS[0].key)
    chosen = st.pills(
        "What shall race?",
        list(titles),
        required=True,
        format_func=titles.__getitem__,
        key=here.key("preset"),
        on_change=_forget_link,
        persist_state="session",
    )
    return chosen or PRESETS[0].key


def _forget_link() -> None:
    """Another claim is chosen: the link's own is over."""
    st.query_params.pop("race", None)
    state.race().asked = None


def sidebar(chosen: str) -> Options:
    """What all networks share."""
    here = state.race()
    first = next(iter(BY_KEY[chosen].experiments.values())) if chosen in BY_KEY else None
    sizes = [500, 1_000, 2_000, 5_000, 10_000, 20_000, 40_000]
    asked, notices = links.picked(st.query_params, "images", map(str, sizes))
    links.tell(notices)
    images = int(asked[0]) if asked else first.images if first else 5_000
    with st.sidebar:
        st.markdown("**The race**")
        found = Options(
            images=st.select_slider(
                "Training pictures",
                sizes,
                images,
                format_func="{:,}".format,
                key=here.key("images", chosen),
                help="Fewer is quicker, and says less.",
            ),
            seed=st.number_input(
                "Seed",
                0,
                10**6,
                0,
                key=here.key("seed"),
                help="Initial weights and the order of the batches. One seed is one draw.",
            ),
            where=st.radio(
                "Look at each layer",
                list(activations.PLACES),
                index=1,
                key=here.key("where"),
                captions=list(activations.PLACES.values()),
            ),
        )
        st.caption(f"Statistics are taken at one step in {activations.EVERY}. A change takes effect at the next start.")
    return found


def of_claim(preset: Preset, options: Options) -> dict[str, Experiment]:
    """A claim's networks, and the claim in words."""
    experiments = preset.race(images=options.images, seed=options.seed)
    with st.container(border=True):
        st.markdown(f"**{preset.claim}**")
        st.caption(f"The lecture's words: “{parts.escape(preset.words)}”")
        _legend(experiments)
        took = (
            f" Takes about {parts.seconds(preset.seconds)} on two CPU cores." if whole(preset, options.images) else ""
        )
        st.caption(f"{preset.note}{took}")
    return experiments


def whole(preset: Preset, images: int) -> bool:
    """Whether a race has as many pictures as the claim's own."""
    return all(e.images == images for e in preset.experiments.values())


def of_ones_own(options: Options) -> dict[str, Experiment]:
    """Two to four networks put together by the visitor.

    Raises:
        SettingsError: a setting is out of range.
    """
    here = state.race()
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            count = st.segmented_control("Networks", [2, 3, 4], default=2, required=True, key=here.key("count"))
            widths = st.text_input(
                "Widths", "16,32,64,128", key=here.key("widths"), help=SETTINGS["widths"].help, width=180
            )
            epochs = st.number_input("Epochs", 1, 20, 2, key=here.key("epochs"), width=120)
            batch = st.selectbox("Batch size", [16, 32, 64, 128, 256], index=2, key=here.key("batch"), width=120)
        rows = [_network(number, column) for number, column in enumerate(st.columns(count))]
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
        words += ["BatchNorm"] * (row["norm"] != "none") + ["skips"] * row["skip"]
        found[f"{number}: {', '.join(words)}"] = Experiment.of("builder", **shared, **row)
    return found


def _network(number: int, column: DeltaGenerator) -> dict[str, Any]:
    here = state.race()
    with column, st.container(border=True):
        st.markdown(f"**Network {number + 1}**")
        norm = st.selectbox(
            "Normalisation", list(NORMS), index=number % 2, format_func=NORMS.__getitem__, key=here.key("norm", number)
        )
        depth = st.slider("Layers per stage", 1, 6, 2, key=here.key("depth", number))
        rate = st.select_slider("Learning rate", RATES, 0.03, format_func="{:g}".format, key=here.key("lr", number))
        skip = st.toggle("Skip connections", key=here.key("skip", number))
    return {"norm": norm, "depth": depth, "lr": rate, "skip": skip}


def check(experiments: Mapping[str, Experiment]) -> None:
    """Everything that can be said against a race before it starts.

    Raises:
        SettingsError: with the sentence.
    """
    race.check(experiments)
    for experiment in experiments.values():
        vision.check(experiment)


def _legend(experiments: Mapping[str, Experiment]) -> None:
    """The networks' names in their colours."""
    chips = "".join(
        f'<span style="white-space:nowrap;margin-right:1.4rem"><span style="display:inline-block;width:1.6rem;'
        f'border-top:3px {_CSS_DASH[dash]} {colour};vertical-align:middle;margin-right:.45rem"></span>'
        f"{html.escape(name)}</span>"
        for name, (colour, dash) in looks(experiments).items()
    )
    st.html(f"<div>{chips}</div>")


_CSS_DASH = {"solid": "solid", "dash": "dashed", "dot": "dotted", "dashdot": "double"}
