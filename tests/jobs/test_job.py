"""Jobs: states, and everything a page may ask of one while it runs."""

import threading
import time

import pytest

from explorer import limits
from explorer.errors import DataError, ExplorerError
from explorer.jobs.job import Job
from explorer.jobs.questions import Unanswered
from explorer.jobs.queue import Registry
from explorer.limits import Limits
from explorer.store.words import Diverged, Kind, State
from tests.jobs.working import Work, start, until


def test_a_job_runs_to_its_end_and_says_so(registry):
    job = start(registry, Work(steps=20))
    until(lambda: job.ended)
    assert (job.state, job.progress, job.message) == (State.DONE, 1.0, "")
    assert registry.find(job.id) is job and registry.all() == [job]


def test_a_queued_job_stops_at_once_and_never_begins(registry):
    running = start(registry)
    work = Work()
    queued = start(registry, work)
    queued.stop()
    assert queued.state == State.STOPPED
    running.stop()
    until(lambda: running.ended)
    time.sleep(0.05)
    assert not work.began.is_set()


def test_a_running_job_stops_after_its_step(registry):
    work = Work()
    job = start(registry, work)
    until(lambda: work.done > 3)
    job.stop()
    assert job.state in (State.STOPPING, State.STOPPED)
    until(lambda: job.ended)
    done = work.done
    time.sleep(0.02)
    assert job.state == State.STOPPED and work.done == done


def paused_beside_another(registry):
    """A job that holds, and the one that runs in its place."""
    job = start(registry)
    until(lambda: job.state == State.RUNNING)
    job.pause()
    until(lambda: job.state == State.PAUSED)
    other = start(registry)
    until(lambda: other.state == State.RUNNING)
    return job, other


def test_a_paused_job_stops_at_once_though_another_runs(registry):
    job, other = paused_beside_another(registry)
    job.stop()
    until(lambda: job.state == State.STOPPED)
    assert other.state == State.RUNNING
    third = start(registry)
    time.sleep(0.05)
    assert third.state == State.QUEUED, "the stopped job gave back a place it did not have"


def test_a_job_waiting_to_go_on_stops_at_once_too(registry):
    job, _ = paused_beside_another(registry)
    job.resume()
    until(lambda: job.state == State.QUEUED)
    job.stop()
    until(lambda: job.state == State.STOPPED)


def test_pausing_holds_the_steps_and_lets_the_next_job_in(registry):
    work = Work()
    job = start(registry, work)
    until(lambda: work.done > 3)
    job.pause()
    until(lambda: job.state == State.PAUSED)
    done, spent = work.done, job.pace.seconds
    other = start(registry, Work(steps=5))
    until(lambda: other.ended)
    assert work.done == done
    job.resume()
    until(lambda: work.done > done)
    assert job.pace.seconds < spent + 5


def test_what_is_pending_is_shown_before_a_pause(registry):
    work, shown = Work(), []
    job = start(registry, work, before_hold=lambda: shown.append(work.done))
    until(lambda: work.done > 3)
    job.pause()
    until(lambda: job.state == State.PAUSED)
    assert shown == [work.done]


def test_what_is_asked_is_answered_between_two_steps_and_while_it_holds(registry):
    work = Work()
    job = start(registry, work)
    until(work.began.is_set)
    job.answers["steps"] = lambda: (work.done, threading.current_thread().name)
    assert job.ask("steps").result(10)[1] == f"job-{job.id}"
    with pytest.raises(Unanswered, match="no colour"):
        job.ask("colour").result(10)
    job.pause()
    until(lambda: job.state == State.PAUSED)
    assert job.ask("steps").result(10)[0] == work.done and job.state == State.PAUSED
    job.resume()
    until(lambda: job.state == State.RUNNING)


def test_an_ended_job_leaves_no_question_open(registry):
    work = Work(free=False)
    job, queued = start(registry, work), start(registry)
    until(work.began.is_set)
    asked = [queued.ask("steps")]
    queued.stop()
    job.stop()
    asked.append(job.ask("steps"))
    work.gate.release(1)
    for question in (*asked, job.ask("steps")):
        assert isinstance(question.exception(10), Unanswered)


