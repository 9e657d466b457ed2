"""The terminal: the commands others rely on, and a sentence with status 1 for what cannot be done."""

import json
import os
import signal
import subprocess
import sys

import pytest

from explorer.__main__ import main
from explorer.data import sampler
from explorer.store.history import COLUMNS, Snapshot
from explorer.training import checkpoint

TINY = ["--epochs", "1", "--hidden", "16", "--n-fac", "8", "--bptt", "16", "--batch-size", "256", "--lr", "0.01"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory, programs):
    """What a tiny training in the terminal saved, and what it printed: the command as a user types it."""
    path = tmp_path_factory.mktemp("terminal") / "tiny.safetensors"
    done = programs.run("-m", "explorer", "train", "gru", "--preset", "lecture", *TINY, "--save", str(path))
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


def test_most_seconds_are_counted_from_the_first_step(capsys):
    status, out, err = run(capsys, "train", "gru", *TINY, "--data", "pydoc", "--max-seconds", 600, "--no-record")
    assert status == 0 and "1 steps" not in err and out.splitlines()[-1].split()[0] == "1"


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
    from tests.store.test_store import Store, a_run, rows

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
        (["lr-find", "gru", "--data", "pydoc", "--steps", "1000000000000"], "at most 100,000 steps"),
        (["train", "gru", "--seed", "1e20"], "Seed must lie between 0 and 2147483647"),
        (["sample", "gru", "--seed", "100000000000000000000"], "Seed must lie between"),
        (["sample", "gru", "--seed", "-1"], "Seed must lie between"),
        (["sample", "convnet"], "does not write text"),
        (["evaluate", "gru", "--weights", "/dev/zero"], "damaged"),
        (["evaluate", "dogscats", "--weights", "/nowhere/w.safetensors"], "evaluated as it ships"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_status_1(capsys, words, said):
    status, out, err = run(capsys, *words)
    assert status == 1 and said in err and err.startswith("explorer: ")
    assert "Traceback" not in err and len(err.strip().splitlines()) <= 2 and not out.strip().startswith("{")


def test_shipped_weights_are_not_judged_on_pictures_they_do_not_know(capsys, home, monkeypatch):
    monkeypatch.setattr(sampler, "here", lambda: False)  # as where what ships was deleted: drawn shapes
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


# -- what can go wrong is found before training ------------------------------------------------------

QUICK = ["--hidden", "16", "--batch-size", "128", "--bptt", "64", "--epochs", "1"]


@pytest.fixture
def untrained(monkeypatch):
    """Fails the test when training begins."""
    from explorer.cam import dogscats
    from explorer.training import prepare

    monkeypatch.setattr(prepare, "learner_for", lambda *_: pytest.fail("it began to train"))
    monkeypatch.setattr(dogscats, "train_dogscats", lambda *_, **__: pytest.fail("it began to train"))


@pytest.mark.parametrize("key", ["gru", "convnet", "dogscats"])
@pytest.mark.parametrize("name", ["", ".", "a folder", "a file/w.safetensors", "x" * 300, "w.json"])
def test_where_nothing_can_be_saved_nothing_is_trained(key, name, untrained, capsys, tmp_path, monkeypatch, home):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a folder").mkdir()
    (tmp_path / "a file").touch()
    status, out, err = run(capsys, "train", key, "--save", name)
    assert status == 1 and not out and len(err.strip().splitlines()) == 1
    assert "Nothing can be saved as" in err or "w.json cannot hold weights" in err
    assert not list(home.glob("runs/*/*")) and sorted(p.name for p in tmp_path.iterdir()) == ["a file", "a folder"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["dogscats", "--epochs", "5"], "dogscats has no --epochs"),
        (["dogscats", "--lead-lr", "1"], "dogscats has no --lead-lr"),
        (["dogscats", "--preset", "x"], "dogscats has no --preset"),
        (["dogscats-resnet34", "--start", "w.safetensors"], "dogscats-resnet34 has no --start"),
        (["dogscats-vgg", "--epochs", "5"], "no photo model 'dogscats-vgg'"),
    ],
)
def test_what_a_photo_model_cannot_be_told_is_not_dropped_without_a_word(words, said, untrained, capsys):
    status, out, err = run(capsys, "train", *words)
    assert status == 1 and said in err and not out


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_found_out_before_training(untrained, capsys, tmp_path, home):
    tmp_path.chmod(0o500)
    status, _, err = run(capsys, "train", "gru", "--save", tmp_path / "w.safetensors")
    assert status == 1 and "Permission denied" in err


def test_weights_of_a_run_that_broke_write_nothing(capsys, tiny, tmp_path):
    import torch

    from explorer.training import prepare

    learner, path = tiny(), tmp_path / "w.safetensors"
    with torch.no_grad():
        learner.model.l_out.weight.fill_(torch.nan)
    checkpoint.save(path, learner.model, prepare.story_of(learner, learner.experiment, 1.0, 0.5))
    for command in ("sample", "evaluate"):
        status, out, err = run(capsys, command, "gru", "--weights", path)
        assert status == 1 and "no numbers" in err and not out


# -- runs of the terminal are recorded ---------------------------------------------------------------


