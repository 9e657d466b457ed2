"""``torchrun -m explorer train``: one run, recorded once; stopped at one step, continued by any number of processes."""

import json
import os
import signal
import sys

import pytest

from explorer.__main__ import main
from explorer.store.store import Store
from explorer.store.words import State
from tests.training import restart

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")


@pytest.fixture(scope="module")
def alone(tmp_path_factory, programs):
    """The last epoch of the same training in one process."""
    done = programs.run(*restart.command("--json"), env=restart.environment(tmp_path_factory.mktemp("alone")))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("rank", "size", "words", "said"),
    [
        (0, 3, ["gru"], "A batch of 64 cannot be cut into 3 equal parts. Take --batch-size 63 or 66"),
        (1, 3, ["gru"], ""),  # the first process says it
        (0, 2, ["dogscats"], "leave torchrun out"),
        (0, 2, ["gru", "--batchnorm", "ghost"], "must be one of sync, shard"),
        (0, 1, ["resnet", "--batchnorm", "shard"], "is for several processes"),
    ],
)
def test_what_cannot_be_is_one_sentence(monkeypatch, capsys, rank, size, words, said):
    monkeypatch.setenv("WORLD_SIZE", str(size))
    monkeypatch.setenv("RANK", str(rank))
    assert main(["train", *words]) == 1
    out, err = capsys.readouterr()
    assert not out and said in err and err.count("\n") == bool(said)


def test_a_stop_reaches_all_at_one_step_and_one_process_goes_on(tmp_path, alone, programs):
    with restart.torchrun(tmp_path, "--json", begin=programs.begin) as agent:
        restart.until(lambda: ((run := restart.the_run(tmp_path)) and run.steps > 20) or agent.poll() is not None)
        began = restart.ranks(agent.pid)
        os.kill(agent.pid, signal.SIGINT)
        _, err = agent.communicate()
        assert len(began) == 2 and not any(os.path.exists(f"/proc/{number}") for number in began.values())
    run = restart.the_run(tmp_path)
    assert run.state == State.STOPPED and "2 processes; 32 of 64 streams a step in each" in err
    assert run.device.endswith("· 2 processes") and len(Store(tmp_path / "runs").runs()) == 1
    assert f"python -m explorer resume {run.id}" in err
    done = programs.run("-m", "explorer", "resume", run.id, "--json", env=restart.environment(tmp_path))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["val_loss"] == pytest.approx(alone["val_loss"], abs=1e-3)
    history = Store(tmp_path / "runs").history(run.id)
    assert history["step"].tolist() == list(range(1, alone["step"] + 1))


def test_a_killed_process_comes_back_and_the_run_goes_on(tmp_path, alone, programs):
    found = restart.killed_and_begun_again(tmp_path, rank=1, begin=programs.begin)
    assert found["well"], found["err"]
    row = json.loads(found["out"].splitlines()[-1])
    assert row["val_loss"] == pytest.approx(alone["val_loss"], abs=1e-3) and row["step"] == alone["step"]
    history = Store(tmp_path / "runs").history(found["id"])
    assert history["step"].tolist() == list(range(1, alone["step"] + 1))
