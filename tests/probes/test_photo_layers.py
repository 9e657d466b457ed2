"""ResNet-34 and MobileNetV2 layer by layer, as the notes print the first."""

import pytest

from explorer.probes import photo_layers


def test_resnet_34_is_the_one_that_the_notes_print() -> None:
    found = photo_layers.layers("resnet34")
    rows = {row.name: (stage, row) for stage, row in found.rows}
    assert found.whole == 21_797_672
    stage, first = rows["conv1"]
    assert (stage, first.kind, first.output, first.parameters) == ("stage1", "Conv2d", (64, 112, 112), 9408)
    stage, deep = rows["layer4.2.conv2"]
    assert (stage, deep.output, deep.trainable) == ("stage4", (512, 7, 7), False)
    assert rows["layer2.0.downsample.0"][1].parameters == 64 * 128
    stage, head = rows["head"]
    assert (head.output, head.parameters, head.trainable) == ((2, 7, 7), 512 * 9 * 2 + 2, True)
    body = sum(row.parameters for part, row in found.rows if part != "head")
    assert body == found.whole - 513_000, "all but the last layer's 512 × 1,000 weights and 1,000 biases"
    assert "(layer4): Sequential" in found.printed and "out_features=1000" in found.printed


@pytest.mark.parametrize(("key", "last"), [("resnet34", 512), ("mobilenet_v2", 1280)])
def test_the_picture_shrinks_to_seven(key, last) -> None:
    sides, widths = photo_layers.sides(key)
    assert sides[0] == 224 and sides[-1] == 7 and widths[0] == 3 and widths[-1] == last
