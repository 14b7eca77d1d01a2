"""Requests that no honest client sends: for every route, whatever has broken a web server before."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.fuzz.site import CHAT, DOORS

JSON, FORM, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"
SIZE = 3 * 1024 * 1024
BOMB = gzip.compress(b" " * (64 * 1024 * 1024))
FILLED = {  # what stands for a placeholder of a path
    "name": ["index.html", "..%2f..%2fetc%2fpasswd", "%ff%fe", "%00", "a" * 4_000],
    "wave": ["1", "%D9%A1", "999999999"],
    "path": ["", "index.html", "../../keys", "ranks/1.txt", "%2e%2e/%2e%2e/keys", "%00.csv"],
    "token": ["x", "%ff", "a" * 4_000],
    "id": ["1", "9" * 18, "%D9%A1"],
    "at": ["0", "9"],
}


@dataclass(frozen=True)
class Thrown:
    """One request; ``whole`` is false for those that break off."""

    label: str
    content: bytes
    whole: bool = True


def paths(canonical: str) -> list[str]:
    """A path's placeholders filled in some ways."""
    found = [canonical]
    for name, values in FILLED.items():
        if f"{{{name}}}" in canonical:
            found = [path.replace(f"{{{name}}}", value) for path in found for value in values]
    return found


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """A request as bytes. Headers are encoded as Latin-1, so that any byte can stand in one."""
    given = {"Host": "gelombang.test", "Connection": "close", **DOORS, "Content-Length": str(len(body))}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items() if value), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def thrown_at(method: str, canonical: str) -> Iterator[Thrown]:
    """Everything that is tried at one route."""
    for path in paths(canonical):
        yield Thrown(f"{method} {path[:60]}", request(method, path))
    path = paths(canonical)[0]
    for label, headers in _headers().items():
        yield Thrown(f"{method} {path}: {label}", request(method, path, b"", **headers))
    for query in ("after=-1", "after=" + "9" * 5_000, "wait=nan", "chat=%00&after=%ff", "message=" + "9" * 18, "&&=;%"):
        yield Thrown(f"{method} {path}?{query[:20]}", request(method, f"{path}?{query}"))
    for other in {"PUT", "DELETE", "TRACE", "OPTIONS", "HEAD", "BREW"} - {method}:
        yield Thrown(f"{other} {path}", request(other, path))
    if method == "POST":
        for label, kind, body in _bodies():
            yield Thrown(f"{path}: {label} as {kind[:60]}", request(method, path, body, Content_Type=kind))
        yield from _broken_off(path)


def _headers() -> dict[str, dict[str, str]]:
    late = "Sun, 06 Nov 99999999999 08:49:37 GMT"
    return {
        "a date that never comes": {"If_Modified_Since": late, "If_Unmodified_Since": late, "If_Range": late},
        "an odd range": {"Range": "bytes=9-1,-" + "9" * 5_000},
        "letters of nowhere": {"Content_Type": "\xff\xfe/\xff; charset=\xff", "Accept_Encoding": "\xff"},
        "a secret of odd letters": {"X-Chat": "\xff" * 40, "x-callback-token": "\xff", "X-Twilio-Signature": "\xff"},
        "no length": {"Content_Length": ""},
        "an odd length": {"Content_Length": "-5"},
        "two lengths": {"Content_Length": "5", "Transfer_Encoding": "chunked"},
        "a header of 100 KB": {"X-Long": "a" * 100_000},
        "an expectation": {"Expect": "the-unexpected"},
        "another protocol": {"Connection": "Upgrade", "Upgrade": "websocket"},
    }


def _bodies() -> Iterator[tuple[str, str, bytes]]:
    """Bodies by kind: broken letters, depth, size, and forms that are none."""
    deep = b"[" * 60_000
    texts = [b"", b"{", b"null", b"[]", b'"\\ud800"', b"\xff\xfe", b"NaN", b"9" * 5_000, b"\x00", deep, b'{"z":' + deep]
    texts += [json.dumps(each).encode() for each in _shapes()]
    texts += [b'{"chat":"%s","id":"\xff"}' % CHAT.encode(), b'{"id":"1","text":"\\ud800"}', b'{"event":"\xff"}']
    for text in texts:
        yield text[:24].decode("latin-1"), JSON, text
    for charset in ("utf-8", "unicode_escape", "utf-7", "utf-16", "idna", "rot13", "no-such", "\x01"):
        yield "a form", f"{FORM}; charset={charset}", b"From=%2B62812&MessageSid=\\ud800&Body=\xff&a=%ff&=&=&&"
    yield "a form of 3 MB", FORM, b"a=" + b"b" * SIZE
    yield "3 MB", JSON, b'{"chat":"' + b"b" * SIZE
    for part in _parts():
        yield f"a part {part[:30].decode('latin-1')}", MULTIPART, b"--b\r\n" + part + b"\r\n--b--\r\n"
    for kind in ("multipart/form-data", "multipart/form-data; boundary=", "multipart/mixed; boundary=b", "text/\x01"):
        yield "parts", kind, b'--b\r\nContent-Disposition: form-data; name="id"\r\n\r\n1\r\n--b--\r\n'


def _shapes() -> list[Any]:
    """Whatever may stand where something else is expected."""
    odd: list[Any] = [None, True, -1, 10**30, 1e300, "", "\x00", "x" * 70_000, [], {}]
    return [{"chat": CHAT, "id": "1", "text": value, "update_id": value, "data": value} for value in odd]


def _parts() -> list[bytes]:
    named = b'Content-Disposition: form-data; name="%s"'
    return [
        b"",
        b"\r\n",
        b"Content-Disposition: \xff\xfe\r\n\r\nx",
        named % b"chat" + b"\r\n\r\n\xff\xfe",
        named % b"location" + b"\r\n\r\n" + b"[" * 60_000,
        named % b"photo" + b'; filename="\xff\xfe"\r\n\r\nno photo',
        named % b"file" + b"; filename*=raw_unicode_escape''%5c%75%64%38%30%30\r\n\r\nno file",
        named % b"id" + b"\r\nContent-Transfer-Encoding: none-such\r\nContent-Length: 99\r\n\r\nx",
        b"Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c--",
        b"X: " + b"a" * 100_000 + b"\r\n\r\nx",
    ]


def _broken_off(path: str) -> Iterator[Thrown]:
    """Requests that end too soon, or hold more than they seem to."""
    kinds = (JSON, FORM, MULTIPART)
    for kind in kinds:
        lying = request("POST", path, b"--b\r\n", Content_Type=kind, Content_Length=str(10**10))
        yield Thrown(f"{path}: broken off, {kind}", lying, whole=False)
        yield Thrown(f"{path}: half a head", request("POST", path, Content_Type=kind)[:-9], whole=False)
        packed = request("POST", path, BOMB, Content_Type=kind, Content_Encoding="gzip")
        yield Thrown(f"{path}: a bomb of 64 MB as {kind}", packed)
    yield Thrown(f"{path}: no gzip", request("POST", path, b"{}", Content_Type=JSON, Content_Encoding="gzip"))
    chunked = {"Content_Length": "", "Transfer_Encoding": "chunked"}
    yield Thrown(f"{path}: an odd chunk", request("POST", path, b"zz\r\nxx\r\n", **chunked))
    yield Thrown(f"{path}: a chunk too few", request("POST", path, b"5\r\nab", **chunked), whole=False)
