"""Torch's private parts are still where explorer/training/internals.py looks for them."""

import pytest
import torch

from explorer.training.internals import take_step


def test_training_does_not_wait_for_a_compiler_it_never_uses(programs) -> None:
    code = (
        "import sys, torch; from explorer.training.optimisers import make_optimiser\n"
        "from explorer.training.internals import take_step\n"
        "from explorer.experiment import Experiment\n"
        "p = torch.nn.Linear(2, 1)\n"
        "for name in ('adam', 'adamw', 'sgd', 'nesterov'):\n"
        "    o = make_optimiser(p, Experiment.of('gru', optimiser=name), torch.device('cpu'))\n"
        "    p(torch.ones(2)).sum().backward(); take_step(o); o.zero_grad(); o.load_state_dict(o.state_dict())\n"
        "assert 'torch._dynamo' not in sys.modules\n"
    )
    done = programs.run("-c", code)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD])
def test_a_step_is_the_optimisers_own_with_its_hooks(kind):
    ours, theirs = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    called = []
    first, second = kind([ours], lr=0.1), kind([theirs], lr=0.1)
    first.register_step_pre_hook(lambda *_: called.append("before"))
    first.register_step_post_hook(lambda *_: called.append("after"))
    for _ in range(3):
        ours.grad = theirs.grad = torch.full((3,), 0.5)
        take_step(first)
        second.step()
    assert torch.equal(ours, theirs) and called == ["before", "after"] * 3
