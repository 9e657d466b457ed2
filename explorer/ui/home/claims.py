"""The lecture's claims as cards: what was said, what came out, and two ways to try it."""

import html

import streamlit as st

from explorer.jobs import queue
from explorer.jobs.calls import call
from explorer.jobs.job import Job
from explorer.lecture.claims import Claim
from explorer.lecture.verdicts import Verdict, recorded_verdict
from explorer.runs import outcome
from explorer.store.words import Kind, State
from explorer.ui import app, live, parts, state, transport


def make_it_happen(claim: Claim) -> None:
    """Open the claim's page with the settings set and the run started."""
    if claim.experiment is not None:
        run = transport.submit(claim.page, claim.experiment).id
        state.open(claim.page, claim.experiment, run, claim=claim.id)
    elif claim.race:
        state.start_race(claim.race, claim.id)
    else:
        state.open(claim.page, claim=claim.id)


def claim_card(claim: Claim) -> None:
    """A claim: the quote, what came out, and the buttons that make it happen or measure it on the spot."""
    with st.container(border=True, height="stretch", key=state.key("claim", claim.id)):
        st.subheader(claim.title, anchor=False)
        where = f"notes, line {claim.line}" if claim.line else "notes"
        st.html(f'<p class="x-quote">“{html.escape(claim.quote)}” <cite>— {where}</cite></p>')
        st.markdown(f":material/visibility: **Look at:** {claim.look}")
        _outcome(claim)
        if claim.caution:
            st.caption(f":material/info: {claim.caution}")
        with st.container(horizontal=True):
            if st.button(
                "Make it happen",
                type="primary",
                icon=":material/play_arrow:",
                key=state.key("happen", claim.id),
                help=f"Opens {claim.page.label} with the settings set and the run started.",
            ):
                with parts.refusals(), st.spinner("Starting …"):
                    make_it_happen(claim)
            if st.button(
                f"Measure now, about {claim.seconds} s",
                icon=":material/straighten:",
                key=state.key("measure", claim.id),
                help="A small version, on this server and its data, without leaving the page.",
            ):
                with parts.refusals():
                    _submit_measure(claim)
                    st.rerun()


def _submit_measure(claim: Claim) -> None:
    app.engine().wait()
    from explorer.lecture import measures  # torch

    place = state.key("measure", claim.id, "job")
    job: Job[Verdict] = Job(Kind.CLAIM, claim.title, call(measures.work, claim.id), app.owner())
    made = outcome.recorded(job, app.store(), settings={"claim": claim.id})
    live.remember(place, queue.registry().submit(made, live.own(place)))


def _outcome(claim: Claim) -> None:
    recorded = recorded_verdict(claim.id)
    if recorded:
        parts.verdict(recorded, "recorded here")
    job = live.own(state.key("measure", claim.id, "job"))
    if job is None:
        return

    every = None if job.ended else 0.5

    @st.fragment(run_every=every, key=state.key("claim", claim.id, "live"))
    def watch() -> None:
        job.touch()
        if job.result:
            parts.verdict(job.result, "measured just now")
        elif job.state == State.FAILED:
            st.error(parts.escape(job.message), icon=":material/error:")
        elif job.ended:
            st.caption(parts.escape(job.message) or "Stopped.")
        else:
            words = parts.escape(queue.waits_for(job)) if job.state == State.QUEUED else "Measuring …"
            st.progress(min(1.0, job.progress), words)
        if job.ended and every is not None:
            live.redraw()  # re-declares the fragment without its timer

    watch()
