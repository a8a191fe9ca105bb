"""Digests of residues and answers on values that reach every kernel; run at each ISA level by test_rns_isa.py."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from pyalgo import _core
from pyalgo.rns import RnsBasis

BASES = {
    "tiny": [2, 3, 5, 7],
    "16": [65536, 65535, 65521, 65519, 253],
    "31": [2**31, 2**31 - 1, 2**31 - 19, 65533, 3, 16381, 65539],
    "50": [2**50 - 27, 2**49 - 81, 2**49, 3, 65537, 2**33 - 9],
    "61": [2**61 - 1, 2**61, 2**62 - 57, 2**50 - 27, 5],
    "wide": list(RnsBasis.primes(bits=60, count=32).moduli),
}
SIZES = (1, 3, 7, 8, 9, 31, 127, 128, 129, 1000)


def digest(array) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def digests() -> dict[str, str]:
    found = {}
    other = RnsBasis([2**61 - 1, 65537, 2**31 - 1])
    for name, moduli in BASES.items():
        basis = RnsBasis(moduli)
        for n in SIZES:
            rng = np.random.default_rng(n)
            words = rng.integers(-(2**63), 2**63 - 1, n)
            words[: min(n, 3)] = [-(2**63), 2**63 - 1, -1][: min(n, 3)]
            for layout in ("planar", "interleaved"):
                a = basis.encode(words, wrap=True, layout=layout)
                limbs = rng.integers(0, 2**64 - 1, (n, 5), np.uint64, endpoint=True)
                b = basis.encode(limbs, signed=True, wrap=True)
                results = {
                    "encode": a.residues,
                    "unsigned": basis.encode(words.view(np.uint64), wrap=True).residues,
                    "limbs": b.residues,
                    "add": (a + b).residues,
                    "subtract": (a - b).residues,
                    "multiply": (a * b).residues,
                    "fma": a.fma(b, a).residues,
                    "affine": (7 * a + 3**80).residues,
                    "power": (a**5).residues,
                    "dot": (a @ b).residues,
                    "matmul": (a.reshape(n, 1) @ b.reshape(1, n)[:, :40]).residues,
                    "sum": a.sum().residues,
                    "prod": a.prod().residues,
                    "crt": basis.decode(b, dtype="limbs"),
                    "garner": basis.decode(b, dtype="limbs", method="garner", signed=True),
                    "mod": basis.decode_mod(b, 2**62 - 57),
                    "digits": basis.mixed_radix(b),
                    "exact": basis.extend(b, other).residues,
                    "float": basis.extend(b, other, method="float").residues,
                    "fast": basis.extend(b, other, method="fast").array.residues,
                    "scale_down": b.scale_down(0, rounding="nearest").residues,
                    "sign": b.sign(),
                    "compare": a.compare(b),
                }
                for what, array in results.items():
                    found[f"{name} {n} {layout} {what}"] = digest(array)
    return found


if __name__ == "__main__":
    print(json.dumps({"isa": _core.active_isa(), "digests": digests()}))
