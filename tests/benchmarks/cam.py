"""What a photo's whole answer costs over decoding and the forward pass alone; and against the grad-cam package.

    python -m tests.benchmarks.cam --json

``ratio``: (decode, prepare, forward, map, overlay) over (decode, prepare, forward), medians of interleaved runs on
the same photo and network. ``grad_cam_ratio``: our map from the prepared picture over the package's Grad-CAM on the
same network, layer and class.
"""

import argparse
import json
import statistics
import time

import numpy as np
import torch

from explorer.cam.classifier import shipped
from explorer.cam.explain import explain
from explorer.cam.heat import enlarge, min_max, overlay
from explorer.cam.maps import forward
from explorer.cam.view import prepare
from explorer.data import dogscats, photos


def a_photo() -> bytes:
    """A validation photo as JPEG bytes; a generated one of the same size where the photos are not here."""
    found = dogscats.find()
    if found:
        rgb = next(found.photos("valid", 1)).rgb
    else:
        rgb = np.random.default_rng(0).integers(0, 255, (375, 500, 3), dtype=np.uint8)
    return photos.to_bytes(rgb, "JPEG", quality=90)


def interleaved(rounds: int, *works):
    """Median seconds of each work; one after the other in every round, so that a busy machine slows all alike."""
    times = [[] for _ in works]
    for number in range(rounds + 3):
        for kept, work in zip(times, works, strict=True):
            started = time.perf_counter()
            work()
            if number >= 3:
                kept.append(time.perf_counter() - started)
    return [statistics.median(kept) for kept in times]


def main() -> None:
    """Measure and print one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--rounds", type=int, default=60)
    options = parser.parse_args()
    network, data = shipped(), a_photo()

    def alone():
        x, _ = prepare(photos.read_photo(data).rgb, network)
        with torch.no_grad():
            return network(x).softmax(1).cpu()

    def whole():
        photo = photos.read_photo(data)
        found = explain(network, photo)
        return overlay(photo, found.heat.values, found.geometry)

    reference, ours = interleaved(options.rounds, alone, whole)
    result = {"ratio": round(ours / reference, 4), "whole_ms": round(1e3 * ours, 2)}
    result["decode_and_forward_ms"] = round(1e3 * reference, 2)
    result |= against_the_package(network, photos.read_photo(data).rgb, max(10, options.rounds // 3))
    result["compared"] = "decode, forward, map and overlay over decode and forward; MobileNetV2, one photo"
    print(json.dumps(result) if options.json else "\n".join(f"{k}: {v}" for k, v in result.items()))


def against_the_package(network, rgb, rounds):
    """Our class map and the package's Grad-CAM, both from the same prepared picture to a map in [0, 1]."""
    try:
        from pytorch_grad_cam import GradCAM
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    except ImportError:
        return {"grad_cam_ratio": None}
    x, _ = prepare(rgb, network)
    with GradCAM(model=network, target_layers=[network.head]) as tool:

        def theirs():
            tool(input_tensor=x.clone().requires_grad_(), targets=[ClassifierOutputTarget(0)])

        def ours():
            maps = forward(network, x)[1]
            heat = min_max(maps[0, 0].relu().cpu().numpy())
            enlarge(heat.values, *x.shape[2:])

        them, us = interleaved(rounds, theirs, ours)
    return {"grad_cam_ratio": round(us / them, 4), "ours_ms": round(1e3 * us, 2), "grad_cam_ms": round(1e3 * them, 2)}


if __name__ == "__main__":
    main()
