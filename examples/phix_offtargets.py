"""Where else would this CRISPR guide cut? Off-targets with up to 4 mismatches on both strands of a genome.

    python examples/phix_offtargets.py                       # a guide against phage phiX174, whose genome is in examples/
    python examples/phix_offtargets.py TCGTGATAAAAGATTGAGTG   # another guide
    python examples/phix_offtargets.py GUIDE --genome hg38.fa -k 3

A guide binds where its 20 letters stand before a PAM (any letter and GG). The search pattern is the guide, a wildcard for the
PAM's free letter, and GG; on the other strand it is the reverse complement of all that. Letters of the genome that are no
A, C, G or T match nothing. The genome of the phage is a circle, and is searched across its origin.

The phage has one place that such a search must not miss: the stem of the hairpin behind gene F, whose two arms are the
reverse complements of one another. A guide for one arm binds the other as well, with four mismatches.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pyalgo.hamming import HammingPlan, find_k_mismatch

PHAGE = Path(__file__).with_name("phix174.fa")  # NC_001422.1
GUIDE = "AATTTTAATTTTTGCCGCTG"
COMPLEMENT = str.maketrans("ACGT", "TGCA")
# First and last letter of each gene of the phage, counted from 1; A, A* and B run across the origin.
GENES = {
    "A": (3981, 136),
    "A*": (4497, 136),
    "B": (5075, 51),
    "K": (51, 221),
    "C": (133, 393),
    "D": (390, 848),
    "E": (568, 843),
    "J": (848, 964),
    "F": (1001, 2284),
    "G": (2395, 2922),
    "H": (2931, 3917),
}


class Site(NamedTuple):
    """A place where a guide binds: its first letter (from 1) on the forward strand, read along its own strand."""

    record: str
    start: int
    strand: str
    letters: str
    pam: str
    mismatches: int


def reverse_complement(sequence: str) -> str:
    return sequence.translate(COMPLEMENT)[::-1]


def read_fasta(path: Path) -> dict[str, str]:
    """The records of a FASTA file by name, in capital letters."""
    records: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        if line.startswith(">"):
            lines = records.setdefault((line[1:].split() or [""])[0], [])
        elif line:
            lines.append(line.upper())
    return {name: "".join(lines) for name, lines in records.items()}


def patterns(guide: str) -> dict[str, str]:
    """What stands on the forward strand where the guide binds to either one; N is the wildcard."""
    return {"+": f"{guide}NGG", "-": f"CCN{reverse_complement(guide)}"}


def along_strand(window: str, strand: str) -> str:
    return window if strand == "+" else reverse_complement(window)


def binding_sites(genome: dict[str, str], guide: str, k: int, *, circular: bool) -> Iterator[Site]:
    """All places with at most k mismatches in the guide and none in the PAM, by record, strand and position."""
    m = len(guide) + 3
    for record, sequence in genome.items():
        text = sequence + sequence[: m - 1] if circular else sequence
        for strand, pattern in patterns(guide).items():
            found = find_k_mismatch(text, pattern, k, wildcard="N")
            for position, distance in zip(found.positions.tolist(), found.distances.tolist(), strict=True):
                window = along_strand(text[position : position + m], strand)
                if window.endswith("GG"):  # else a mismatch was spent on the PAM
                    yield Site(record, position + 1, strand, window[:-3], window[-3:], distance)


def gene_at(position: int, length: int) -> str:
    """The genes of the phage around a letter (from 1), or the two that it lies between."""
    inside = [
        name for name, (a, b) in GENES.items() if (a <= position <= b if a < b else position >= a or position <= b)
    ]
    if inside:
        return f"gene {' and '.join(inside)}"
    before = min(GENES, key=lambda name: (position - GENES[name][1]) % length)
    after = min(GENES, key=lambda name: (GENES[name][0] - position) % length)
    return f"between {before} and {after}"


def all_guides(sequence: str) -> list[tuple[int, str, str]]:
    """Every guide that a circular genome offers: position, strand and letters."""
    text = sequence + sequence[:22]
    offered = []
    for position in range(len(sequence)):
        for strand in "+-":
            window = along_strand(text[position : position + 23], strand)
            if window.endswith("GG"):
                offered.append((position, strand, window[:20]))
    return offered


def nearest_other_sites(sequence: str) -> np.ndarray:
    """For every guide of a circular genome, how many mismatches its nearest other site with a PAM has."""
    offered = all_guides(sequence)
    text = sequence + sequence[:22]
    pam = {"+": "NNNNNNNNNNNNNNNNNNNNNGG", "-": "CCNNNNNNNNNNNNNNNNNNNNN"}
    has_pam = {strand: HammingPlan([pam[strand]], wildcard="N").distances(text)[0] == 0 for strand in "+-"}
    nearest = np.full(len(offered), 20)
    for strand in "+-":  # one plan for all guides: they share what is computed of the text
        plan = HammingPlan([patterns(guide)[strand] for _, _, guide in offered], wildcard="N")
        for i, distances in enumerate(plan.distances(text)):
            allowed = has_pam[strand].copy()
            if offered[i][1] == strand:
                allowed[offered[i][0]] = False  # itself
            nearest[i] = min(nearest[i], distances[allowed].min())
    return nearest


def show(sites: list[Site], guide: str, genome: dict[str, str], *, phage: bool) -> None:
    """One line a site, mismatches in small letters."""
    width = max(map(len, genome))
    print(f"{'':{width}}  strand  position  {guide}  PAM  mismatches")
    for site in sorted(sites, key=lambda site: site.mismatches):
        letters = "".join(a if a == b else a.lower() for a, b in zip(site.letters, guide, strict=True))
        where = gene_at(site.start, len(genome[site.record])) if phage else ""
        print(
            f"{site.record:{width}}  {site.strand:^6}  {site.start:8,}  {letters}  {site.pam}  {site.mismatches:^10}  {where}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("guide", nargs="?", default=GUIDE, help="20 letters, as a rule")
    parser.add_argument("--genome", type=Path, default=PHAGE, help="a FASTA file (default: phage phiX174)")
    parser.add_argument("-k", type=int, default=4, help="mismatches to allow (default 4)")
    options = parser.parse_args()
    guide = options.guide.upper()
    if not guide or set(guide) - set("ACGT"):
        parser.error(f"a guide consists of A, C, G and T, got {options.guide!r}")
    genome = read_fasta(options.genome)
    phage = options.genome == PHAGE
    size = sum(map(len, genome.values()))
    print(f"{', '.join(list(genome)[:3])}: {size:,} letters{', a circle' if phage else ''}")
    begin = time.perf_counter()
    sites = list(binding_sites(genome, guide, options.k, circular=phage))
    took = time.perf_counter() - begin
    print(f"{len(sites)} sites within {options.k} mismatches, both strands, found in {1e3 * took:.2f} ms\n")
    show(sites, guide, genome, phage=phage)
    if phage:
        nearest = nearest_other_sites(genome["NC_001422.1"])
        print(f"\nThe genome offers {len(nearest)} guides. Mismatches to the nearest other site with a PAM:")
        for mismatches, guides in enumerate(np.bincount(nearest)):
            if guides:
                print(f"{mismatches:4}  {guides:4}  {'█' * -(-int(guides) // 4)}")


if __name__ == "__main__":
    main()
