"""A number beside the lecture's."""

import pytest

from explorer.experiment import Experiment
from explorer.lecture import compared
from explorer.store.history import EpochRow


def row(epoch: int, accuracy: float = 0.5, val_loss: float = 1.5) -> EpochRow:
    return EpochRow(epoch, 100, 1.0, val_loss, accuracy, 1.0)


def said(model: str, at: EpochRow, source: str = "real", **settings: object) -> tuple[str, bool | None]:
    found = compared.of(Experiment.of(model, **settings), at, source)
    return found.text, found.better


def test_accuracy_is_compared_in_points_with_the_same_epoch_of_the_lecture() -> None:
    assert said("convnet", row(4, 0.57585)) == ("+1.4 points to the lecture notes", True)
    assert said("convnet", row(1, 0.46878)) == ("−2.0 points to the lecture notes", False)
    assert said("convnet", row(6, 0.59922)) == ("as in the course notebook", None)


def test_a_loss_is_better_the_lower_it_is() -> None:
    assert said("gru", row(9, val_loss=1.40517)) == ("−0.020 to the lecture notes", True)
    assert said("gru", row(1, val_loss=1.84155)) == ("+0.100 to the lecture notes", False)


@pytest.mark.parametrize(
    ("model", "settings", "source", "words"),
    [
        ("convnet", {"images": 5000}, "real", "not comparable: 5,000 pictures, 1 epoch"),
        ("resnet2", {"size": 56}, "real", "not comparable: 56 pixels a side, 1 epoch"),
        ("convnet", {}, "standin", "not comparable: other data, 1 epoch"),
        ("gru", {"newlines": True}, "real", "not comparable: line breaks kept, 1 epoch"),
        ("gru", {"every_symbol": True}, "real", "not comparable: every symbol, 1 epoch"),
        (
            "gru",
            {"newlines": True, "every_symbol": True},
            "real",
            "not comparable: line breaks kept, every symbol, 1 epoch",
        ),
        ("gru", {"data": "own-1234"}, "yours", "not comparable: other data, 1 epoch"),
    ],
)
def test_what_learnt_from_other_data_is_not_judged_at_all(model, settings, source, words) -> None:
    assert said(model, row(1, 0.143), source, **settings) == (words, None)


def test_where_the_lecture_printed_no_such_epoch_its_nearest_is_named_and_nothing_judged() -> None:
    assert said("simplenet", row(2, 0.4)) == ("course notebook: 46.9% after 4 epochs", None)
    assert said("resnet2", row(12, 0.6)) == ("course notebook: 70.2% after 9 epochs", None)


def test_what_the_lecture_never_printed_stands_alone() -> None:
    assert compared.of(Experiment.of("builder"), row(4)) is None
    assert compared.of(Experiment.of("char3"), row(2)) is None


def test_what_differs_between_two_runs_is_said_in_words_and_the_seed_is_not() -> None:
    long = Experiment.of("bn", "best of 6 epochs", seed=3, augment=False)
    words = compared.unlike(long, Experiment.of("bn"))
    assert {"learning rate 0.2", "schedule one-cycle", "epochs 6", "augment off", "lead-in epochs 0"} <= set(words)
    assert not any("seed" in word or "cycle_len" in word for word in words)
    assert compared.unlike(Experiment.of("bn", images=5000), Experiment.of("bn")) == ["training pictures 5,000"]
    assert compared.unlike(Experiment.of("bn", seed=1), Experiment.of("bn")) == []
