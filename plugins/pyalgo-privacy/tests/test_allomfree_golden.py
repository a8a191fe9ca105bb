"""Snapshots and device states of released formats stay readable, and memos derived then are derived now.

``python tests/test_allomfree_golden.py`` writes what is missing; files of released formats are never rewritten.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pyalgo_privacy import AllomfreeClient, AllomfreeServer

from pyalgo import load

GOLDEN = Path(__file__).parent / "golden"
SECRET = b"a secret of the files of format 1"
SETTINGS = {"domains": [3, 5, 40], "eps_perm": 2.0, "eps_first": 1.0}
RECORDS = {"derived": [2, 4, 17], "kept": [0, 1, 33]}


class Counter:
    """32-bit words of a linear congruence, the same everywhere: no secret in them."""

    def __init__(self, seed: int) -> None:
        self.words = [seed * 0x9E3779B9 % 2**32]

    def __len__(self) -> int:
        return 2**62

    def __getitem__(self, at: int) -> int:
        while at >= len(self.words):
            self.words.append((self.words[-1] * 1664525 + 1013904223) % 2**32)
        return self.words[at]


def device(memo: str) -> AllomfreeClient:
    client = AllomfreeClient(**SETTINGS, secret=SECRET, memo=memo, max_values=4)
    client.report(RECORDS[memo])
    client.report([1, 3, 20])
    return client


def told(client: AllomfreeClient) -> dict:
    payloads = [client.report(RECORDS[client_memo(client)], words=Counter(seed)).payload for seed in range(5)]
    return {
        "attribute": client.attribute,
        "spent": client.spent(),
        "payloads": [payload.hex() if isinstance(payload, bytes) else payload for payload in payloads],
    }


def client_memo(client: AllomfreeClient) -> str:
    return client._client._memo.kind


def served() -> AllomfreeServer:
    server = AllomfreeServer(**SETTINGS)
    words = Counter(1)
    for row in range(300):
        attribute = words[3 * row] % 3
        payload = words[3 * row + 1]
        value = payload % SETTINGS["domains"][attribute] if attribute < 2 else -1
        bits = list(payload.to_bytes(5, "little")) if attribute == 2 else []
        server.update(round=[row % 4], attribute=[attribute], value=[value], bits=[bits])
    return server


def answers(server: AllomfreeServer) -> list:
    return [
        {"n": estimate.n, "freq": [f.hex() for f in estimate.freq.tolist()], "protocol": estimate.protocol}
        for week in server.rounds
        for estimate in server.query(round=week)
    ]


def test_a_snapshot_of_the_server():
    server = load(GOLDEN / "allomfree-1.snapshot")
    assert answers(server) == json.loads((GOLDEN / "allomfree-1.json").read_text())
    assert server.to_bytes() == (GOLDEN / "allomfree-1.snapshot").read_bytes() == served().to_bytes()


@pytest.mark.parametrize("memo", RECORDS)
def test_a_state_of_a_device(memo):
    client = AllomfreeClient.from_bytes((GOLDEN / f"device-{memo}-1.device").read_bytes(), SECRET)
    assert told(client) == json.loads((GOLDEN / f"device-{memo}-1.json").read_text())
    if memo == "derived":
        assert told(device(memo)) == told(client)


def write(name: str, data: bytes) -> None:
    if not (GOLDEN / name).exists():
        (GOLDEN / name).write_bytes(data)


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    write("allomfree-1.snapshot", served().to_bytes())
    write("allomfree-1.json", json.dumps(answers(served())).encode())
    for kind in RECORDS:
        state = device(kind).to_bytes()
        write(f"device-{kind}-1.device", state)
        write(f"device-{kind}-1.json", json.dumps(told(AllomfreeClient.from_bytes(state, SECRET))).encode())
