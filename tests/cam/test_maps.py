"""The maps: against their formulas, against autograd, against the grad-cam package, and where they lie."""

import copy
import io
import threading

import numpy as np
import pytest
import torch
from PIL import Image
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn
from torch.nn import functional as F

from explorer.cam import maps as cam
from explorer.cam import network as models
from explorer.cam.network import CamNet
from explorer.data.photos import read_photo
from explorer.errors import SettingsError, WeightsError

RNG = np.random.default_rng(0)
PHOTO = RNG.integers(0, 255, (150, 200, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def network():
    """MobileNetV2 with a random head of two classes, frozen as in the lecture."""
    torch.manual_seed(3)
    return models.build("mobilenet_v2", ("cats", "dogs"))


def small(pooling="mean", n_classes=2, seed=0, size=56):
    """A few convolutions: 1/8 of the picture's side, quick enough for every method."""
    torch.manual_seed(seed)
    first = nn.Sequential(nn.Conv2d(3, 8, 3, stride=4, padding=1), nn.ReLU(inplace=True))
    second = nn.Sequential(nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU(inplace=True))
    linear = nn.Linear(16, n_classes)
    names = tuple("abcde"[:n_classes])
    return cam.Pair((("stage1", first), ("stage2", second)), cam.as_maps(linear), names, size=size, pooling=pooling)


class Fixed:
    """A network whose maps are given."""

    size, mean, std, exact, device = 56, (0.5,) * 3, (0.5,) * 3, True, torch.device("cpu")

    def __init__(self, maps):
        self.fixed = torch.as_tensor(maps, dtype=torch.float32)
        self.classes = tuple("abcde"[: len(self.fixed)])

    def stages(self):
        return (("stage1", lambda x: x),)

    def maps(self, features):
        return self.fixed.expand(len(features), *self.fixed.shape)

    def score(self, maps, features):
        return maps.mean((2, 3))


def noise(*shape):
    return RNG.normal(size=shape).astype(np.float32)


# -- the score ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("view", cam.VIEWS)
def test_the_class_score_is_exactly_the_mean_of_the_map(network, view):
    found = cam.explain(network, PHOTO, view=view)
    assert found.exact and found.maps.shape == ((2, 7, 9) if view == "own shape" else (2, 7, 7))
    for _, mean, logit in cam.sums(found):
        assert mean == pytest.approx(logit, abs=1e-6)
    np.testing.assert_allclose(found.probabilities, torch.tensor(found.logits).softmax(0).numpy(), atol=1e-6)
    big = cam.enlarge(found.maps[0], found.geometry.input_height, found.geometry.input_width)
    assert big.mean() == pytest.approx(found.logits[0], abs=1e-5)
    with torch.no_grad():
        x, _ = cam.prepare(PHOTO, network, view)
        np.testing.assert_allclose(network(x)[0].numpy(), found.logits, atol=1e-6)


def test_after_a_max_the_score_is_not_the_mean_and_says_so():
    pair = small("max")
    found = cam.explain(pair, PHOTO)
    x, _ = cam.prepare(PHOTO, pair)
    features = pair.body[1][1](pair.body[0][1](x))
    linear = pair.head(features.amax((2, 3), keepdim=True)).flatten(1)[0]
    np.testing.assert_allclose(found.logits, linear.detach().numpy(), atol=1e-6)
    assert not found.exact and abs(cam.sums(found)[0][1] - found.logits[0]) > 1e-3


def test_a_network_of_the_vision_ladder_as_a_pair():
    class Rung(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 6, 3, stride=4)
            self.out = nn.Linear(6, 4)

        def features(self, x):
            return F.relu(self.conv(x))

        def forward(self, x):
            return self.out(F.adaptive_max_pool2d(self.features(x), 1).flatten(1))

    rung = Rung().eval()
    pair = cam.pair_of(rung, ("a", "b", "c", "d"), (0.5,) * 3, (0.25,) * 3)
    picture = RNG.integers(0, 255, (32, 32, 3), dtype=np.uint8)
    found = cam.explain(pair, picture)
    with torch.no_grad():
        expected = rung(torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255 * 4 - 2)[0]
    np.testing.assert_allclose(found.logits, expected.numpy(), atol=1e-5)
    for method in cam.METHODS:
        assert cam.explain(pair, picture, method=method, class_index=1).raw.shape == (8, 8)
    with pytest.raises(SettingsError, match="fully connected"):
        cam.pair_of(nn.Linear(2, 2), (), (), ())


# -- the lecture's map -------------------------------------------------------------------------------
def transcription(features, py):
    """The notes' cell, in NumPy, for one photo."""
    feat = np.maximum(0, features)
    f2 = np.dot(np.rollaxis(feat, 0, 3), py)
    f2 = f2 - f2.min()
    f2 = f2 / f2.max()
    return f2


def test_the_lectures_map_is_the_notes_own_cell(network):
    found = cam.explain(network, PHOTO)
    np.testing.assert_allclose(found.heat.values, transcription(found.maps, found.probabilities), atol=1e-6)
    assert found.heat.values.min() == 0 and found.heat.values.max() == 1
    done = cam.steps(found, PHOTO)
    assert [s.value.shape for s in done] == [(2, 7, 7), (2, 7, 7), (7, 7), (7, 7), (224, 224), PHOTO.shape]
    np.testing.assert_array_equal(done[3].value, found.heat.values)


def test_plain_class_maps_and_the_lectures_weighting_differ():
    maps = noise(2, 7, 7)
    weighted = cam.explain(Fixed(maps), PHOTO)
    plain = cam.explain(Fixed(maps), PHOTO, weighting="class")
    chosen = cam.explain(Fixed(maps), PHOTO, class_index=1 - plain.winner)
    np.testing.assert_allclose(plain.raw, np.maximum(maps[plain.winner], 0))
    np.testing.assert_allclose(chosen.raw, np.maximum(maps[1 - plain.winner], 0))
    assert np.abs(weighted.heat.values - plain.heat.values).max() > 0.05
    assert weighted.class_index is None and plain.class_index == plain.winner


def test_invariances():
    maps = noise(2, 7, 7)
    found, lifted = cam.explain(Fixed(maps), PHOTO), cam.explain(Fixed(maps + 5), PHOTO)
    np.testing.assert_allclose(found.probabilities, lifted.probabilities, atol=1e-6)
    np.testing.assert_allclose(cam.contrast(found.maps, 0, 1), cam.contrast(lifted.maps, 0, 1), atol=1e-5)
    assert np.abs(found.heat.values - lifted.heat.values).max() > 0.05  # the lecture's own map does move
    swapped = cam.explain(Fixed(maps[::-1].copy()), PHOTO)
    np.testing.assert_allclose(swapped.probabilities, found.probabilities[::-1], atol=1e-6)
    np.testing.assert_allclose(swapped.heat.values, found.heat.values, atol=1e-6)


@pytest.mark.parametrize("maps", [np.full((2, 7, 7), -3.0), np.full((2, 7, 7), 2.0), np.zeros((2, 7, 7))])
def test_maps_without_evidence_are_flat_and_never_nan(maps):
    found = cam.explain(Fixed(maps), PHOTO)
    assert found.flat and not found.heat.values.any()
    drawn = cam.overlay(PHOTO, found.heat.values, found.geometry)
    assert drawn.shape == PHOTO.shape
    noise_only = cam.explain(Fixed(maps + 1e-6 * noise(2, 7, 7)), PHOTO)
    assert noise_only.flat  # a range of 4e-6 is no evidence


def test_numbers_that_are_none_stop_with_a_sentence():
    maps = noise(2, 7, 7)
    maps[0, 3, 3] = np.nan
    with pytest.raises(WeightsError, match="not a number"):
        cam.explain(Fixed(maps), PHOTO)
    assert np.isfinite(cam.min_max(maps[0]).values).all()
    assert np.isfinite(cam.shared_scale(maps)).all() and np.isfinite(cam.signed_scale(maps[0])).all()


def test_scales():
    maps = np.stack([np.full((3, 3), 4.0), np.eye(3), np.full((3, 3), -1.0)])
    shared = cam.shared_scale(maps)
    assert shared[0].max() == 1 and shared[1].max() == 0.25 and shared[2].max() == 0
    signed = cam.signed_scale(np.array([[-2.0, 0.0, 1.0]]))
    np.testing.assert_allclose(signed, [[0, 0.5, 0.75]])


# -- against autograd and the package ----------------------------------------------------------------
def grad_cam_by_hand(network, x, index, at_head=True):
    """Grad-CAM from the paper's two equations, on its own."""
    body = nn.Sequential(*[stage for _, stage in network.stages()])
    a = network.maps(body(x)) if at_head else body(x)
    a = a.detach().requires_grad_()
    logit = (a if at_head else network.maps(a)).mean((2, 3))[0, index]
    (g,) = torch.autograd.grad(logit, a)
    return F.relu((g.mean((2, 3), keepdim=True) * a).sum(1))[0].detach().numpy()


@pytest.mark.parametrize("index", [0, 1])
def test_the_class_map_is_grad_cam_times_the_number_of_cells(network, index):
    x, _ = cam.prepare(PHOTO, network)
    by_hand = grad_cam_by_hand(network, x, index)
    found = cam.explain(network, PHOTO, class_index=index)
    scale = max(found.raw.max(), 1e-6)
    assert np.abs(found.raw - 49 * by_hand).max() / scale < 1e-5
    ours = cam.explain(network, PHOTO, method="gradcam", class_index=index)
    assert np.abs(ours.raw - by_hand).max() < 1e-6
    deeper = cam.explain(network, PHOTO, method="gradcam", class_index=index, layer="stage4")
    by_hand = grad_cam_by_hand(network, x, index, at_head=False)
    assert np.abs(deeper.raw - by_hand).max() <= 1e-5 * max(by_hand.max(), 1e-3)


class Whole(nn.Module):
    """The network as the package wants it: one module."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x)


def packaged(method, network, x, layer, index):
    """The package's map before it is scaled and enlarged."""
    kept = {}
    with method(model=Whole(network), target_layers=[layer]) as tool:
        real = tool.get_cam_image
        tool.get_cam_image = lambda *a: kept.setdefault("raw", real(*a))
        tool(input_tensor=x.clone().requires_grad_(), targets=[ClassifierOutputTarget(index)])
    return np.maximum(kept["raw"][0], 0)


@pytest.mark.parametrize("index", [0, 1])
def test_agrees_with_the_grad_cam_package(network, index):
    network = copy.deepcopy(network)  # the package fills every .grad it can reach
    x, _ = cam.prepare(PHOTO, network)
    found = cam.explain(network, PHOTO, class_index=index)
    theirs = packaged(GradCAM, network, x, network.head, index)
    assert np.abs(found.raw - 49 * theirs).max() < 1e-5 * max(found.raw.max(), 1e-3)
    for method, name in ((GradCAM, "gradcam"), (GradCAMPlusPlus, "gradcam++")):
        ours = cam.explain(network, PHOTO, method=name, class_index=index, layer="stage4")
        theirs = packaged(method, network, x, network.body[-1], index)
        assert np.abs(ours.raw - theirs).max() <= 1e-5 * max(theirs.max(), 1e-3), name


def test_occlusion_is_the_fall_of_the_logit():
    pair = small()
    found = cam.explain(pair, PHOTO, method="occlusion", class_index=0)
    x, _ = cam.prepare(PHOTO, pair)
    before = cam.forward(pair, x)[2][0, 0]
    x[:, :, 16:24, 40:48] = 0  # row 2, column 5
    fall = float(before - cam.forward(pair, x)[2][0, 0])
    assert found.raw.shape == (7, 7) and found.raw[2, 5] == pytest.approx(max(fall, 0), abs=1e-6)


def test_maps_of_every_stage(network):
    found = cam.layer_maps(network, PHOTO, 1)
    sides = [h.values.shape[0] for h in found.values()]
    assert list(found) == [*cam.layer_names(network)] and sides == [56, 28, 14, 7, 7]
    alone = cam.explain(network, PHOTO, method="gradcam", class_index=1, layer="stage2")
    np.testing.assert_allclose(found["stage2"].values, alone.heat.values, atol=1e-4)


def test_nothing_of_the_network_is_changed(network):
    modes = [m.training for m in network.modules()]
    wants = [p.requires_grad for p in network.parameters()]
    for method in cam.METHODS[:3]:
        cam.explain(network, PHOTO, method=method, class_index=0)
    assert [m.training for m in network.modules()] == modes
    assert [p.requires_grad for p in network.parameters()] == wants
    assert all(p.grad is None for p in network.parameters())
    assert not any(m._forward_hooks or m._backward_hooks for m in network.modules())


def test_threads_on_one_network_never_mix():
    pair = small()
    pictures = [RNG.integers(0, 255, (60, 60, 3), dtype=np.uint8) for _ in range(4)]
    expected = [cam.explain(pair, p, method="gradcam", class_index=0, layer="stage1").raw for p in pictures]
    wrong = []

    def look(i):
        for _ in range(60):
            raw = cam.explain(pair, pictures[i], method="gradcam", class_index=0, layer="stage1").raw
            if np.abs(raw - expected[i]).max() > 1e-6:
                wrong.append(i)

    threads = [threading.Thread(target=look, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_unknown_choices_are_refused_by_name():
    pair = small()
    for wrong in ({"view": "x"}, {"method": "x"}, {"class_index": 2}, {"class_index": -1}, {"weighting": "x"}):
        with pytest.raises(SettingsError):
            cam.explain(pair, PHOTO, **wrong)
    with pytest.raises(SettingsError, match="stage1, stage2, head"):
        cam.explain(pair, PHOTO, method="gradcam", layer="x")
    with pytest.raises(SettingsError, match="viridis"):
        cam.colours("x")


def raw_on(device, method):
    with torch.device(device):
        net = CamNet(models.random_body("mobilenet_v2"), "mobilenet_v2", ("a", "b")).eval()
        x = torch.randn(1, 3, 64, 64)
    _, maps, logits = cam.forward(net, x)
    return cam._raw_map(net, x, maps, logits.softmax(1), method, 0, "stage4")


@pytest.mark.parametrize("method", ["cam", "occlusion"])
def test_no_tensor_is_left_on_the_wrong_device(method):
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        raw = raw_on("cuda", method)
    assert raw.device.type == "cuda" and raw.shape[1:] == (2, 2)


@pytest.mark.parametrize("method", ["gradcam", "gradcam++"])
def test_no_gradient_needs_another_device(method):
    """On "meta" (backward has no fake CUDA): a tensor made on the CPU inside would not mix with it."""
    raw = raw_on("meta", method)
    assert raw.device.type == "meta" and raw.shape[1:] == (2, 2)


# -- where the heat lies -----------------------------------------------------------------------------
def hot(row, column, side=7):
    heat = np.zeros((side, side), np.float32)
    heat[row, column] = 1
    return heat


def peak(image):
    """The centre of the brightest place, (x, y)."""
    values = image.astype(float).sum(2)
    ys, xs = np.nonzero(values >= values.max() - 1)
    return xs.mean() + 0.5, ys.mean() + 0.5


@pytest.mark.parametrize(("width", "height"), [(300, 300), (400, 300), (600, 200), (150, 500)])
@pytest.mark.parametrize("view", cam.VIEWS)
def test_a_hot_cell_lies_where_the_network_saw_it(width, height, view):
    """A white patch is shown to the network; the cell it falls into is drawn back onto the patch."""
    seen = cam.geometry(width, height, 224, view)
    photo = np.zeros((height, width, 3), np.uint8)
    cx, cy = width * 0.5 + 0.1 * min(width, height), height * 0.5 - 0.2 * min(width, height)
    photo[int(cy) - 4 : int(cy) + 4, int(cx) - 4 : int(cx) + 4] = 255
    picture = cam.as_seen(photo, seen, (0, 0, 0)).astype(float).sum(2)
    rows, columns = seen.input_height // 32, seen.input_width // 32
    py = np.average(np.arange(picture.shape[0]) + 0.5, weights=picture.sum(1))
    px = np.average(np.arange(picture.shape[1]) + 0.5, weights=picture.sum(0))
    heat = np.zeros((rows, columns), np.float32)
    heat[int(py // 32), int(px // 32)] = 1
    assert seen.cell(cx, cy, rows, columns) == (int(py // 32), int(px // 32))
    x, y = peak(cam.overlay(np.zeros_like(photo), heat, seen, opacity=1.0, dim=0.0))
    cell_width, cell_height = (seen.right - seen.left) / columns, (seen.bottom - seen.top) / rows
    assert abs(x - cx) <= cell_width / 2 + 1 and abs(y - cy) <= cell_height / 2 + 1
    assert (x, y) == pytest.approx(seen.centre(int(py // 32), int(px // 32), rows, columns), abs=1.5)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_heat_follows_the_photo_through_its_exif(orientation):
    picture = Image.new("RGB", (120, 80))
    picture.paste((255, 255, 255), (12, 8, 28, 24))  # a bright patch in the upper left of the stored picture
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    picture.save(out, "PNG", exif=exif)
    photo = read_photo(out.getvalue())

    def brightness(x):
        return F.avg_pool2d(x.mean(1, keepdim=True), 8)

    network = cam.Pair(
        (("stage1", brightness),), lambda f: torch.cat([f, -f], 1), ("bright", "dark"), 56, (0.5,) * 3, (0.5,) * 3
    )
    found = cam.explain(network, photo, view="own shape", class_index=0)
    drawn = cam.overlay(np.zeros_like(photo.rgb), found.heat.values, found.geometry, opacity=1.0)
    x, y = peak(drawn)
    ys, xs = np.nonzero(photo.rgb.sum(2) > 300)
    assert abs(x - xs.mean()) < 12 and abs(y - ys.mean()) < 12


def test_what_was_not_seen_is_dimmed_and_what_was_is_blended():
    photo = np.full((100, 300, 3), 200, np.uint8)
    seen = cam.geometry(300, 100, 224, "crop")
    assert seen.seen == (100, 0, 200, 100) and seen.share_seen == pytest.approx(1 / 3)
    drawn = cam.overlay(photo, np.zeros((7, 7)), seen, opacity=0.25, dim=0.5)
    assert (drawn[:, :100] == 100).all() and (drawn[:, 200:] == 100).all()
    assert np.abs(drawn[:, 100:200].astype(int) - (0.75 * 200 + 0.25 * cam.colours("hot")[0])).max() <= 1
    assert np.array_equal(cam.overlay(photo, np.ones((7, 7)), seen, opacity=0.0, dim=0.0), photo)
    assert photo.min() == 200  # the photo itself is untouched


def test_opacity_and_colour_map():
    photo = np.zeros((70, 70, 3), np.uint8)
    seen = cam.geometry(70, 70, 56)
    for name in cam.COLORMAPS:
        full = cam.overlay(photo, hot(3, 3), seen, 1.0, name, smooth=False)
        assert np.array_equal(full[35, 35], cam.colours(name)[255]) and np.array_equal(full[0, 0], cam.colours(name)[0])
    half = cam.overlay(photo, hot(3, 3), seen, 0.5, "grey", smooth=False)
    assert abs(int(half[35, 35, 0]) - 127) <= 1
    luminance = cam.colours("hot").astype(float) @ [0.299, 0.587, 0.114]
    assert (np.diff(luminance) >= 0).all()  # hotter is never darker


def test_enlarging_is_torchs_bilinear_and_keeps_the_mean():
    values = noise(7, 7)
    expected = F.interpolate(torch.from_numpy(values)[None, None], (224, 224), mode="bilinear", align_corners=False)
    big = cam.enlarge(values, 224, 224)
    np.testing.assert_allclose(big, expected[0, 0].numpy(), atol=1e-5)
    assert big.mean() == pytest.approx(values.mean(), abs=1e-6)
    np.testing.assert_array_equal(cam.enlarge(values, 14, 14, smooth=False), np.kron(values, np.ones((2, 2))))


def test_padding_shows_the_whole_photo_in_grey():
    photo = np.full((100, 200, 3), 255, np.uint8)
    seen = cam.geometry(200, 100, 224, "pad")
    assert (seen.left, seen.top, seen.right, seen.bottom) == (0, -50, 200, 150) and seen.share_seen == 1
    picture = cam.as_seen(photo, seen, (0.5, 0.5, 0.5))
    assert (picture[:56] == 128).all() and (picture[56:168] == 255).all() and (picture[168:] == 128).all()


@pytest.mark.parametrize(("width", "height"), [(320, 16), (16, 320), (1024, 51), (17, 23), (640, 480)])
def test_its_own_shape_stays_bounded(width, height):
    seen = cam.geometry(width, height, 224, "own shape")
    assert seen.input_width % 32 == 0 and seen.input_height % 32 == 0
    assert min(seen.input_width, seen.input_height) >= 32 and max(seen.input_width, seen.input_height) <= 640
    assert seen.share_seen == 1


def test_evidence_at_a_point():
    maps = np.arange(98, dtype=np.float32).reshape(2, 7, 7)
    found = cam.explain(Fixed(maps), np.zeros((100, 300, 3), np.uint8))
    at = cam.evidence_at(found, 100 + 50, 50)
    assert (at.row, at.column) == (3, 3) and at.values == (24.0, 73.0) and at.ranks == (25, 25)
    assert cam.evidence_at(found, 50, 50) is None and cam.evidence_at(found, 150, 100) is None
    assert cam.evidence_at(found, 199.9, 99.9).ranks == (1, 1)


# -- is it telling the truth? ------------------------------------------------------------------------
def test_hiding_the_hottest_part_matters_more_than_hiding_any_part():
    """A network that answers to brightness, and a photo with one bright corner."""

    def brightness(x):
        return F.avg_pool2d(x.mean(1, keepdim=True), 8).relu() * 20

    network = cam.Pair(
        (("stage1", brightness),),
        lambda f: torch.cat([f, 0 * f + 1], 1),
        ("bright", "other"),
        56,
        (0.5,) * 3,
        (0.5,) * 3,
    )
    photo = np.full((112, 112, 3), 128, np.uint8)
    photo[:32, :32] = 255
    found = cam.explain(network, photo, class_index=0)
    curve = cam.deletion_curve(network, photo, found)
    assert curve.shares == (0.0, 0.1, 0.2, 0.4)
    assert curve.hottest[0] == curve.random[0] == pytest.approx(found.probabilities[0], abs=1e-6)
    assert curve.hottest[2] < curve.random_low[1] and curve.gap > 0.1
    again = cam.deletion_curve(network, photo, found)
    assert again.random == curve.random  # the same seed, the same areas


def test_exactly_the_share_is_hidden_hottest_first():
    masks = cam._hottest(hot(2, 4), (56, 56), (0.1, 0.4))
    assert [m.sum() for m in masks] == [round(0.1 * 56 * 56), round(0.4 * 56 * 56)]
    assert masks[0][20, 36] and not (masks[0] & ~masks[1]).any()


def test_heat_at_the_border():
    assert cam.background_share(np.ones((7, 7))) == pytest.approx(24 / 49)
    assert cam.background_share(hot(3, 3)) == 0 and cam.background_share(hot(0, 3)) == 1
    assert cam.background_share(-np.ones((7, 7))) == 0
