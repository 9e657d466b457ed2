"""A model asked about the validation pictures share by share."""

import numpy as np
import torch

from explorer.data import cifar10
from explorer.data.pictures import VisionData
from explorer.experiment import Experiment
from explorer.jobs.job import Job
from explorer.runs import train
from explorer.store.store import Store, Which
from explorer.store.words import Kind
from explorer.training import checkpoint, evaluate


def weights(folder) -> Store:
    """Of a small network, trained on drawn shapes for a moment."""
    store = Store(folder)
    experiment = Experiment.of("convnet", data="standin", widths="4,8", images=500, epochs=1, lead_epochs=0)
    job = Job(Kind.TRAIN, "", lambda job: None, experiment=experiment, id="aaaa")
    train.train(job, experiment, store)
    return store.weights("aaaa", Which.BEST)


def test_the_shares_add_up_to_what_the_model_says_about_all(tmp_path) -> None:
    path = weights(tmp_path)
    asking = evaluate.Asking(path)
    asking.more()
    some = asking.found()
    assert not asking.done and asking.share == 0.1
    valid = cifar10.load("standin").valid_y
    assert (some.labels == valid[some.pictures]).all(), "the places are those in the validation set"
    assert {*some.labels.tolist()} == {*range(10)}, "some of every class"
    while not asking.done:
        asking.more()
    asking.more()  # nothing is left
    found = asking.found()
    assert found.pictures.tolist() == list(range(len(valid))) and (found.labels == valid).all()

    model, story = checkpoint.load(path, torch.device("cpu"))
    whole = evaluate.predict(
        model, VisionData(cifar10.load("standin"), story.experiment, torch.device("cpu")), found.classes
    )
    assert np.allclose(found.probabilities, whole.probabilities, atol=1e-5)
    assert found.confusion().sum() == len(valid)
