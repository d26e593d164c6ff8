"""Accounts for tests, made through the command line as an operator would make them."""

import itertools
import json
import os
import subprocess
from dataclasses import dataclass

BASE_URL = os.environ["TUNAN_BASE_URL"]
MODEL = os.environ.get("TUNAN_MODEL", "deepseek-chat")

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Customer:
    account_id: str
    api_key: str


def new_customer(*, credit: str = "5", rpm: int = 10_000, concurrency: int = 50) -> Customer:
    """Makes an account; a limit that is not given is out of the way."""
    options = {
        "--email": f"python-{os.getpid()}-{next(_numbers)}@example.com",
        "--credit": credit,
        "--rpm": str(rpm),
        "--tpm": "100000000",
        "--concurrency": str(concurrency),
        "--data-dir": os.environ["TUNAN_DATA_DIR"],
    }
    command = [os.environ["TUNAN_NODE"], os.environ["TUNAN_CLI"], "account", "create", "--json"]
    for option, value in options.items():
        command += [option, value]
    printed = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    created = json.loads(printed)
    return Customer(created["accountId"], created["apiKey"])
