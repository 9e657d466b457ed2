"""BatchNorm by hand against PyTorch's, forward and backward, in each mode."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from explorer.errors import SettingsError
from explorer.models.batchnorm import EPS, BnLayer, LectureBnLayer


def layer(norm, nf=6, seed=0, **rest):
    torch.manual_seed(seed)
    made = BnLayer(3, nf, norm=norm, **rest)
    if norm in ("lecture", "running"):
        with torch.no_grad():
            made.m.normal_(1, 0.5)
            made.a.normal_()
    return made


def reference(made, x, norm):
    """The same by ``F.batch_norm``; the lecture's √(squares / (n - 1) + ε) is written with √(squares / n)."""
    z = F.relu(made.conv(x))
    n = z.numel() // z.shape[1]
    m, a, share = made.m.flatten(), made.a.flatten(), (n - 1) / n
    if norm == "lecture":
        return F.batch_norm(z, None, None, m * share**0.5, a, training=True, eps=EPS * share)
    return F.batch_norm(z, None, None, m, a, training=True, eps=EPS)


@pytest.mark.parametrize("norm", ["lecture", "running"])
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", [(5, 3, 9, 8), (2, 3, 3, 3), (64, 3, 16, 16)])
def test_agrees_with_torch_forward_and_backward(norm, memory, shape):
    # In double precision, for F.batch_norm itself is off by up to 1e-4 on channels-last float32 (torch 2.14, CPU).
    made, exact = layer(norm), layer(norm).double()
    x = torch.randn(shape).mul(3).add(2).to(memory_format=memory).requires_grad_()
    exact_x = x.detach().double().requires_grad_()
    ours, wanted = made(x), reference(exact, exact_x, norm)
    torch.testing.assert_close(ours.double(), wanted, atol=1e-5, rtol=1e-5)
    weights = torch.randn(ours.shape)
    ours = torch.autograd.grad((ours * weights).sum(), [x, *made.parameters()])
    wanted = torch.autograd.grad((wanted * weights).sum(), [exact_x, *exact.parameters()])
    for name, g, w in zip(["x", *dict(made.named_parameters())], ours, wanted, strict=True):
        size = max(1, w.abs().max().item())
        torch.testing.assert_close(g.double(), w, atol=1e-5 * size, rtol=1e-5, msg=name)


def test_the_lecture_divides_by_the_unbiased_deviation_and_running_by_the_biased():
    x = torch.randn(2, 3, 4, 4)  # 8 values a channel: the two differ by 7 %
    lecture, running = layer("lecture"), layer("running")
    plain = [(made(x) - made.a) / made.m for made in (lecture, running)]
    ratio = plain[1].std((0, 2, 3), correction=0) / plain[0].std((0, 2, 3), correction=0)
    live = lecture.variances > 1e-3
    assert live.any()
    torch.testing.assert_close(ratio[live], torch.full_like(ratio[live], (8 / 7) ** 0.5), atol=1e-3, rtol=0)


