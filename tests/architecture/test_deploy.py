"""What operators are given fits the program: names of settings, of figures, of roles."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from tortoise.backends.base.client import BaseDBAsyncClient

from bot.app import Role
from bot.probes import Measured, Probes
from bot.settings import Settings
from tools.cluster import given

ROOT = Path(__file__).parents[2]
PREFIX = "GELOMBANG_"


def _loaded(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text())


def test_compose_starts_every_role_with_settings_that_there_are() -> None:
    services = _loaded("compose.yaml")["services"]
    commands = [service.get("command", []) for service in services.values()]
    roles = {command[-1] for command in commands if "--role" in command}
    assert roles == {role.value for role in Role if role != Role.ALL}
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for name, service in services.items():
        named = {key for key in service.get("environment", {}) if key.startswith(PREFIX)}
        assert named <= known, name
    assert services["web"]["deploy"]["replicas"] == services["worker"]["deploy"]["replicas"] == 2


async def test_rules_and_the_guide_name_figures_that_there_are(db: BaseDBAsyncClient) -> None:
    measured = Measured()
    Probes(db, lambda: False, "", measured, {})
    said = generate_latest(measured.registry).decode()
    families = {family.name: family.type for family in text_string_to_metric_families(said)}
    names = set()
    for name, kind in families.items():
        names |= {f"{name}_bucket", name} if kind == "histogram" else {f"{name}_total"} if kind == "counter" else {name}
    rules = [rule for group in _loaded("deploy/alerts.yml")["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["annotations"]["summary"]
        assert set(re.findall(r"gelombang_\w+", rule["expr"])) <= names, rule["alert"]
    assert set(re.findall(r"\bgelombang_\w+", (ROOT / "docs/operate.md").read_text())) <= names


def test_a_cluster_takes_what_is_written_in_env_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("GELOMBANG_TELEGRAM_PACE=7\nGELOMBANG_LOG_LEVEL=DEBUG\nPATH=elsewhere\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GELOMBANG_LOG_LEVEL", "INFO")
    found = given()
    assert (found["TELEGRAM_PACE"], found["LOG_LEVEL"], "PATH" in found) == ("7", "INFO", False)