def test_a_terminals_run_is_recorded_as_the_terminals(capsys, home, short):
    from explorer.store.store import Store

    status, _, err = run(capsys, "train", "gru", *QUICK)
    assert status == 0, err
    (kept,) = Store().runs()
    assert (kept.owner, kept.state, kept.experiment.hidden) == ("terminal", "done", 16) and kept.id in err
    assert len(Store().history(kept.id).epochs) == 1 and Store().weights(kept.id).exists()
    status, out, _ = run(capsys, "runs", "--json")
    assert json.loads(out)["id"] == kept.id


def test_a_run_may_be_left_out_of_the_record(capsys, home, short):
    from explorer.store.store import Store

    assert run(capsys, "train", "gru", *QUICK, "--no-record")[0] == 0
    assert not Store().runs()


def test_a_record_that_cannot_be_opened_does_not_keep_a_run_from_training(capsys, home, short, tmp_path):
    (home / "runs").mkdir(parents=True)
    (home / "runs" / "runs.sqlite3").write_bytes(b"no database at all, " * 1000)
    path = tmp_path / "w.safetensors"
    status, out, err = run(capsys, "train", "gru", *QUICK, "--save", path)
    assert status == 0 and len(out.splitlines()) == 2 and path.exists()
    assert "explorer: The record of runs is damaged" in err and "recorded as" not in err


# -- the terminal itself -----------------------------------------------------------------------------


def test_a_full_disk_under_the_output_is_a_sentence(programs):
    program = (
        "import os, sys; os.dup2(os.open('/dev/full', os.O_WRONLY), 1); "
        "from explorer.__main__ import main; sys.exit(main(['sample', 'gru', '--length', '5']))"
    )
    done = programs.run("-c", program, whole=True)
    assert done.returncode == 1
    assert done.stderr == "explorer: Standard output cannot be used: No space left on device.\n"


def test_whoever_has_read_enough_ends_it_without_a_word(programs):
    """As ``| head -c 20`` does: more is written than a pipe holds."""
    with programs.begin("-m", "explorer", "sample", "gru", "--length", "80000", whole=True) as writing:
        assert os.read(writing.stdout.fileno(), 20).startswith(b"for thos")
        writing.stdout.close()
        assert writing.stderr.read() == ""
    assert writing.returncode == 1


def test_an_epoch_that_cannot_be_printed_does_not_end_the_run(capsys, home, short, monkeypatch, tmp_path):
    import builtins

    plain = print

    def full(*words, **how):
        if how.get("flush") and not str(words[0]).startswith("epoch"):
            raise OSError(28, "No space left on device")
        plain(*words, **how)

    monkeypatch.setattr(builtins, "print", full)
    path = tmp_path / "w.safetensors"
    status, _, err = run(capsys, "train", "gru", *QUICK, "--save", path)
    assert status == 0 and path.exists() and "Epoch 1 cannot be printed: No space left on device" in err


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
EACH = """
import sys
from explorer.__main__ import main
sys.exit(sum(main(["sample", "gru", "--length", "5", "--prompt", prompt]) for prompt in sys.argv[1:]))
"""


def test_any_prompt_may_be_typed_in_any_locale():
    command = [sys.executable, "-c", EACH, "für Übermut", b"caf\xe9 \xff"]
    plain, ascii_only = (
        subprocess.run(command, capture_output=True, text=True, timeout=180, env={**os.environ, **more})
        for more in ({"PYTHONUTF8": "1"}, ASCII)
    )
    assert plain.returncode == ascii_only.returncode == 0, ascii_only.stderr
    assert ascii_only.stdout == plain.stdout.encode("ascii", "backslashreplace").decode()
    assert plain.stdout.startswith("für Übermut") and "caf" in plain.stdout


@pytest.mark.parametrize("variable", ["EXPLORER_HOME", "EXPLORER_DATA"])
def test_a_folder_of_a_user_who_is_not_here_is_a_sentence(capsys, monkeypatch, home, variable):
    monkeypatch.setenv(variable, "~nosuchuser/x")
    status, _, err = run(capsys, "train", "gru", *QUICK)
    assert status == 1 and err.startswith(f"explorer: {variable} is ~nosuchuser/x, and there is no such user.")


@pytest.mark.parametrize("more", [[], ["--no-record"], ["--save", "w.safetensors"]], ids=["record", "nothing", "save"])
def test_ctrl_c_keeps_what_was_learnt_and_says_where(home, tmp_path, more, programs):
    from explorer.store.store import Store

    settings = ["--data", "pydoc", "--hidden", "32", "--epochs", "50"]
    with programs.begin("-m", "explorer", "train", "gru", *settings, *more, cwd=tmp_path) as process:
        assert process.stdout.readline().split()[0] == "epoch"
        assert process.stdout.readline().split()[0] == "1"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 130 and "Traceback" not in said and "Ctrl-C again" in said
    if "--no-record" in more:
        assert "Nothing was kept." in said and not Store().runs()
        return
    (kept,) = Store().runs()
    assert kept.state == "stopped" and len(Store().history(kept.id)) > 0
    path = tmp_path / "w.safetensors" if more else Store().weights(kept.id)
    assert str(path.name) in said
    assert checkpoint.read_story(path).experiment.hidden == 32
