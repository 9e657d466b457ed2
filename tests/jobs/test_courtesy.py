"""Questions go first, and training keeps its share."""

import threading
import time

from explorer.jobs import courtesy
from explorer.jobs.courtesy import Courtesy
from explorer.jobs.queue import Registry
from explorer.store.words import State
from tests.jobs.working import Work, start, until


def never():
    return False


def test_nobody_asks_and_nothing_waits():
    began = time.monotonic()
    for _ in range(10_000):
        assert not Courtesy().let_pass(never)
    assert time.monotonic() - began < 5


def test_training_waits_until_the_question_is_answered():
    polite, order = Courtesy(), []

    def train():
        polite.let_pass(never)
        order.append("step")

    with polite.asking():
        thread = threading.Thread(target=train)
        thread.start()
        time.sleep(0.05)
        order.append("answer")
    thread.join(10)
    assert order == ["answer", "step"] and not polite.asked


def test_one_comes_back_to_hand_out_its_weights():
    polite = Courtesy()
    with polite.asking():
        assert polite.let_pass(lambda: True)


def test_endless_questions_leave_training_its_share():
    polite = Courtesy(most=0.03, share=1.0)
    waited = trained = 0.0
    with polite.asking():
        while waited + trained < 1.0:
            began = time.monotonic()
            polite.let_pass(never)
            waited += time.monotonic() - began
            began = time.monotonic()
            time.sleep(0.002)  # a step
            trained += time.monotonic() - began
    assert waited > 0.1 and trained > 0.3, (waited, trained)


def test_a_click_is_enough_and_one_that_leads_to_nothing_costs_a_second_at_most(monkeypatch):
    monkeypatch.setattr(courtesy, "SOON", 0.5)
    polite = Courtesy()
    polite.expect()
    assert polite.asked
    polite.let_pass(never)
    assert not polite.asked
    polite.expect()
    with polite.asking():
        pass
    assert not polite.asked, "the question that was expected has been answered"


def test_a_run_makes_no_step_while_a_page_asks_but_answers_and_stops(monkeypatch):
    polite = Courtesy(most=60)
    monkeypatch.setattr("explorer.jobs.job.COURTESY", polite)
    registry = Registry()
    work = Work()
    job = start(registry, work, owner="ann")
    until(lambda: work.done > 3)
    job.answers["steps"] = lambda: work.done
    with polite.asking():
        held = job.ask("steps").result(10)
        time.sleep(0.05)
        assert job.ask("steps").result(10) - held <= 1 and job.state == State.RUNNING
    until(lambda: work.done > held + 3)
    with polite.asking():
        job.stop()
        until(lambda: job.ended)
    registry.close()
