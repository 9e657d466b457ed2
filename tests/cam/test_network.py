"""The lecture's network: its score, its freezing, its hook, and where its weights come from."""

import functools
import hashlib
import http.server
import threading

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import resnet34

from explorer.cam import network as cam
from explorer.cam.network import CamNet, SaveFeatures
from explorer.errors import DataError, SettingsError, WeightsError


@pytest.fixture(scope="module")
def mobilenet():
    return cam.build("mobilenet_v2", ("cats", "dogs"))


def test_the_score_is_the_mean_of_the_map_and_nothing_else(mobilenet):
    x = torch.randn(2, 3, 224, 160)
    with torch.no_grad():
        features = mobilenet.features(x)
        maps = mobilenet.maps(features)
        assert features.shape == (2, 1280, 7, 5) and maps.shape == (2, 2, 7, 5)
        torch.testing.assert_close(mobilenet(x), maps.mean((2, 3)), rtol=0, atol=1e-6)


def test_the_stages_in_turn_are_the_body(mobilenet):
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        y, sides = x, []
        for _, stage in mobilenet.stages():
            y = stage(y)
            sides.append(y.shape[-1])
        assert torch.equal(y, mobilenet.features(x))
    assert sides == [16, 8, 4, 2]


def test_the_backbone_has_seen_photos(mobilenet):
    """ImageNet's statistics are in its batch normalisations; no initialisation looks like this."""
    first = mobilenet.body[0][1]
    assert first.running_var.std() > 0.01 and first.weight.std() > 0.05
    assert all(p.dtype == torch.float32 and bool(torch.isfinite(p).all()) for p in mobilenet.parameters())


def test_damaged_or_missing_weights_are_named(tmp_path):
    with pytest.raises(WeightsError, match=r"gone.safetensors is missing"):
        cam.mobilenet_body(tmp_path / "gone.safetensors")
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"not weights")
    with pytest.raises(WeightsError, match="damaged"):
        cam.mobilenet_body(bad)


def test_unknown_backbones_are_refused():
    with pytest.raises(SettingsError, match="mobilenet_v2, resnet34"):
        cam.build("vgg", ("a", "b"))


# -- freezing ----------------------------------------------------------------------------------------
def test_freeze_to_minus_4_trains_the_head_alone():
    network = CamNet(cam.random_body("resnet34"), "resnet34", ("a", "b"))
    network.freeze_to(-4)
    assert {n for n, p in network.named_parameters() if p.requires_grad} == {"head.weight", "head.bias"}
    network.train()
    before = network.body[1].running_mean.clone()
    network(torch.randn(2, 3, 32, 32)).sum().backward()
    assert torch.equal(network.body[1].running_mean, before) and network.body[0].weight.grad is None
    network.unfreeze()
    network.train()
    network(torch.randn(2, 3, 32, 32)).sum().backward()
    assert not torch.equal(network.body[1].running_mean, before) and network.body[0].weight.grad is not None


def test_freeze_to_a_child_in_the_middle():
    network = CamNet(cam.random_body("resnet34"), "resnet34", ("a", "b"))
    network.freeze_to(7)  # layer4 and the head
    frozen = [all(not p.requires_grad for p in child.parameters()) for child in network.body]
    assert frozen == [True] * 7 + [False]
    for n in (-3, 9, -13):
        with pytest.raises(SettingsError):
            network.freeze_to(n)


def test_earlier_layers_get_smaller_rates_and_every_weight_one():
    network = CamNet(cam.random_body("resnet34"), "resnet34", ("a", "b"))
    network.unfreeze()
    groups = network.parameter_groups(1e-2)
    assert [g["lr"] for g in groups] == pytest.approx([1e-4, 1e-3, 1e-2])
    assert sum(p.numel() for g in groups for p in g["params"]) == sum(p.numel() for p in network.parameters())
    network.freeze_to(-4)
    assert [g["lr"] for g in network.parameter_groups(1e-2)] == [1e-2]


def test_a_new_head_shares_the_body(mobilenet):
    other = mobilenet.with_head(nn.Conv2d(1280, 3, 3, padding=1), ("a", "b", "c"))
    assert other.body is mobilenet.body and other.classes == ("a", "b", "c") and not other.training
    assert mobilenet.classes == ("cats", "dogs") and mobilenet.head.out_channels == 2


class Watched(nn.BatchNorm2d):
    """Notes whatever is set on it."""

    def __setattr__(self, name, value):
        written.append((name, value))
        super().__setattr__(name, value)


written = []


def test_a_new_head_touches_nothing_of_the_body_that_others_look_through(mobilenet, monkeypatch):
    layer, frozen = mobilenet.body[3].conv[0][1], []
    real = nn.Module.requires_grad_
    monkeypatch.setattr(nn.Module, "requires_grad_", lambda self, on=True: frozen.append(self) or real(self, on))
    monkeypatch.setattr(layer, "__class__", Watched)
    written.clear()
    other = mobilenet.with_head(nn.Conv2d(1280, 2, 3, padding=1), ("a", "b"))
    other.train()
    assert other.head.training and not other.eval().head.training
    assert written == [] and not layer.training
    assert not any(module in set(mobilenet.body.modules()) for module in frozen)


