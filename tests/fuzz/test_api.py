"""The providers' API against its own OpenAPI document: schemathesis's requests, unsigned and signed, over HTTP."""

import asyncio
import hashlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from limits import RateLimitItemPerSecond
from schemathesis.generation import GenerationMode

from bot import provider_api
from bot.provider_api import ROOT, openapi, signature
from models import crypto
from tests.bot.test_provider_api import CLIENT, KEY, office
from tests.conftest import empty_database
from tests.fuzz.budget import tries

SCHEMA = schemathesis.openapi.from_dict(openapi())
CALLS = [path.rsplit("/", 1)[1] for path in openapi()["paths"]]
MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
CHECKS = [
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_schema_conformance,
]


@dataclass(frozen=True)
class Signer(requests.auth.AuthBase):
    """Signs whatever schemathesis made, so that it gets past the door."""

    stamp: int

    def __call__(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        body = prepared.body or b""
        raw = body.encode() if isinstance(body, str) else body
        assert isinstance(raw, bytes)
        path, stamp = prepared.path_url.partition("?")[0], str(self.stamp)
        signed = signature(hashlib.sha1, KEY.encode(), CLIENT, stamp, path, raw)
        prepared.headers.update({"client_code": CLIENT, "timestamp": stamp, "signature": signed})
        return prepared


@dataclass(frozen=True)
class Api:
    """Where the API is served, and a redeem code it knows."""

    url: str
    signer: Signer
    code: str


async def _serve(folder: Path, template: Path, started: "Future[Api]", stop: threading.Event) -> None:
    async with empty_database(template, folder) as db, office(db) as at:
        started.set_result(Api(at.url, Signer(int(at.clock().timestamp())), at.code))
        while not stop.is_set():  # noqa: ASYNC110 - the event is another thread's
            await asyncio.sleep(0.02)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[Api]:
    """The API on a port, served by a thread of its own: schemathesis calls it with a client that blocks."""
    with pytest.MonkeyPatch.context() as patch:
        for limit in ("CALLS", "FAILURES"):  # many more are made here than anybody may
            patch.setattr(provider_api, limit, RateLimitItemPerSecond(1_000_000))
        crypto.use(crypto.Keyring({1: bytes(32)}, bytes(32)))
        started: Future[Api] = Future()
        stop = threading.Event()
        folder = tmp_path_factory.mktemp("api")

        def work() -> None:
            try:
                asyncio.run(_serve(folder, migrated_file, started, stop))
            except Exception as error:
                started.cancel()
                raise AssertionError("the API could not be served") from error

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield started.result(30)
        finally:
            stop.set()
            thread.join()


@pytest.fixture(autouse=True)
def keys() -> None:
    """The server's thread has the keys of the whole module: none of them may change under it."""


@pytest.mark.parametrize("call", CALLS)
@tries(25, at_most=2_000)
@given(data=st.data())
def test_whoever_calls_is_answered_as_the_document_says(api: Api, call: str, data: Any) -> None:
    operation = SCHEMA[f"{ROOT}/{call}"]["POST"]
    case = data.draw(operation.as_strategy(generation_mode=data.draw(st.sampled_from(MODES))))
    if data.draw(st.booleans()) and isinstance(case.body, dict):
        case.body["redeem_code"] = api.code
    began = time.perf_counter()
    response = case.call(base_url=api.url, auth=api.signer if data.draw(st.booleans()) else None, timeout=5)
    assert time.perf_counter() - began < 2
    case.validate_response(response, checks=CHECKS)
