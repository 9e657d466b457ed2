"""Two processes train what one does: the same losses, from the same whole batches, through a way back and a restart."""

import json
import os

import pytest

from explorer.errors import SettingsError
from explorer.experiment import Experiment
from explorer.training import parallel
from tests.training.together import CASES, alone


@pytest.fixture(scope="module")
def two(tmp_path_factory, programs):
    """What two processes came to, by case."""
    path = tmp_path_factory.mktemp("together") / "found.json"
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    environment = os.environ | {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1", "OMP_NUM_THREADS": "1"}
    done = programs.run(*torchrun, "-m", "tests.training.together", str(path), env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_text())


@pytest.mark.parametrize("name", [name for name in CASES if not name.endswith("parts")])
def test_two_processes_come_to_what_one_does(two, name):
    one, found = alone(name), two[name]
    assert len(one["losses"]) == len(found["losses"]) >= 10
    if name == "resnet":  # whose roundings grow tenfold a step, in one process too: see those in double precision
        assert found["losses"][:4] == pytest.approx(one["losses"][:4], abs=1e-4)
        return
    exact = 1e-9 if name.endswith("double") else 1e-4
    assert found["losses"] == pytest.approx(one["losses"], abs=exact)
    assert found["valid"] == pytest.approx(one["valid"], abs=exact)
    assert found["weights"] == pytest.approx(one["weights"], rel=exact)
    assert found["state"] == one["state"]  # of all columns, not of one process's


def test_batchnorm_over_each_part_is_another_network_and_says_so(two):
    one, found = alone("resnet, by parts"), two["resnet, by parts"]
    assert abs(found["losses"][0] - one["losses"][0]) > 1e-3
    assert found["company"] == "2 processes, BatchNorm over each one's part"
    assert two["resnet"]["company"] == "2 processes, BatchNorm over the whole batch"
    assert two["gru"]["company"] == "2 processes"


@pytest.mark.parametrize(("batch", "size", "fitting"), [(64, 3, "63 or 66"), (2, 4, "4"), (512, 7, "511 or 518")])
def test_a_batch_that_cannot_be_cut_is_a_sentence(batch, size, fitting):
    with pytest.raises(SettingsError, match=f"cannot be cut into {size} equal parts. Take --batch-size {fitting},"):
        parallel.check(Experiment.of("gru", batch_size=batch), size)
    parallel.check(Experiment.of("gru", batch_size=size * 8), size)


@pytest.mark.parametrize("device", ["", "cuda", "cuda:0"])
def test_more_processes_than_gpus_is_a_sentence(device, monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("EXPLORER_DEVICE", device)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with pytest.raises(SettingsError, match=r"there is one GPU. Take --nproc-per-node=1, or set EXPLORER_DEVICE=cpu"):
        parallel.join()
