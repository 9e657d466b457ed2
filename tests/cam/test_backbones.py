"""Pretrained bodies: the one that ships, and ResNet-34 over the network."""

import functools
import hashlib
import http.server
import socket
import threading

import numpy as np
import pytest
import torch

from explorer.cam import backbones
from explorer.cam.backbones import fetch_weights, mobilenet_body, resnet34_body
from explorer.cam.explain import explain, sums
from explorer.cam.network import build
from explorer.errors import DataError, SettingsError, WeightsError


def test_the_backbone_has_seen_photos(network):
    """ImageNet's statistics are in its batch normalisations; no initialisation looks like this."""
    first = network.body[0][1]
    assert first.running_var.std() > 0.01 and first.weight.std() > 0.05
    assert all(p.dtype == torch.float32 and bool(torch.isfinite(p).all()) for p in network.parameters())


def test_damaged_or_missing_weights_are_named(tmp_path):
    with pytest.raises(WeightsError, match=r"gone.safetensors is missing"):
        mobilenet_body(tmp_path / "gone.safetensors")
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"not weights")
    with pytest.raises(WeightsError, match="damaged"):
        mobilenet_body(bad)


def test_unknown_backbones_are_refused():
    with pytest.raises(SettingsError, match="mobilenet_v2, resnet34"):
        build("vgg", ("a", "b"))


# -- ResNet-34 over the network --------------------------------------------------------------------------
class Quiet(http.server.SimpleHTTPRequestHandler):
    requests = 0

    def log_message(self, *args):
        type(self).requests += 1


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A checkpoint of the right shapes under a name with its hash, and the address it is served at."""
    from torchvision.models import resnet34

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
    network = build(
        "resnet34", ("cats", "dogs"), lambda done, total: seen.append((done, total)), url=url, folder=tmp_path
    )
    assert [p.name for p in tmp_path.iterdir()] == [url.rsplit("/", 1)[1]] and seen
    torch.testing.assert_close(network.body[0].weight, values["conv1.weight"].float())
    found = explain(network, np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8))
    assert found.maps.shape == (2, 7, 7) and found.probabilities.sum() == pytest.approx(1, abs=1e-6)
    for _, mean, logit in sums(found):
        assert mean == pytest.approx(logit, abs=1e-5)
    asked = Quiet.requests
    build("resnet34", ("cats", "dogs"), url=url, folder=tmp_path)  # from the cache
    assert Quiet.requests == asked


def test_a_wrong_hash_is_refused_and_nothing_is_kept(served, tmp_path):
    with pytest.raises(WeightsError, match="another hash"):
        build("resnet34", ("a", "b"), url=f"{served[0]}/resnet34-00000000.pth", folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_cached_file_that_was_cut_short_is_fetched_again(served, tmp_path):
    target = tmp_path / served[1].rsplit("/", 1)[1]
    target.write_bytes(b"half a file")
    with pytest.raises(DataError, match="Fetch them first"):
        resnet34_body(url=served[1], folder=tmp_path, fetch=False)
    assert not target.exists()


def test_a_file_is_hashed_once_as_long_as_it_is_the_same(tmp_path):
    content = b"weights"
    url = f"http://127.0.0.1:9/resnet34-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    target = tmp_path / url.rsplit("/", 1)[1]
    target.write_bytes(content)
    before = backbones._sha256.cache_info().misses
    assert backbones._present(url, tmp_path) == backbones._present(url, tmp_path) == target
    assert backbones._sha256.cache_info().misses == before + 1
    target.write_bytes(content + b"!")
    assert backbones._present(url, tmp_path) is None and not target.exists()


def test_another_network_under_the_name_is_refused(served, tmp_path):
    with pytest.raises(WeightsError, match="does not hold ResNet-34"):
        build("resnet34", ("a", "b"), url=served[2], folder=tmp_path)


def test_no_network_is_a_sentence(tmp_path):
    with pytest.raises(DataError, match="MobileNetV2 ships"):
        build("resnet34", ("a", "b"), url="http://127.0.0.1:9/resnet34-12345678.pth", folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_stalls_is_given_up(monkeypatch, tmp_path):
    """It sends a part, and then nothing more."""
    monkeypatch.setattr(backbones, "STALL", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            visitor, _ = server.accept()
            with visitor:
                visitor.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 1000\r\n\r\nsome")
                over.wait(20)

        over = threading.Event()
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with pytest.raises(DataError, match="could not be fetched") as refused:
            fetch_weights(f"http://127.0.0.1:{server.getsockname()[1]}/resnet34-12345678.pth", tmp_path)
        over.set()
        thread.join()
    assert "timed out" in refused.value.detail and list(tmp_path.iterdir()) == []


def test_an_address_without_a_hash_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="no hash"):
        build("resnet34", ("a", "b"), url="http://127.0.0.1:9/resnet34.pth", folder=tmp_path)
