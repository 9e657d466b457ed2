"""The terminal: the commands others rely on, and a sentence with status 1 for what cannot be done."""

import json
import subprocess
import sys

import pytest

from explorer.__main__ import main
from explorer.history import COLUMNS, Snapshot
from explorer.training import checkpoint

TINY = ["--epochs", "1", "--hidden", "16", "--n-fac", "8", "--bptt", "16", "--batch-size", "256", "--lr", "0.01"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """What a tiny training in the terminal saved, and what it printed. A subprocess: the command as a user types it."""
    path = tmp_path_factory.mktemp("terminal") / "tiny.safetensors"
    done = subprocess.run(
        [sys.executable, "-m", "explorer", "train", "gru", "--preset", "lecture", *TINY, "--save", str(path)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return path, done.stdout


def run(capsys, *words):
    status = main([str(word) for word in words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.data
def test_training_prints_loss_and_time_an_epoch_and_saves_weights_with_their_run(weights):
    path, printed = weights
    heading, line = printed.strip().splitlines()
    assert heading.split() == ["epoch", "train", "valid", "accuracy", "seconds"]
    epoch, train, valid, accuracy, seconds = map(float, line.split())
    assert epoch == 1 and 2 < valid < 3.5 and train > 0 and 0 < accuracy < 1 and seconds > 0
    story = checkpoint.read_story(path)
    assert story.epochs == 1 and story.experiment.hidden == 16 and story.source.kind == "real"
    assert story.val_loss == pytest.approx(valid, abs=1e-4)
    record = json.loads(path.with_suffix(".json").read_text())
    assert len(Snapshot.from_json(record).epochs) == 1 and set(record["steps"]) == set(COLUMNS)


@pytest.mark.data
def test_evaluate_prints_one_object_on_one_line(weights, capsys):
    status, out, _ = run(capsys, "evaluate", "gru", "--weights", weights[0], "--json")
    assert status == 0 and out.count("\n") == 1
    result = json.loads(out)
    assert result["val_loss"] == pytest.approx(result["recorded_val_loss"], abs=1e-4)
    assert {"val_loss", "accuracy", "source", "device", "model", "epochs"} <= set(result)
    assert result["model"] == "gru"


@pytest.mark.data
def test_sample_continues_the_prompt_and_repeats_itself(weights, capsys):
    words = ("sample", "gru", "--weights", weights[0], "--prompt", "for thos", "--length", 30, "--seed", 3)
    status, out, _ = run(capsys, *words)
    assert status == 0 and out.startswith("for thos") and len(out) == 8 + 30 + 1
    assert run(capsys, *words)[1] == out


@pytest.mark.data
def test_going_on_from_saved_weights(weights, capsys):
    status, out, err = run(capsys, "train", "gru", *TINY, "--start", weights[0])
    assert status == 0, err
    assert float(out.split()[7]) < checkpoint.read_story(weights[0]).val_loss


@pytest.mark.data
def test_lr_find_prints_the_curve_and_suggestions(capsys):
    status, out, _ = run(capsys, "lr-find", "gru", *TINY[2:-2], "--steps", 30, "--to", 1)
    assert status == 0 and 12 < len(out.splitlines()) <= 33
    assert [line.split(":")[0] for line in out.splitlines()[-3:]] == ["minimum / 10", "valley", "steepest"]
    status, out, _ = run(capsys, "lr-find", "gru", *TINY[2:-2], "--steps", 30, "--to", 1, "--json")
    assert status == 0 and set(json.loads(out)) <= {"steepest", "valley", "minimum / 10"}


def test_runs_lists_what_was_recorded(home, capsys):
    from tests.test_store import Store, a_run, rows

    assert run(capsys, "runs")[:2] == (0, "")
    store = Store()
    store.begin(a_run("abc"))
    store.append("abc", rows(1, 12))
    store.settle("abc", "done")
    status, out, _ = run(capsys, "runs", "--json")
    found = json.loads(out)
    assert status == 0 and (found["id"], found["steps"], found["state"], found["model"]) == ("abc", 12, "done", "gru")
    assert "abc" in run(capsys, "runs")[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "gpt"], "no model 'gpt'"),
        (["evaluate", "gpt"], "no model 'gpt'"),
        (["sample", "gpt"], "no model 'gpt'"),
        (["lr-find", "gpt"], "no model 'gpt'"),
        (["train", "gru", "--preset", "best"], "no preset 'best'"),
        (["train", "gru", "--epochs", "none"], "Epochs must be a whole number"),
        (["train", "gru", "--lr", "-1"], "Learning rate must lie between"),
        (["train", "char3", "--window", "9"], "no setting of Char3Model"),
        (["train", "gru", "--data", "war-and-peace"], "no text 'war-and-peace'"),
        (["train", "gru", "--data", "pydoc", "--start", "/nowhere/w.safetensors"], "no weights"),
        (["evaluate", "gru", "--weights", "/nowhere/w.safetensors"], "no weights"),
        (["lr-find", "gru", "--data", "pydoc", "--from", "0"], "sweep"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_status_1(capsys, words, said):
    status, out, err = run(capsys, *words)
    assert status == 1 and said in err and err.startswith("explorer: ")
    assert "Traceback" not in err and len(err.strip().splitlines()) <= 2 and not out.strip().startswith("{")


def test_shipped_weights_are_not_judged_on_pictures_they_do_not_know(capsys, home):
    status, out, err = run(capsys, "evaluate", "convnet")
    assert status == 1 and "other data" in err and not out and len(err.strip().splitlines()) == 1


def test_a_diverging_run_ends_with_a_sentence_too(capsys, home):
    words = ["--data", "pydoc", "--hidden", "16", "--optimiser", "sgd", "--lr", "100", "--epochs", "1"]
    status, _, err = run(capsys, "train", "stateful", *words)
    assert status == 1 and "blew up" in err and "Traceback" not in err


def test_an_impossible_temperature_is_a_sentence(capsys, tiny, tmp_path):
    from explorer.training import prepare

    learner = tiny()
    path = tmp_path / "w.safetensors"
    checkpoint.save(path, learner.model, prepare.story_of(learner, learner.experiment, 1.0, 0.5))
    status, _, err = run(capsys, "sample", "gru", "--weights", path, "--temperature", "-1")
    assert status == 1 and "temperature" in err


def test_every_setting_is_an_option_with_its_help(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["train", "--help"])
    words = " ".join(capsys.readouterr().out.split())
    assert ended.value.code == 0
    for name in ("--n-fac", "--cycle-mult", "--weight-decay", "--lead-lr", "--bptt", "--seed"):
        assert name in words