def test_photos_are_answered_alike_while_heads_are_changed(mobilenet):
    """A body in training mode for a moment would use, and keep, the statistics of whoever's photo passes."""
    x, stop = torch.randn(1, 3, 64, 64), threading.Event()
    kept = {name: value.clone() for name, value in mobilenet.state_dict().items()}
    head = nn.Conv2d(1280, 2, 3, padding=1)

    def change():
        while not stop.is_set():
            mobilenet.with_head(head, ("a", "b"))

    with torch.no_grad():
        alone = mobilenet(x)
        thread = threading.Thread(target=change)
        thread.start()
        beside = [mobilenet(x) for _ in range(20)]
        stop.set()
        thread.join()
    assert all(torch.equal(found, alone) for found in beside)
    assert all(torch.equal(value, kept[name]) for name, value in mobilenet.state_dict().items())


# -- the lesson's hook -------------------------------------------------------------------------------
def hooks(module):
    return sum(len(m._forward_hooks) for m in module.modules())


def test_save_features_saves_what_the_split_computes_and_leaves_no_hook(mobilenet):
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad(), SaveFeatures(mobilenet.head) as sf:
        mobilenet(x)
    assert torch.equal(sf.features, mobilenet.maps(mobilenet.features(x)).detach()) and hooks(mobilenet) == 0


def test_the_hook_goes_away_when_the_forward_pass_fails(mobilenet):
    with pytest.raises(RuntimeError), SaveFeatures(mobilenet.head):
        mobilenet(torch.randn(1, 5, 64, 64))
    assert hooks(mobilenet) == 0


def test_saved_features_survive_an_in_place_layer():
    model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(inplace=True))
    with torch.no_grad():
        model[0].weight.fill_(-1.0)
        model[0].bias.zero_()
        with SaveFeatures(model[0]) as sf:
            model(torch.ones(1, 1, 2, 2))
    assert sf.features.max() == -1  # without the copy the ReLU's zeros would be here


# -- ResNet-34 over the network --------------------------------------------------------------------------
class Quiet(http.server.SimpleHTTPRequestHandler):
    requests = 0

    def log_message(self, *args):
        type(self).requests += 1


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A checkpoint of the right shapes under a name with its hash, and the address it is served at."""
    folder = tmp_path_factory.mktemp("served")
    torch.manual_seed(0)
    values = {name: t.half() if t.is_floating_point() else t for name, t in resnet34(weights=None).state_dict().items()}
    torch.save(values, folder / "raw")
    digest = hashlib.sha256((folder / "raw").read_bytes()).hexdigest()[:8]
    (folder / "raw").rename(folder / f"resnet34-{digest}.pth")
    (folder / "resnet34-00000000.pth").write_bytes(b"another file")
    torch.save({"conv1.weight": torch.zeros(1)}, folder / "few")
    few = hashlib.sha256((folder / "few").read_bytes()).hexdigest()[:8]
    (folder / "few").rename(folder / f"resnet34-{few}.pth")
    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    yield address, f"{address}/resnet34-{digest}.pth", f"{address}/resnet34-{few}.pth", values
    server.shutdown()
    server.server_close()
    thread.join()


def test_resnet34_end_to_end_downloaded_checked_cached(served, tmp_path):
    from explorer.cam import maps as maps

    _, url, _, values = served
    seen = []
    network = cam.build(
        "resnet34", ("cats", "dogs"), lambda done, total: seen.append((done, total)), url=url, folder=tmp_path
    )
    assert [p.name for p in tmp_path.iterdir()] == [url.rsplit("/", 1)[1]] and seen
    torch.testing.assert_close(network.body[0].weight, values["conv1.weight"].float())
    found = maps.explain(network, np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8))
    assert found.maps.shape == (2, 7, 7) and found.probabilities.sum() == pytest.approx(1, abs=1e-6)
    for _, mean, logit in maps.sums(found):
        assert mean == pytest.approx(logit, abs=1e-5)
    asked = Quiet.requests
    cam.build("resnet34", ("cats", "dogs"), url=url, folder=tmp_path)  # from the cache
    assert Quiet.requests == asked


def test_a_wrong_hash_is_refused_and_nothing_is_kept(served, tmp_path):
    with pytest.raises(WeightsError, match="another hash"):
        cam.build("resnet34", ("a", "b"), url=f"{served[0]}/resnet34-00000000.pth", folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_cached_file_that_was_cut_short_is_fetched_again(served, tmp_path):
    target = tmp_path / served[1].rsplit("/", 1)[1]
    target.write_bytes(b"half a file")
    with pytest.raises(DataError, match="Fetch them first"):
        cam.resnet34_body(url=served[1], folder=tmp_path, download=False)
    assert not target.exists()


def test_another_network_under_the_name_is_refused(served, tmp_path):
    with pytest.raises(WeightsError, match="does not hold ResNet-34"):
        cam.build("resnet34", ("a", "b"), url=served[2], folder=tmp_path)


def test_no_network_is_a_sentence(tmp_path):
    with pytest.raises(DataError, match="MobileNetV2 ships"):
        cam.build("resnet34", ("a", "b"), url="http://127.0.0.1:9/resnet34-12345678.pth", folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_stalls_is_given_up(monkeypatch, tmp_path):
    monkeypatch.setattr(cam, "STALL", 0.3)
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *a, **k: threading.Event().wait(3))
    with pytest.raises(DataError, match="sent nothing"):
        cam.fetch_weights("http://example.org/resnet34-12345678.pth", tmp_path)


def test_an_address_without_a_hash_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="no hash"):
        cam.build("resnet34", ("a", "b"), url="http://127.0.0.1:9/resnet34.pth", folder=tmp_path)
