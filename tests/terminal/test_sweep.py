"""``sweep`` in the terminal: cells said before the first begins, a line each, a table at the end, and how to go on."""

import io
import json
import signal
import sys

import pytest

from explorer.__main__ import main
from explorer.jobs import engine, queue
from explorer.store.store import Store
from explorer.store.words import State
from explorer.terminal import sweep
from tests.jobs.wiring import wired
from tests.runs.test_sweeps import a_group

SMALL = {"hidden": 8, "n-fac": 4, "batch-size": 64, "bptt": 64, "epochs": 1, "schedule": "constant"}
TINY = ["gru", *(word for name, value in SMALL.items() for word in (f"--{name}", str(value)))]
LONGER = ["gru", "--hidden", "8", "--batch-size", "256", "--bptt", "64", "--epochs", "1", "--data", "pydoc"]
CELLS = 4  # of one that is interrupted after the first


def run(capsys, *words):
    status = main(["sweep", *words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Which model?"),
        (["gru"], "goes over something"),
        (["gpt", "--over", "lr=1,2"], "no model 'gpt'"),
        (["gru", "--over", "lr=1,2", "--lr", "3"], "leave --lr or the axis out"),
        (["gru", "--over", "lr=1,2", "--jobs", "0"], "1 at least, not 0"),
        (["gru", "--over", "hidden=8,9999"], "Hidden units must lie between"),
        (["gru", "--over", "data=pydoc,nowhere"], "data nowhere: There is no text 'nowhere'"),
        (["--resume", "abc"], "no sweep 'abc'"),
        (["gru", "--resume", "abc"], "leave gru out"),
        (["--resume", "abc", "--over", "lr=1,2"], "leave --over out"),
        (["--resume", "abc", "--n-fac", "4"], "leave --n-fac out"),
    ],
)
def test_what_cannot_be_is_a_sentence_and_begins_nothing(home, capsys, words, said):
    status, out, err = run(capsys, *words)
    assert status == 1 and not out and said in err and err.count("\n") == 1
    assert not Store().runs()


def test_under_torchrun_it_says_what_to_do_instead(monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    status, out, err = run(capsys, *TINY, "--over", "lr=1e-3,1e-2")
    assert status == 1 and not out and "--jobs runs several cells at once" in err


def test_a_dry_run_says_how_many_and_begins_none(home, capsys):
    status, out, err = run(capsys, *TINY, "--over", "lr=1e-3:1e-1:log:3", "--seeds", "2", "--dry-run")
    assert (status, out) == (0, "") and "6 cells (3 lr × 2 seeds): how long is seen after the first" in err
    assert not Store().runs()


def test_a_sweep_prints_its_cells_and_what_came_out(home, short, capsys):
    status, out, err = run(capsys, *TINY, "--over", "lr=1e-3,1e-2", "--seeds", "2")
    assert status == 0 and "Go on with it" not in err
    name, heading, *cells, empty, head, low, high = out.splitlines()
    assert heading.split() == ["cell", "valid", "accuracy", "seconds"] and empty == "" and len(cells) == 4
    assert cells[1].split()[0] == "2/4" and cells[1].endswith("done      lr 0.01 · seed 0")
    assert head.split() == ["lr", "validation", "loss", "accuracy"] and low.split()[0] == "0.001"
    assert " ± " in high and high.endswith("best")
    of = name.split()[1]
    ends = Store().ends([of])
    losses = [ends[run.id].val_loss for run in Store().cells([of]) if run.at["lr"] == 0.001]
    assert len(losses) == 2 and low.split()[1] == f"{sum(losses) / 2:.4f}"
    assert run(capsys, "--resume", of)[:2] == (0, "\n".join(["", head, low, high, ""]))
    status, out, err = run(capsys, *TINY, "--over", "lr=1e-3,1e-2", "--dry-run")
    assert "by runs like them here" in err


def test_the_workers_of_an_engine_come_to_the_same_table(home, short, capsys, monkeypatch):
    words = [*TINY, "--over", "lr=1e-3,1e-2"]
    _, here, _ = run(capsys, *words)
    made = wired()
    monkeypatch.setenv("EXPLORER_ENGINE", "ray")
    monkeypatch.setattr(queue, "registry", lambda: made)
    try:
        status, there, err = run(capsys, *words)
        assert status == 0 and here.splitlines()[-3:] == there.splitlines()[-3:], err
        assert {job.owner for job in made.all()} == {"terminal"} and len(made.all()) == 2
    finally:
        made.close()
    monkeypatch.setattr(engine, "problem", lambda: "There is no Ray.")
    status, again, err = run(capsys, *words)
    assert status == 0 and here.splitlines()[-3:] == again.splitlines()[-3:] and "There is no Ray." in err


def test_json_is_a_line_a_cell(home, short, capsys):
    status, out, _ = run(capsys, *TINY, "--over", "lr=1e-3,50", "--optimiser", "sgd", "--json")
    fine, broke = map(json.loads, out.splitlines())
    assert status == 0 and fine["cell"] == {"lr": 0.001} and fine["state"] == "done" and fine["sweep"] == broke["sweep"]
    assert fine["val_loss"] == pytest.approx(fine["best_val_loss"]) and 0 < fine["accuracy"] < 1 and fine["epochs"] == 1
    assert broke["state"] == "diverged" and broke["val_loss"] is None and "blew up" in broke["message"]


@pytest.mark.skipif(sys.platform == "win32", reason="sends an interrupt")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_says_how_to_go_on(home, capsys, jobs, programs):
    words = [*LONGER, "--over", f"lr=1e-4:1e-1:log:{CELLS}", "--jobs", jobs, "--json"]
    with programs.begin("-m", "explorer", "sweep", *words, session=True) as process:
        first = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130 and err.rstrip().endswith(f"sweep --resume {first['sweep']}")
    over = [line for line in map(json.loads, out.splitlines()) if line["state"] == "done"]
    before = {run.id for run in Store().cells([first["sweep"]]) if run.state == State.DONE}
    assert before == {first["run"], *(line["run"] for line in over)} and len(before) < CELLS
    status, out, err = run(capsys, "--resume", first["sweep"], "--json")
    done = {line["run"] for line in map(json.loads, out.splitlines())}
    assert status == 0 and len(done) == CELLS - len(before) and not done & before
    assert all(run.state == State.DONE for run in Store().cells([first["sweep"]]))


def test_a_bar_shows_the_cells_and_the_time_left(monkeypatch):
    class Screen(io.StringIO):
        def isatty(self):
            return True

    class Work:
        runs, shares, share, eta = [1, 2, 3], [1.0, 0.5, 0.0], 0.5, 75.0

    monkeypatch.setattr(sweep, "EVERY", 0.01)
    screen = Screen()
    with sweep._following(sweep.Bar(screen), Work()):
        while "left" not in screen.getvalue():
            pass
    assert " 50%  1/3 cells · 1:15 left" in screen.getvalue()


def test_the_table_notes_what_is_best_broke_or_is_not_over():
    group = a_group(
        {0.1: [2.0, 2.2], 0.2: [1.0, 1.2], 0.3: [1.5, None]},
        {(0.2, 1): State.DIVERGED, (0.3, 1): State.STOPPED, (0.1, 0): State.QUEUED},
    )
    rows = sweep.table(group)
    assert [name.strip() for name in rows[0]] == ["lr", "bptt", "validation loss", "accuracy", ""]
    assert [row[-1] for row in rows[1:]] == ["1 queued", "1 diverged", "best"]
    assert len({tuple(map(len, row[:-1])) for row in rows}) == 1
