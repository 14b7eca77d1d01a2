"""A training provider's system, to try the redemption API by hand (docs/providers.md). Standard library only.

    python examples/training_provider.py CALL CLIENT_CODE SIGN_KEY REDEEM_CODE [NAME=VALUE ...]

CALL is status, commit, attendance (sequence=2) or completion (progress=100 certificate_number=S-1 score=90).
"""

import hashlib
import hmac
import json
import os
import sys
import time
import urllib.error
import urllib.request

ROOT = "/api/v1/integration/payment/redeem-code/"
URL = os.environ.get("GELOMBANG_PUBLIC_URL", "http://127.0.0.1:8080")


def call(name: str, client: str, key: str, body: dict[str, object]) -> tuple[int, bytes]:
    """Sign a body and send it; gives status and answer."""
    raw = json.dumps(body, separators=(",", ":"))
    stamp = str(int(time.time()))
    signed = client + stamp + "POST" + ROOT + name + raw
    headers = {
        "Content-Type": "application/json",
        "client_code": client,
        "timestamp": stamp,
        "signature": hmac.new(key.encode(), signed.encode(), hashlib.sha1).hexdigest(),
    }
    request = urllib.request.Request(URL + ROOT + name, raw.encode(), headers)  # noqa: S310 - the URL is ours
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def main() -> int:
    """Make the call that the arguments say."""
    if len(sys.argv) < 5:
        print(__doc__)
        return 2
    name, client, key, code, *more = sys.argv[1:]
    numbers = {each.partition("=")[0]: each.partition("=")[2] for each in more}
    body: dict[str, object] = {"redeem_code": code}
    for field, value in numbers.items():
        body[field] = value if field == "certificate_number" else json.loads(value)
    status, answer = call(name, client, key, body)
    print(status, json.dumps(json.loads(answer), indent=2))
    return int(status != 200)


if __name__ == "__main__":
    sys.exit(main())
