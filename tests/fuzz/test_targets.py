"""What ``python -m fuzz`` runs, without atheris: each target takes its seeds, and each of them cut short and bent."""

import pytest

from fuzz.targets import TARGETS


@pytest.mark.filterwarnings("ignore::aiohttp.BadContentDispositionHeader")  # as bot.web has it, but for pytest's own
@pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")  # of the charset unicode_escape
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # of pictures whose metadata is cut short
@pytest.mark.parametrize("name", TARGETS)
def test_a_target_takes_its_seeds_whole_and_broken(name: str) -> None:
    seeds = TARGETS[name].seeds()
    assert seeds
    for seed in seeds:
        bent = bytearray(seed)
        bent[len(seed) // 2] ^= 0xFF
        for content in (seed, seed[: len(seed) // 2], bytes(bent), seed + seed):
            TARGETS[name].run(content)