def test_one_step_and_some_steps_and_one_epoch(registry):
    work = Work(epoch=10)
    job = Job(Kind.TRAIN, "test", work)
    job.budget = 0  # submitted paused: holds before the first step
    registry.submit(job)
    until(lambda: job.state == State.PAUSED)
    assert work.done == 0
    for how, expected in (
        ({"steps": 1}, 1),
        ({"steps": 1}, 2),
        ({"steps": 3}, 5),
        ({"until_epoch": True}, 10),
        ({"until_epoch": True}, 20),
    ):
        job.resume(**how)
        until(lambda expected=expected: work.done == expected and job.state == State.PAUSED)
    time.sleep(0.02)
    assert work.done == 20


def test_one_epoch_that_is_the_last_ends_the_run(registry):
    work = Work(steps=10, epoch=10)
    job = Job(Kind.TRAIN, "test", work)
    job.budget = 0
    registry.submit(job)
    job.resume(until_epoch=True)
    until(lambda: job.ended)
    assert job.state == State.DONE


def test_live_changes_arrive_in_order_at_the_next_step(registry):
    work = Work(free=False)
    job = start(registry, work)
    until(work.began.is_set)
    job.change("lr", 0.5)
    job.change("clip", 1.0)
    work.gate.release(3)
    until(lambda: work.done == 3)
    work.gate.release(1)
    until(lambda: work.done == 4)
    assert work.changes == [(1, "lr", 0.5), (1, "clip", 1.0)]
    job.stop()
    work.gate.release(1)


@pytest.mark.parametrize(
    ("error", "state", "words"),
    [
        (DataError("There is no text here. Upload one.", "detail"), State.FAILED, "There is no text here. Upload one."),
        (ValueError("shapes"), State.FAILED, "Something went wrong (ValueError)"),
        (RuntimeError("CUDA out of memory. Tried to"), State.FAILED, "smaller batch"),
        (Diverged("The loss blew up. Try less."), State.DIVERGED, "The loss blew up. Try less."),
    ],
)
def test_a_failure_shows_its_reason_and_the_next_job_runs(registry, error, state, words):
    def fail(job):
        raise error

    job = start(registry, fail)
    following = start(registry, Work(steps=1))
    until(lambda: following.ended)
    assert job.state == state and words in job.message and following.state == State.DONE


def test_the_terminal_can_show_divergence_as_a_sentence():
    assert issubclass(Diverged, ExplorerError)


def test_a_job_that_waits_to_go_on_answers_too(registry):
    first = start(registry)
    until(lambda: first.state == State.RUNNING)
    first.answers["name"] = lambda: "first"
    first.pause()
    until(lambda: first.state == State.PAUSED)
    second = start(registry)
    until(lambda: second.state == State.RUNNING)
    first.resume()
    until(lambda: first.state == State.QUEUED)
    assert first.ask("name").result(10) == "first" and first.state == State.QUEUED


def test_what_waits_to_begin_is_told_from_what_never_did(registry):
    heard = []
    start(registry)
    waiting = start(registry, on_queued=lambda: heard.append("queued"), on_unbegun=lambda: heard.append("unbegun"))
    assert heard == ["queued"]
    waiting.stop()
    assert heard == ["queued", "unbegun"] and waiting.state == State.STOPPED


class Pressed(Job):
    """Held before its first step; *1 step* is pressed just as it looks whether to hold."""

    pressed = False

    @property
    def budget(self):
        found = self._budget
        if found == 0 and not self.pressed and threading.current_thread().name == f"job-{self.id}":
            self.pressed = True
            page = threading.Thread(target=self.resume, kwargs={"steps": 1})
            page.start()
            page.join(0.2)
        return found

    @budget.setter
    def budget(self, value):
        self._budget = value


def test_a_step_asked_for_just_as_the_work_gets_ready_is_done(registry):
    work = Work()
    job = Pressed(Kind.TRAIN, "test", work)
    job.budget = 0
    registry.submit(job)
    until(lambda: work.done == 1 and job.state == State.PAUSED)


