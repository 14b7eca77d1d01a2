"""Which face engine is chosen, and that one that can't work stops the server at its start, in words."""

import subprocess
import sys
from pathlib import Path

import pytest

from bot import cli, doctor
from bot.gateways.child import ROOT, Children, RefusedError
from bot.gateways.faces.chosen import chosen
from bot.gateways.faces.facenet import SHA256, check_weights
from bot.settings import Settings


@pytest.fixture(autouse=True)
def set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GELOMBANG_FACE_ENGINE", "facenet")


def test_serving_without_the_engine_s_environment_ends_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["serve"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("gelombang: face engine facenet: no ")
    assert said.endswith(".venv-facenet/bin/python (GELOMBANG_FACENET_PYTHON): make facenet-worker\n")


def test_serving_without_weights_ends_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Weights are looked at before torch is loaded, so this environment will do.
    monkeypatch.setenv("GELOMBANG_FACENET_PYTHON", sys.executable)
    monkeypatch.setenv("GELOMBANG_FACENET_WEIGHTS", "no-such-file.pt")
    assert cli.main(["serve"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"gelombang: face engine facenet: no weights at {tmp_path}/no-such-file.pt: ")
    assert said.endswith(f"SHA-256 {SHA256}\n")
    assert said.count("\n") == 1


async def test_another_file_is_refused_with_both_hashes(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(b"another model")
    with pytest.raises(ValueError, match=f"SHA-256 is [0-9a-f]{{64}}, expected {SHA256}"):
        check_weights(path)
    faces, _ = chosen(Settings(facenet_python=Path(sys.executable), facenet_weights=path))
    with pytest.raises(ValueError, match=f"^face engine facenet: {path}: SHA-256 is .*, expected {SHA256}$"):
        await faces.start()
    with pytest.raises(RefusedError):  # and a photo is not blamed for it
        await faces.prepare(b"a photo")
    await faces.close()


async def test_an_interpreter_that_is_none_is_named(tmp_path: Path) -> None:
    children = Children("facenet", python=str(tmp_path / "python"))
    with pytest.raises(RefusedError, match=f"{tmp_path}/python: No such file or directory"):
        await children.call(str, "describe")
    await children.close()


async def test_doctor_names_what_is_wrong(tmp_path: Path) -> None:
    finding = await doctor._faces(Settings(facenet_python=Path(sys.executable), facenet_weights=tmp_path / "none.pt"))
    assert finding.level == "bad"
    assert f"no weights at {tmp_path}/none.pt" in finding.text


async def test_the_default_engine_says_which_it_is() -> None:
    faces, _ = chosen(Settings(face_engine="opencv"))
    assert (await faces.start()).startswith("yunet+sface, recogniser SHA-256 fb143eea")
    await faces.close()


def test_the_web_process_loads_no_vision_library() -> None:
    heavy = "{'torch', 'cv2', 'numpy', 'PIL', 'facenet_pytorch'}"
    code = f"import bot.app, bot.doctor, sys; print(sorted({heavy} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert loaded.stdout == "[]\n"
