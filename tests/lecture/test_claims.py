"""Every claim in its reduced form, on the real data: what its card says must be what comes out."""

import ast
import inspect
import json
import re
import time

import numpy as np
import pytest

from explorer import ladders
from explorer.errors import SettingsError
from explorer.experiment import Experiment
from explorer.lecture import claims, quirks, verdicts
from explorer.lecture.claims import CLAIMS, Claim
from explorer.lecture.measures import MEASURES, measure
from explorer.store.history import COLUMNS, EpochRow, Snapshot


@pytest.fixture(autouse=True)
def one_thread():
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.data
@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_the_reduced_form_comes_out_as_the_card_says(claim: Claim) -> None:
    shares: list[float] = []
    values, verdict = measure(claim, shares.append)
    assert verdict.agrees, verdict.text
    assert values and verdict.text.endswith(".")
    assert shares == sorted(shares) and 0 < shares[-1] <= 1, "a progress bar can follow"


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_make_it_happen_has_something_to_start_and_the_recorded_runs_agree(claim: Claim) -> None:
    assert claim.page in ("char_rnn", "cifar10", "batchnorm", "cam")
    assert bool(claim.experiment) + bool(claim.race) + (claim.page == "cam") == 1
    if claim.experiment is not None:
        ladder = {"char_rnn": "language", "cifar10": "vision"}[claim.page]
        assert claim.experiment.rung.ladder == ladder
        again, notices = type(claim.experiment).from_query(claim.experiment.to_query(), "gru")
        assert again == claim.experiment and not notices, "the link sets the same sliders"
        if claim.experiment.schedule == "step":
            assert claim.experiment.drop_epochs < claim.experiment.epochs, "not all of it at a tenth of the rate"
    recorded = verdicts.recorded_verdict(claim.id)
    assert recorded is None or recorded.agrees is not False, recorded.text


def test_races_are_the_ones_of_the_batchnorm_page() -> None:
    from explorer.lecture.races import BY_KEY

    assert {claim.race for claim in CLAIMS if claim.race} <= set(BY_KEY)


def test_measuring_stops_when_it_is_told_to() -> None:
    class Enough(Exception):
        pass

    def tick(share: float) -> None:
        raise Enough

    with pytest.raises(Enough):
        measure(claims.BY_ID["weights"], tick)


def _history(*losses: float) -> Snapshot:
    columns = {name: np.zeros(0) for name in COLUMNS}
    rows = tuple(EpochRow(i, i, loss, loss, 0.5, 1.0) for i, loss in enumerate(losses, 1))
    return Snapshot(columns, rows)


def test_the_restarts_are_read_from_a_history() -> None:
    lecture = next(f.curve for f in ladders.rung("lstm").figures if f.curve)
    values = verdicts.restarts(_history(*lecture), (3, 5, 9, 17))
    verdict = verdicts.judge("restarts", values)
    assert verdict.agrees and "1.351" in verdict.text
    monotone = verdicts.restarts(_history(*np.linspace(2, 1, 17)), (3, 5, 9, 17))
    assert verdicts.judge("restarts", monotone).agrees is False, "no restart pushed it up"


@pytest.mark.parametrize(
    ("claim", "values"),
    [
        ("reset", {"never.loss": 2.0, "batch.loss": 1.9}),
        ("bptt", {"8.seconds": 1, "64.seconds": 1, "8.val_loss": 2, "64.val_loss": 1.9}),
        ("explode", {"8 at 0.3.gradient": 5, "64 at 0.3.gradient": 6, "64 at 0.001.gradient": 1}),
        ("gru", {"gru.val_loss": 1.6, "stateful.val_loss": 1.5}),
        ("deeper", {"8 at 0.003.loss": 2.0, "8 at 0.3.loss": float("inf"), "8 with BatchNorm.loss": 1.9}),
        ("rate", {"plain.loss": 1.9, "BatchNorm.loss": 1.8}),
        ("depth", {"shallow.accuracy": 0.3, "deep.accuracy": 0.4, "shallow.loss": 2, "deep.loss": 1.9}),
        ("skip", {"deep.accuracy": 0.3, "skips.accuracy": 0.2}),
        ("map", {"photos": 3, "whole": 1.0, "hottest": 0.9, "random": 0.8}),
        ("last-batch", {"2.accuracy": 0.3, "16.accuracy": 0.3, "64.accuracy": 0.3}),
    ],
)
def test_a_verdict_can_contradict_the_lecture(claim: str, values: dict) -> None:
    assert verdicts.judge(claim, values).agrees is False


def test_one_photo_is_too_few_to_judge_the_heat_map_by() -> None:
    found = verdicts.judge("map", {"photos": 1, "whole": 1.0, "hottest": 0.99, "random": 0.91})
    assert found.agrees is None and found.text.startswith("1 photo of cats") and "One photo says little" in found.text


