"""What one can play with behind the CIFAR-10 page's curves."""

from tests.pages.conftest import open_page, texts


def _open(tab: str, *folds: str, **query: str):
    at = open_page("cifar10", **query)
    at.session_state["cifar10.behind"] = tab
    for fold in folds:
        at.session_state[f"cifar10.fold.{fold}"] = True
    at.run()
    assert not at.exception and not at.error
    return at


def _drawn(at, words: str) -> str:
    return next(str(m.value) for m in at.markdown if words in str(m.value))


def test_adaptive_pooling_finds_out_how_far_its_cells_look() -> None:
    at = _open("The network", "pooling", model="builder")
    assert "7 × 7 pooled into 1 × 1" in _drawn(at, "pooled into")
    at.slider(key="cifar10.pool_cells").set_value(3).run()
    assert "pooled into 3 × 3" in _drawn(at, "pooled into") and "neighbours share" in texts(at)
    at.slider(key="cifar10.pool_size").set_value(2).run()
    assert "2 × 2 pooled into 2 × 2" in _drawn(at, "pooled into")
    at.segmented_control(key="cifar10.pool_kind").set_value("both").run()
    assert "mean | largest" in _drawn(at, "pooled into")
    assert any("class GlobalPool" in code.value for code in at.code)


def test_the_pictures_statistics_stand_beside_the_notes_and_rigour_has_its_word() -> None:
    at = _open("The pictures", "stats", "rigor", model="convnet")
    table = next(frame.value for frame in at.dataframe if "mean, notes" in frame.value)
    assert table["mean, notes"].tolist() == [0.4914, 0.48216, 0.44653]
    assert (table["mean, notes"] - table["mean, these pictures"]).abs().max() < 0.1
    assert "MNIST" in texts(at)


def test_residuals_are_told_as_boosting_and_measured_on_the_shipped_network(few_asked) -> None:
    at = _open("The model's code", "boosting", model="resnet")
    assert "boosting" in texts(at) and "200 validation pictures with the shipped weights" in texts(at)
    assert "residuals" in at.session_state["cifar10"].charts
