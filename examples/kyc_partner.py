"""A bank that vouches for anybody, to try the KYC partners' door by hand (docs/kyc-partners.md).

    python examples/kyc_partner.py keys     make a key; prints the setting that lets Gelombang know it
    python examples/kyc_partner.py vouch    ask for a reference and a NIK, post a signed statement

The key stays in var/example-bank/: whoever holds it can vouch for anybody, so never on a server in use.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

from joserfc import jwt
from joserfc.jwk import OKPKey

FOLDER = Path("var/example-bank")
URL = os.environ.get("GELOMBANG_PUBLIC_URL", "http://127.0.0.1:8080") + "/partners/kyc/attestations"


def keys() -> None:
    """Make a key pair and the file that names its public half."""
    key = OKPKey.generate_key("Ed25519", {"kid": "bank-1"})
    FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
    (FOLDER / "private.json").write_text(json.dumps(key.as_dict(private=True)))
    (FOLDER / "private.json").chmod(0o600)
    public = ", ".join(f'{name} = "{value}"' for name, value in key.as_dict(private=False).items())
    (FOLDER / "partners.toml").write_text(f'[[partners]]\nid = "bank"\nname = "Bank Contoh"\nkeys = [{{ {public} }}]\n')
    print(f"Start with the bank:  GELOMBANG_KYC_PARTNERS={FOLDER}/partners.toml make run")


def vouch() -> None:
    """Sign that the customer with this reference has this NIK, and post it."""
    key = OKPKey.import_key(json.loads((FOLDER / "private.json").read_text()))
    now = int(time.time())
    claims = {
        "iss": "bank",
        "aud": "gelombang",
        "sub": input("Reference shown in the chat: "),
        "nik": input("NIK of the customer: "),
        "jti": uuid.uuid4().hex,
        "iat": now,
        "exp": now + 600,
    }
    token = jwt.encode({"alg": "Ed25519", "kid": "bank-1"}, claims, key, algorithms=["Ed25519"])
    try:
        with urllib.request.urlopen(urllib.request.Request(URL, token.encode(), method="POST")) as answer:  # noqa: S310
            print(answer.status, answer.read().decode())
    except urllib.error.HTTPError as error:
        print(error.code, error.read().decode())


if __name__ == "__main__":
    commands = {"keys": keys, "vouch": vouch}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    commands[sys.argv[1]]()