def test_where_longer_steps_cost_nothing_it_is_said_why() -> None:
    values = {"8.seconds": 1.0, "64.seconds": 1.1, "8.val_loss": 2.0, "64.val_loss": 1.9}
    assert "On a GPU that is usual" in verdicts.judge("bptt", values).text
    assert "GPU" not in verdicts.judge("bptt", values | {"64.seconds": 4.0}).text


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_every_card_says_what_came_out_in_the_recorded_full_run(claim: Claim) -> None:
    """And of the run that *make it happen* starts now, not of one it started once."""
    recorded = verdicts.recorded_verdict(claim.id)
    assert recorded is not None and re.search(r"\d", recorded.text)
    if claim.id in verdicts.RECORDED:
        return
    told = json.loads(verdicts.CLAIMS.read_text())[claim.id]
    began = Experiment.from_json(json.dumps(told["experiment"])) if told["experiment"] else None
    assert began == claim.experiment
    if claim.race and claim.id != "depth":
        from explorer.lecture import races
        from explorer.lecture.recorded import race

        assert recorded == races.BY_KEY[claim.race].verdict(race(claim.race)[0])


def test_a_claim_about_a_setting_that_does_not_exist_is_refused() -> None:
    claim = Claim("x", "", "", "", 0, "cifar10", "", 1, "convnet", changes={"bptt": 16})
    with pytest.raises(SettingsError):
        _ = claim.experiment


def test_neither_claims_nor_quirks_import_torch_or_streamlit() -> None:
    for module in (claims, quirks):
        imported = [n for n in ast.parse(inspect.getsource(module)).body if isinstance(n, ast.Import | ast.ImportFrom)]
        names = {getattr(n, "module", None) or n.names[0].name for n in imported}
        assert not {name for name in names if name.startswith(("torch", "streamlit", "plotly"))}


# -- quirks --------------------------------------------------------------------------------------------


def test_every_quirk_is_measured_in_no_time() -> None:
    began = time.perf_counter()
    for quirk in quirks.QUIRKS:
        assert quirk.measured()[-1] == "." or quirk.measured()[-1] == ")", quirk.id
    assert time.perf_counter() - began < 3


def test_the_loaders_bptt_is_8_4_on_average_and_a_third_of_it_is_5() -> None:
    lengths = quirks.jittered_lengths(8, 200_000)
    assert lengths.mean() == pytest.approx(8.4, abs=0.05)
    assert 0.3 < (lengths == 5).mean() < 0.4


@pytest.mark.data
def test_it_draws_like_the_loader_here() -> None:
    import torch

    from explorer.data import text
    from explorer.experiment import Experiment

    data = text.TextData(text.load(), Experiment.of("gru"), torch.device("cpu"))
    ours = [batch.x.shape[0] for batch in data.train_batches(torch.Generator().manual_seed(0))]
    assert np.mean(ours) == pytest.approx(quirks.jittered_lengths(8, 100_000).mean(), abs=0.4)
    assert data.steps_per_epoch == quirks.BATCHES == 942


def test_the_restarts_fall_inside_epochs() -> None:
    v = quirks.BY_ID["restarts"].measure()
    assert [v["1"], v["3"], v["7"]] == pytest.approx([1.05, 3.12, 7.32], abs=0.03)


def test_7_by_7_with_padding_1_gives_28() -> None:
    assert list(quirks.BY_ID["seven"].measure().values()) == [32, 28, 14, 7, 4, 2]


def test_it_is_what_resnet2_does() -> None:
    from explorer.experiment import Experiment
    from explorer.models.sizes import picture_sides

    assert picture_sides(Experiment.of("resnet2")) == list(quirks.BY_ID["seven"].measure().values())


def test_about_950_cars_are_in_both_parts() -> None:
    v = quirks.BY_ID["cars"].measure()
    assert 900 <= v["both"] <= 1000 and v["train"] == pytest.approx(40_909, abs=2)


def test_printed_accuracies_are_parts_of_10240() -> None:
    assert round(8_494 / 10_240, 5) == 0.82949
    assert quirks.batch_mean(8_300, 10_000, 256, 16) == pytest.approx((8_284 / 256 + 1) / 40)
    assert quirks.batch_mean(10_000, 10_000, 256, 16) == 1


def test_a_dead_channel_is_nan_the_lectures_way_and_zero_here() -> None:
    v = quirks.BY_ID["no-eps"].measure()
    assert v["nan"] == 1 and v["ours"] == 0


def test_every_page_with_quirks_exists() -> None:
    assert {page for quirk in quirks.QUIRKS for page in quirk.pages} <= {"char_rnn", "cifar10", "batchnorm", "cam"}
    assert quirks.for_page("char_rnn")[0].id == "jitter"


def test_every_claim_can_be_measured_and_judged() -> None:
    assert set(MEASURES) == set(verdicts.JUDGES) == set(claims.BY_ID) >= set(verdicts.RECORDED)
