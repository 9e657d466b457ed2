"""The networks of the CAM page: the ones that ship, those of CIFAR-10, one's own; and how to get ResNet-34."""

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from explorer import devices, ladders
from explorer.cam import backbones, classifier
from explorer.cam.dogscats import train_dogscats
from explorer.cam.network import Network, headed
from explorer.data import dogscats
from explorer.data.pictures import MEAN, STD
from explorer.errors import ExplorerError, WeightsError
from explorer.training import checkpoint
from explorer.ui import download, parts, state

OWN, RESNET = "own", "dogscats-resnet34"


@dataclass(frozen=True, eq=False)
class LoadedNetwork:
    """A network on the page."""

    key: str
    stamp: str  #: changes with its weights
    network: Network
    learnt_from: frozenset[str] = frozenset()  #: digests of photos that it knows by heart

    def name(self, index: int) -> str:
        """A class as a person would say it, plain text."""
        name = self.network.classes[index]
        return name[:-1].capitalize() if self.network.classes == dogscats.CLASSES else name


def small_keys() -> list[str]:
    """The CIFAR-10 rungs with convolutions whose weights are here."""
    return [r.key for r in ladders.VISION if r.key != "simplenet" and checkpoint.shipped(r.key).exists()]


def title(key: str) -> str:
    """What a network is called in the list."""
    if key == OWN:
        return "Your own classes"
    if key in classifier.KEYS:
        return f"{backbones.BACKBONES[classifier.backbone_of(key)].title}: cats and dogs"
    return f"CIFAR-10: {ladders.rung(key).title}"


@st.cache_resource(max_entries=6, show_spinner="Loading the network …")
def _load(path: Path, stamp: float) -> Network:
    if path.stem in classifier.KEYS:
        return classifier.shipped(path.stem)
    model, story = checkpoint.load(path, devices.choose())
    return headed(model, story.classes, MEAN, STD, story.experiment.size)


def choices() -> list[str]:
    """The keys of the networks there are, one's own first."""
    own = [OWN] if state.cam_classes().trained is not None else []
    return [*own, *classifier.KEYS, *small_keys()]


def load(key: str) -> LoadedNetwork:
    """A network by its key.

    Raises:
        WeightsError, DataError: it cannot be had; the sentence says why.
    """
    if key == OWN:
        trained = state.cam_classes().trained
        if trained is None:
            raise WeightsError("There is no classifier of your own yet. Train one below.")
        return LoadedNetwork(key, trained.stamp, trained.network, trained.learnt_from)
    path = classifier.weights_of(key) if key in classifier.KEYS else checkpoint.shipped(key)
    stamp = path.stat().st_mtime if path.exists() else 0.0
    if not path.exists():
        classifier.shipped(key)  # raises, and says what to do
    return LoadedNetwork(key, str(stamp), _load(path, stamp))


def network(key: str) -> LoadedNetwork | None:
    """The network, or what to do to get it."""
    try:
        return load(key)
    except ExplorerError as error:
        if key != RESNET:
            parts.refused(error)
            return None
    _get_resnet()
    return None


def _get_resnet() -> None:
    """The lecture's own backbone: fetch it, then train its head; each with its reason when it cannot be."""
    with st.container(border=True):
        st.markdown(
            "**ResNet-34, the lecture's network.** Its ImageNet weights are 87 MB and do not ship. Fetched once, their "
            "hash is checked; then its head learns cats and dogs from the course's photos. MobileNetV2 needs neither."
        )
        here = backbones.available("resnet34")
        if not here and st.button("Fetch ResNet-34 (87 MB)", icon=":material/download:", type="primary"):
            download.with_bar(backbones.resnet34_body, backbones.RESNET34_BYTES)
        if here:
            st.caption(":material/check: The backbone is here.")
            if st.button("Train its head", icon=":material/model_training:", type="primary"):
                with parts.refusals():
                    with st.spinner("Looking at 800 photos and their mirror images, once …", show_time=True):
                        train_dogscats(RESNET)
                    st.rerun()
