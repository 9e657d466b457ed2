"""The rates below the sweeps: what a curve suggests, what was clicked on it, and the buttons that take one along."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from explorer.experiment import SETTINGS, Experiment
from explorer.ladders import Page
from explorer.ui import parts, state, steps

if TYPE_CHECKING:
    from explorer.training.lr_finder import Advice, Sweep

LR = SETTINGS["lr"]
YOURS = "yours"  #: the name of a rate that was clicked


@dataclass(frozen=True)
class Offer:
    """Rates on a curve, by the rules that found them."""

    rates: Mapping[str, float]
    advice: "Advice | None"
    yours: float | None  #: clicked, or typed

    @property
    def first(self) -> str:
        """The rule that is recommended; "" without any."""
        return self.advice.rule if self.advice else ""

    @property
    def best(self) -> dict[str, float]:
        """The recommended rate and one's own."""
        return {name: rate for name, rate in self.all.items() if name in (self.first, YOURS)}

    @property
    def all(self) -> dict[str, float]:
        """Every rate, one's own the last."""
        return {**self.rates, **({YOURS: self.yours} if self.yours else {})}


def offer(name: str, sweep: "Sweep") -> Offer:
    """What a curve suggests, and what the visitor picked on it."""
    from explorer.training import lr_finder

    picked = state.lr_finder().picked
    usable = {rule: _rounded(rate) for rule, rate in lr_finder.suggest(sweep).items() if rate == rate}
    return Offer(usable, lr_finder.advise(sweep), picked[1] if picked and picked[0] == name else None)


def _rounded(rate: float) -> float:
    return float(f"{rate:.2g}")


def pick(curve: str, rate: float) -> None:
    """Callback: a curve was clicked."""
    state.lr_finder().picked = (curve, _rounded(rate))


def forget() -> None:
    """Other curves come: what was clicked on the last ones is over."""
    state.lr_finder().picked = None


def show(name: str, sweep: "Sweep", offered: Offer, experiment: Experiment | None, key: str, ended: bool) -> None:
    """A curve's rates as buttons, the recommended one coloured, and what there is to say about them."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{parts.escape(name)}**", width="content")
        for rule, rate in offered.all.items():
            chosen = rule == (YOURS if offered.yours else offered.first)
            _take(rule, rate, experiment, chosen, state.key(key, name, rule))
        _type(name, offered, key)
        if sweep.diverged:
            st.badge(f"breaks at {sweep.lr[-1]:.2g}", icon=":material/trending_up:", color="red")
    if (advice := offered.advice) is not None:
        apart = f" The suggestions lie a factor of {advice.apart:.0f} apart. {advice.why}" if advice.why else ""
        st.caption(f"**{advice.rule}** comes first: {advice.reason}.{parts.escape(apart)}")
    elif ended:
        st.caption("This curve never falls far enough to suggest a rate. Take more steps or a wider range.")


def _take(rule: str, rate: float, experiment: Experiment | None, chosen: bool, key: str) -> None:
    """The button that takes a rate to its training page."""
    usable = LR.low <= rate <= LR.high
    words = {
        "minimum / 10": "A tenth of the rate at the lowest loss.",
        "valley": "Half way down the longest fall.",
        "steepest": "Where the loss falls fastest; often bold.",
        YOURS: "Where you clicked, or what you typed.",
    }[rule]
    st.button(
        f"Use {rate:.2g} · {rule}",
        type="primary" if chosen else "secondary",
        key=key,
        help=words + ("" if usable else " The training page takes no rate so far out."),
        on_click=_use,
        args=(rate, experiment),
        disabled=experiment is None or not usable,
    )


def _type(name: str, offered: Offer, key: str) -> None:
    """A rate of one's own for who does not click."""
    typed = state.key(key, name, "typed")

    def take() -> None:
        words = state.widget(typed, "")
        try:
            pick(name, float(words))
        except ValueError:
            forget()

    if not state.drawn(typed) or offered.yours:
        state.set_widget(typed, f"{offered.yours:.2g}" if offered.yours else "")
    st.text_input(
        f"A rate of your own for {name}",
        placeholder="or type a rate",
        key=typed,
        on_change=take,
        width=130,
        label_visibility="collapsed",
        max_chars=12,
    )


def _use(rate: float, experiment: Experiment) -> None:
    """Put a rate into the training page's controls, and go there when the page is next drawn."""
    steps.did(Page.LR_FINDER, "used rate")
    state.lr_finder().go = state.try_rate(experiment, rate)