def test_a_job_nobody_looks_at_ends(registry, monkeypatch):
    monkeypatch.setattr(limits, "now", lambda: Limits(lease_minutes=0.1 / 60))
    watched, left = Registry(workers=2), Work()
    job = start(watched, left, owner="ann")
    seen = start(watched, owner="bob")
    headless = start(registry)  # the terminal's: no owner, no lease
    until(lambda: seen.touch() or job.ended)
    assert job.state == State.STOPPED and "nobody" in job.message
    assert not seen.ended and not headless.ended
    watched.close()


def test_a_paused_job_nobody_looks_at_ends_and_says_why(registry, monkeypatch):
    job = start(registry, owner="ann")
    until(lambda: job.state == State.RUNNING)
    job.pause()
    until(lambda: job.state == State.PAUSED)
    monkeypatch.setattr(limits, "now", lambda: Limits(lease_minutes=0.1 / 60))
    until(lambda: job.ended)
    assert job.state == State.STOPPED and "nobody" in job.message


def test_a_stop_that_comes_too_late_changes_nothing(registry):
    """The page decides to stop just as the work ends: the job must not be 'stopping' for ever."""
    job = start(registry, Work(steps=1))
    until(lambda: job.ended)
    version = job.version
    job.stop()
    job._set_state(State.RUNNING)
    assert job.state == State.DONE and job.version == version


def test_eta_rate_and_stamp_move(registry):
    work = Work(steps=4000)
    job = start(registry, work)
    assert job.eta is None
    until(lambda: job.eta is not None and job.pace.rate > 0)
    assert 0 < job.eta < 600
    version, stamp = job.version, job.stamp
    job.publish("here")
    assert job.result == "here" and job.version == version + 1
    assert job.stamp != stamp


def test_a_run_gives_its_place_to_another_after_a_turn_and_goes_on_later(registry, monkeypatch):
    monkeypatch.setattr(limits, "now", lambda: Limits(turn_seconds=0.1))
    long, flushed = Work(), []
    first = start(registry, long, owner="ann")
    until(lambda: long.done > 3)
    first.before_hold = lambda: flushed.append(long.done)
    short = start(registry, Work(steps=20), owner="bob")
    until(lambda: short.ended)
    assert short.state == State.DONE and not first.ended and flushed
    done = long.done
    until(lambda: long.done > done + 20 and first.state == State.RUNNING)
    assert first.pace.seconds > 0


def test_a_run_that_waits_for_its_next_turn_answers_stops_and_takes_the_place_of_nobody(registry, monkeypatch):
    monkeypatch.setattr(limits, "now", lambda: Limits(turn_seconds=0.05))
    work = Work()
    first = start(registry, work, owner="ann")
    first.answers["steps"] = lambda: work.done
    until(lambda: work.done > 3)
    second = start(registry, owner="bob")
    until(lambda: second.state == State.RUNNING and first.state == State.QUEUED)
    monkeypatch.setattr(limits, "now", lambda: Limits())
    assert first.ask("steps").result(10) == work.done
    first.stop()
    until(lambda: first.ended)
    assert first.state == State.STOPPED and second.state == State.RUNNING and registry._training.free == 0


def test_a_run_alone_keeps_its_place(registry, monkeypatch):
    monkeypatch.setattr(limits, "now", lambda: Limits(turn_seconds=0))
    work, states = Work(steps=200), set()
    job = start(registry, work, owner="ann")
    until(lambda: states.add(job.state) or job.ended)
    assert states <= {State.QUEUED, State.RUNNING, State.DONE} and job.state == State.DONE


def test_the_longest_a_run_may_go_on_is_the_servers_word(registry, monkeypatch):
    monkeypatch.setattr(limits, "now", lambda: Limits(run_minutes=0.1 / 60))
    job, terminals = start(Registry(2), owner="ann"), start(registry)
    until(lambda: job.ended)
    assert job.state == State.STOPPED and "the longest that this server" in job.message
    assert not terminals.ended, "what the terminal trains has no such end"


def test_one_that_trains_breathes_in_the_middle_of_a_validation(tiny):
    learner, breaths = tiny("gru"), []
    learner.between = lambda: breaths.append(learner.model.training)
    learner.evaluate()
    assert breaths and not any(breaths)
