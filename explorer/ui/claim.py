"""A claim that goes along: what was said and what to look at, over the page it leads to; then what came out."""

import html
from typing import Any

import streamlit as st

from explorer.jobs.job import Job
from explorer.ladders import Page
from explorer.lecture import claims, races
from explorer.lecture.claims import BY_ID, Claim
from explorer.lecture.outcomes import Ran, outcome
from explorer.lecture.verdicts import Verdict
from explorer.runs.race import Raced
from explorer.store.words import State
from explorer.ui import links, live, parts, state


def strip(page: Page) -> None:
    """The claim that led to a page, or that its link names, until it is put away."""
    key = state.key(page, "claim")
    of_page = [one.id for one in claims.CLAIMS if one.page == page]
    claim = BY_ID.get(state.widget(links.bound("claim", key, links.one_of(of_page), ""), ""))
    if claim is None:
        return
    found = _verdict(claim, page)
    with st.container(key="claim-strip", horizontal=True, vertical_alignment="center", border=True):
        where = f"notes, line {claim.line}" if claim.line else "notes"
        said = f'<p class="x-quote">“{html.escape(claim.quote)}” <cite>{where}</cite></p>'
        with st.container(gap="xxsmall"):
            st.html(said)
            if found is None:
                st.markdown(f":material/visibility: {claim.look}")
            else:
                parts.verdict(found, "measured just now")
        st.button(
            "Put away",
            icon=":material/close:",
            type="tertiary",
            key=state.key(key, "away"),
            on_click=state.set_widget,
            args=(key, ""),
        )


def said(page: Page) -> Verdict | None:
    """What the strip over the page says came out, if there is one and it says so."""
    claim = _over(page)
    return _verdict(claim, page) if claim else None


def shows(page: Page, race: str) -> bool:
    """Whether a strip over the page says what came out of a race, by its preset's key."""
    claim = _over(page)
    return claim is not None and claim.race == race


def _over(page: Page) -> Claim | None:
    return BY_ID.get(state.widget(state.key(page, "claim"), ""))


def _verdict(claim: Claim, page: Page) -> Verdict | None:
    """What came out, once it has; None until then, and for what the page shows that is not the claim's."""
    if claim.page == Page.CAM:
        return _of_map()
    job = live.find(state.RACE if claim.race else page)
    if job is None or not job.ended:
        return None
    return _of_race(claim, job) if claim.race else _of_run(claim, job)


def _of_map() -> Verdict | None:
    """What hiding came to for the answer on the page, where that is the lecture's map of a cat."""
    answer, tested = state.cam().answer, state.cam().deletion
    if answer is None or tested is None or tested[0] != answer.stamp or not answer.maps_a_cat:
        return None
    found = tested[1]
    more = f"{found.gap:.0%} more" if found.tells else "no more"
    return Verdict(found.tells, f"Hiding the hottest parts costs {more} than hiding as much at random.")


def _of_race(claim: Claim, job: Job[Any]) -> Verdict | None:
    raced = job.result
    if not isinstance(raced, Raced) or raced.claim != claim.race or raced.view is None:
        return None
    if not raced.view.finished:
        return Verdict(None, "Stopped before the end: nothing is decided.")
    return races.BY_KEY[claim.race].verdict(raced.view)


def _of_run(claim: Claim, job: Job[Any]) -> Verdict | None:
    if job.experiment is None or job.experiment != claim.experiment:
        return None
    real = job.source is not None and job.source.kind == "real"
    ran = Ran(job.experiment, job.history.snapshot(), job.state == State.DIVERGED, real)
    return outcome(claim, ran)
