"""The progress bar: drawn on a terminal, and nowhere else."""

import io

from explorer.jobs.job import Job
from explorer.store.words import Kind, State
from explorer.terminal.bar import CLEAR, Bar, duration, following, size


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_is_drawn_on_a_terminal_only_and_leaves_the_line_empty():
    plain, screen = io.StringIO(), Terminal()
    for stream in (plain, screen):
        bar = Bar(stream)
        bar.draw(0.5, "gru · 12 steps/s")
        bar.clear()
    assert plain.getvalue() == ""
    assert " 50%  gru · 12 steps/s" in screen.getvalue() and screen.getvalue().endswith(CLEAR)
    assert screen.getvalue().count("━") == screen.getvalue().count("─")


def test_a_job_is_followed_with_its_pace_and_the_time_left(monkeypatch):
    monkeypatch.setattr("explorer.terminal.bar.EVERY", 0.01)
    screen, job = Terminal(), Job(Kind.TRAIN, "test", lambda job: None)
    job.state, job.progress = State.RUNNING, 0.25
    job.pace.seconds, job.pace.rate = 30.0, 240.0
    seen = []
    with following(Bar(screen), job, lambda: seen.append(1) or "epoch 1/4"):
        while len(seen) < 4:
            pass
    assert " 25%  epoch 1/4 · 240 steps/s · 1:30 left" in screen.getvalue()
    with following(Bar(io.StringIO()), job, lambda: seen.append("not looked") or ""):
        pass
    assert "not looked" not in seen


def test_durations_and_sizes_in_words():
    assert [duration(s) for s in (7, 90, 3723)] == ["0:07", "1:30", "1:02:03"]
    assert [size(n) for n in (135e6, 2.5e9)] == ["135.0 MB", "2.50 GB"]
