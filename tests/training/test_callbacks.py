"""Callbacks see the same run as whoever drives the iterator, in the lecture's order."""

import pytest
import torch

from explorer.experiment import Experiment
from explorer.training.callbacks import Diary, SaveCycles, fit
from explorer.training.schedules import cycle_ends, plan


def test_every_corner_is_called_in_order_and_the_weights_at_a_cycles_end_are_kept(tiny) -> None:
    settings = {"epochs": 3, "schedule": "cosine", "cycle_len": 1, "cycle_mult": 2, "lr": 1e-2}
    learner, plain = tiny("gru", **settings), tiny("gru", **settings)
    experiment = learner.experiment
    diary, saver = Diary(), SaveCycles(learner)
    fit(learner, plan(experiment), cycle_ends(experiment), [diary, saver])
    names = [line.split()[0] for line in diary.lines]
    epoch = ["on_batch_end", "on_epoch_end"]
    assert names == ["on_train_begin", *epoch, "on_cycle_end", *epoch, *epoch, "on_cycle_end", "on_train_end"]
    assert list(saver.saved) == ["cyc_0", "cyc_1"]
    for _ in plain.steps(plan(experiment)):
        pass
    for name, tensor in plain.model.state_dict().items():
        assert torch.equal(saver.saved["cyc_1"][name], tensor), "nothing that a callback does changes the run"
    assert not torch.equal(saver.saved["cyc_0"]["e.weight"], saver.saved["cyc_1"]["e.weight"])


@pytest.mark.parametrize(
    ("settings", "ends"),
    [
        ({"model": "lstm"}, (3, 5, 9, 17)),
        ({"model": "gru"}, ()),
        ({"model": "resnet"}, (3, 5, 9)),
        ({"model": "convnet"}, (3, 4, 5, 6)),
    ],
)
def test_the_ends_of_cycles_are_the_lectures(settings, ends) -> None:
    assert cycle_ends(Experiment.of(settings["model"])) == ends
