"""The second face engine on real photos, in its own environment (``make test-facenet``).

Detection is real: the detector's weights come with its package. The recogniser's published weights do not, so a
checkpoint of the same layout with random numbers stands in for them: loading, hashes and the engine's contract are
tested, who is alike is not.
"""

import hashlib
import importlib.util
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

from bot.gateways.child import Children
from bot.gateways.faces import facenet, torchvision
from bot.gateways.faces.facenet import FILE, SHA256, FacenetFaces
from bot.gateways.faces.process import FaceProcess
from domain.ports import Comparison, Faces, Prepared
from tests.bot.face_contract import EngineContract, noise, pasted
from tests.photos import FACES, jpeg, needs_faces, picture

if importlib.util.find_spec("facenet_pytorch") is None:
    pytest.skip("the second face engine has an environment of its own: make test-facenet", allow_module_level=True)
# Eye distance, roll, yaw, sharpness and brightness that the default engine tells of these photos.
YUNET_FACTS = {
    "p000_0": (48.9, -3.0, 0.01, 477, 121),
    "p005_0": (44.7, -0.7, 0.16, 91, 115),
    "p050_0": (37.3, -0.7, 0.04, 149, 144),
    "p100_1": (44.0, -0.3, 0.21, 89, 97),
}


class Direct:
    """domain.ports.Faces without a process between, so that the engine is loaded once."""

    def __init__(self, engine: FacenetFaces) -> None:
        self._engine = engine

    async def prepare(self, content: bytes) -> Prepared:
        return self._engine.prepare(content)

    async def compare(self, card: bytes, selfie: bytes) -> Comparison:
        return self._engine.compare(card, selfie)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the published layout: the network and its training's classifier of 8,631 people."""
    torchvision.provide()
    import facenet_pytorch  # noqa: PLC0415 - after what it needs is provided
    import torch  # noqa: PLC0415

    torch.manual_seed(1)
    state = facenet_pytorch.InceptionResnetV1(classify=True, num_classes=8631).state_dict()
    assert (state["logits.weight"].shape, state["logits.bias"].shape) == ((8631, 512), (8631,))
    path = tmp_path_factory.mktemp("weights") / FILE
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def sha256(weights: Path) -> str:
    return hashlib.sha256(weights.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def loaded(weights: Path, sha256: str) -> FacenetFaces:
    return FacenetFaces(weights, sha256)


@pytest.fixture
def faces(loaded: FacenetFaces) -> Faces:
    return Direct(loaded)


@pytest.fixture
def engine(sha256: str) -> tuple[str, bytes]:
    return "facenet-vggface2", bytes.fromhex(sha256)


class TestFacenet(EngineContract):
    """MTCNN and InceptionResnetV1."""


@needs_faces
def test_every_face_is_found_where_it_is(loaded: FacenetFaces) -> None:
    names = [path.stem for path in sorted((FACES / "images").glob("*_0.jpg"))[::5]]
    assert len(names) == 30
    for name in names:
        facts = loaded.prepare(jpeg(picture(name))).facts
        # The photos are cropped around the head and scaled alike, so the eyes lie 35-55 pixels apart.
        assert facts.score >= 0.9, name
        assert 30 < facts.eye_distance < 60, name
        assert abs(facts.roll) < 30, name


@needs_faces
def test_points_are_in_the_photo_s_own_pixels(loaded: FacenetFaces) -> None:
    large = pasted(1200, (picture("p000_0").resize((1000, 1000)), (200, 100)))
    (face, *others) = loaded._detect(large, 0)
    (small,) = loaded._detect(picture("p000_0"), 0)
    assert not others
    assert face.points == pytest.approx(small.points * 4 + [200, 100], abs=25)
    assert face.box == pytest.approx(small.box * 4 + numpy.array([200, 100, 200, 100]), abs=60)


@needs_faces
def test_two_faces_are_counted_and_the_larger_one_counts(loaded: FacenetFaces) -> None:
    one, other = picture("p000_0"), picture("p005_0")
    facts = loaded.prepare(jpeg(pasted(600, (one.resize((120, 120)), (0, 0)), (other, (200, 200))))).facts
    alone = loaded.prepare(jpeg(other)).facts
    assert facts.faces == 2
    assert 0.1 < facts.second < 0.5
    assert facts.eye_distance == pytest.approx(alone.eye_distance, rel=0.1)


def test_no_face_is_seen_in_nothing(loaded: FacenetFaces) -> None:
    for image in (noise(), Image.new("RGB", (300, 300)), Image.new("RGB", (1280, 100), "white")):
        facts = loaded.prepare(jpeg(image)).facts
        assert (facts.faces, facts.score) == (0, 0)


@needs_faces
def test_facts_are_near_the_default_engine_s(loaded: FacenetFaces) -> None:
    # Two detectors put an eye some pixels apart, which moves the crop: near, not equal.
    for name, (eye_distance, roll, yaw, sharpness, brightness) in YUNET_FACTS.items():
        facts = loaded.prepare(jpeg(picture(name))).facts
        assert facts.eye_distance == pytest.approx(eye_distance, rel=0.2), name
        assert facts.roll == pytest.approx(roll, abs=6), name
        assert facts.yaw == pytest.approx(yaw, abs=0.15), name
        assert facts.sharpness == pytest.approx(sharpness, rel=0.6), name
        assert facts.brightness == pytest.approx(brightness, abs=10), name


def test_the_classifier_is_left_out_and_all_else_is_loaded(loaded: FacenetFaces, weights: Path) -> None:
    import torch  # noqa: PLC0415

    published = torch.load(weights, weights_only=True)
    own = loaded._net.state_dict()
    assert set(published) - set(own) == {"logits.weight", "logits.bias"}
    assert all(torch.equal(own[key], published[key]) for key in own)


def test_one_thread_is_used(loaded: FacenetFaces) -> None:
    import torch  # noqa: PLC0415

    assert torch.get_num_threads() == 1


def test_weights_that_are_not_the_published_ones_are_refused(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{FILE}: SHA-256 is [0-9a-f]{{64}}, expected {SHA256}"):
        FacenetFaces(weights)
    with pytest.raises(FileNotFoundError, match=f"no weights at {tmp_path}/none.pt.*{SHA256}"):
        FacenetFaces(tmp_path / "none.pt")


@pytest.mark.parametrize("content", ["rubbish", "other layers", "code"])
def test_a_file_with_the_right_hash_and_no_weights_is_refused(tmp_path: Path, content: str) -> None:
    import torch  # noqa: PLC0415

    path = tmp_path / "other.pt"
    if content == "rubbish":
        path.write_bytes(b"rubbish")
    else:
        torch.save({"layer": torch.zeros(1)} if content == "other layers" else Trap(), path)
    with pytest.raises(ValueError, match="no weights of InceptionResnetV1"):
        FacenetFaces(path, hashlib.sha256(path.read_bytes()).hexdigest())


class Trap:
    """An object that runs code when it is unpickled without care."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return pytest.fail, ("the file's code was run",)


def test_the_package_s_own_loader_s_file_is_used(
    weights: Path, sha256: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    kept = facenet.own_weights()
    kept.parent.mkdir()
    shutil.copy(weights, kept)
    assert FacenetFaces(None, sha256).model_sha256.hex() == sha256
    with pytest.raises(ValueError, match=f"expected {SHA256}"):
        FacenetFaces()


def test_the_package_s_own_loader_fetches_where_there_is_no_file(
    weights: Path, sha256: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facenet_pytorch.models import inception_resnet_v1  # noqa: PLC0415

    asked = []

    def fetch(address: str, target: str) -> None:
        asked.append(address.rsplit("/", 1)[1])
        shutil.copy(weights, target)

    monkeypatch.setattr(inception_resnet_v1, "download_url_to_file", fetch)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert FacenetFaces(None, sha256).model_sha256.hex() == sha256
    assert asked == [FILE]


async def test_without_weights_and_network_it_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing listens there
    process = FaceProcess("facenet", Children("facenet", python=sys.executable))
    with pytest.raises(ValueError, match=f"^face engine facenet: no weights: .*{tmp_path}.*URLError.*{SHA256}$"):
        await process.start()
    await process.close()


@pytest.fixture
async def process(weights: Path, sha256: str) -> AsyncIterator[FaceProcess]:
    started = FaceProcess("facenet", Children("facenet", str(weights), sha256, python=sys.executable))
    yield started
    await started.close()


@needs_faces
async def test_it_works_in_a_process_of_its_own(process: FaceProcess, loaded: FacenetFaces, sha256: str) -> None:
    assert sha256 in await process.start()
    one, other = [jpeg(picture(name)) for name in ("p000_0", "p005_0")]
    prepared = await process.prepare(one)
    assert prepared == loaded.prepare(one)
    comparison = await process.compare(prepared.jpeg, other)
    assert comparison.score == pytest.approx(loaded.compare(prepared.jpeg, other).score, abs=1e-5)
    assert len(comparison.vector) == 4 * 512


def test_overlapping_boxes_are_dropped_within_their_group_only() -> None:
    import torch  # noqa: PLC0415

    boxes = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 10], [20, 20, 30, 30], [5, 0, 15, 10]])
    scores = torch.tensor([0.8, 0.9, 0.7, 0.6, 0.5])
    groups = torch.tensor([0, 0, 1, 0, 0])
    # 0 overlaps the surer 1 by 9/11; 2 is another group's; 4 overlaps 1 by 6/14.
    assert torchvision.batched_nms(boxes, scores, groups, 0.5).tolist() == [1, 2, 3, 4]
    assert torchvision.batched_nms(boxes, scores, groups, 0.4).tolist() == [1, 2, 3]
    assert torchvision.batched_nms(boxes[:0], scores[:0], groups[:0], 0.5).tolist() == []