def test_it_is_the_lectures_own_formula():
    made, x = layer("lecture"), torch.randn(16, 3, 8, 8)
    z = F.relu(made.conv(x))
    channels = z.transpose(0, 1).contiguous().view(z.size(1), -1)
    means, stds = channels.mean(1)[:, None, None], channels.std(1)[:, None, None]
    torch.testing.assert_close(made(x), (z - means) / stds * made.m + made.a, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(made.means, means.flatten())
    torch.testing.assert_close(made.variances.sqrt(), stds.flatten())


def test_lecture_evaluates_with_the_last_batch():
    made, (first, last) = layer("lecture"), torch.randn(2, 8, 3, 8, 8)
    made(first)
    made(last)
    kept = copy.deepcopy(made.state_dict())
    trained = made(last)
    made.eval()
    torch.testing.assert_close(made(last), trained)
    made(first * 100)
    assert all(torch.equal(kept[k], v) for k, v in made.state_dict().items())


def test_running_equals_nn_batchnorm_over_batches():
    made = layer("running")
    theirs = nn.BatchNorm2d(6)
    with torch.no_grad():
        theirs.weight.copy_(made.m.flatten())
        theirs.bias.copy_(made.a.flatten())
    for scale in (1, 3, 0.5):
        x = torch.randn(4, 3, 5, 5) * scale
        torch.testing.assert_close(made(x), theirs(F.relu(made.conv(x))), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(made.means, theirs.running_mean)
    torch.testing.assert_close(made.variances, theirs.running_var)
    made.eval(), theirs.eval()
    torch.testing.assert_close(made(x), theirs(F.relu(made.conv(x))), atol=1e-5, rtol=1e-5)


def test_torch_and_none():
    made, x = layer("torch"), torch.randn(4, 3, 8, 8)
    assert torch.equal(made(x), nn.BatchNorm2d(6)(F.relu(made.conv(x))))
    plain = layer("none")
    assert torch.equal(plain(x), F.relu(plain.conv(x))) and plain.conv.bias is not None
    assert [p for p, _ in plain.named_parameters()] == ["conv.weight", "conv.bias"]
    assert made.conv.bias is None and layer("lecture").conv.bias is None


@pytest.mark.parametrize("norm", ["lecture", "running", "torch"])
def test_a_dead_channel_stays_finite_and_harmless(norm):
    made = layer(norm)
    with torch.no_grad():
        made.conv.weight[2] = 0
    out = made(torch.randn(8, 3, 8, 8))
    out.sum().backward()
    assert out.isfinite().all() and all(p.grad.isfinite().all() for p in made.parameters())
    made.eval()
    assert made(torch.randn(8, 3, 8, 8)).isfinite().all()


def test_one_value_a_channel_gives_a():
    for norm in ("lecture", "running"):
        made = layer(norm)
        torch.testing.assert_close(made(torch.randn(1, 3, 1, 1)), made.a[None])
        assert made.variances.isfinite().all()


@pytest.mark.parametrize("norm", ["lecture", "running", "torch", "none"])
def test_copied_saved_and_loaded(norm):
    made, x = layer(norm), torch.randn(8, 3, 8, 8)
    made(x).sum().backward()
    twin = copy.deepcopy(made)  # the lecture's layer cannot be copied once it has trained
    fresh = BnLayer(3, 6, norm=norm)
    fresh.load_state_dict(made.state_dict())
    wanted = made.eval()(x)
    assert torch.equal(twin.eval()(x), wanted) and torch.equal(fresh.eval()(x), wanted)
    assert not any(b.requires_grad for b in made.buffers())


@pytest.mark.parametrize("norm", ["lecture", "running"])
def test_half_precision_keeps_its_statistics_in_float32(norm):
    made, x = layer(norm), torch.randn(8, 3, 16, 16)
    exact = made(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = made(x)
    assert half.dtype == torch.bfloat16 and made.means.dtype == torch.float32
    torch.testing.assert_close(half.float(), exact, atol=0.1, rtol=0.05)
    # Far from zero bfloat16 has steps of 8; the mean of its values is still exact to far less than that.
    far = layer(norm)
    with torch.no_grad():
        far.conv.weight.zero_()
    z = (1000 + torch.randn(64, 6, 8, 8)).bfloat16()
    far.normalise(z)
    share = 1.0 if norm == "lecture" else 0.1
    torch.testing.assert_close(far.means, share * z.float().mean((0, 2, 3)), atol=0.01, rtol=0)


def test_channels_last_stays_channels_last():
    for norm in ("lecture", "running", "torch", "none"):
        x = torch.randn(4, 3, 8, 8).to(memory_format=torch.channels_last)
        assert layer(norm)(x).is_contiguous(memory_format=torch.channels_last), norm


def test_kernel_of_seven_takes_four_pixels():
    assert BnLayer(3, 16, stride=1, kernel_size=7)(torch.zeros(2, 3, 32, 32)).shape == (2, 16, 28, 28)


@pytest.mark.parametrize("norm", ["lecture", "running", "torch", "none"])
def test_everything_is_on_one_device(norm):
    with FakeTensorMode(), torch.device("cuda"):
        made = BnLayer(3, 6, norm=norm)
        assert made(torch.randn(4, 3, 8, 8)).device.type == "cuda"
        assert made.eval()(torch.randn(4, 3, 8, 8)).device.type == "cuda"


def test_unknown_norm():
    with pytest.raises(SettingsError, match="lecture, running, torch, none"):
        BnLayer(3, 6, norm="batch")


def test_what_is_shown_as_the_lectures_layer_gives_what_the_one_that_runs_gives():
    fast, plain = layer("lecture"), LectureBnLayer(3, 6)
    plain.load_state_dict(fast.state_dict())  # the same names and shapes
    x = torch.randn(8, 3, 9, 8)
    weights = torch.randn(fast(x).shape)
    outputs, gradients = [], []
    for made in (fast, plain):
        trained = made.train()(x)
        gradients.append(torch.autograd.grad((trained * weights).sum(), [*made.parameters()]))
        outputs.append((trained, made.eval()(x * 2), made.means, made.variances))
    torch.testing.assert_close(outputs[0], outputs[1], atol=1e-5, rtol=1e-5)
    for name, ours, wanted in zip(dict(plain.named_parameters()), *gradients, strict=True):
        size = max(1, wanted.abs().max().item())
        torch.testing.assert_close(ours, wanted, atol=2e-5 * size, rtol=1e-5, msg=name)
