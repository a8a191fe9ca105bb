"""The jobs of examples/, and what the readme says of them."""

from __future__ import annotations

import hashlib
import importlib
import json
import re
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def examples(work):
    """A working directory with the examples, as a clone has them."""
    (work.path / "examples").symlink_to(ROOT / "examples")
    return work


def test_the_standard_library_is_summarised_while_modules_come_and_go(examples):
    done = examples.pyalgo("run", "examples/stdlib_summary.toml", "--allow-python", "--max-rows", "300")
    assert (done.returncode, done.stderr) == (0, "")
    lines = examples.lines("stdlib_summary.jsonl")
    assert [line["rows"] for line in lines] == [100, 200, 300]
    for line in lines:
        answer = line["result"]
        assert len(answer["ids"]) == 20
        assert all(isinstance(name, str) for name in answer["ids"])
        assert answer["value"] <= answer["upper_bound"] <= 2.5 * answer["value"]


def test_images_of_digits_are_chosen_and_deleted(examples):
    pytest.importorskip("sklearn")
    done = examples.pyalgo("run", "examples/digits_exemplars.toml", "--allow-python")
    assert (done.returncode, done.stderr) == (0, "")
    lines = examples.lines("digits_exemplars.jsonl")
    assert [line["rows"] for line in lines] == [500, 1000, 1500, 1807]
    deleted = set(range(10))  # the first images are one of each digit
    assert [len(set(line["result"]["ids"]) - deleted) for line in lines[3:]] == [12]
    # The same kind of job from a pipe; only the options of its query differ, so the elements are the same.
    rows = subprocess.run(
        [sys.executable, "-m", "examples.digits_exemplars"],
        cwd=examples.path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    flags = "run --algorithm submodular --set objective.name=facility_location --set k=12 --set eps=0.1 --source -"
    piped = examples.pyalgo(*flags.split(), "--query-every", "500", input=rows)
    assert piped.returncode == 0, piped.stderr
    assert [json.loads(line)["result"]["ids"] for line in piped.stdout.splitlines()] == [
        line["result"]["ids"] for line in lines
    ]


def genome() -> str:
    """The letters of the phage, read without any code of ours."""
    lines = (ROOT / "examples" / "phix174.fa").read_text().splitlines()
    assert lines[0].startswith(">NC_001422.1 ")
    return "".join(lines[1:])


def test_the_genome_is_the_one_of_its_accession():
    letters = genome()
    assert len(letters) == 5386
    assert letters.startswith("GAGTTTTATCGCTTCCATGACGCAG")
    assert (
        hashlib.md5(letters.encode()).hexdigest() == "3332ed720ac7eaa9b3655c06f6b9e196"
    )  # as reference servers name it
    genes = example("phix_offtargets", lambda module: module.GENES)
    for first, last in genes.values():
        gene = letters[first - 1 : last] if first < last else letters[first - 1 :] + letters[:last]
        assert len(gene) % 3 == 0
        assert (gene[:3], gene[-3:] in ("TAA", "TGA")) == ("ATG", True)


def example(name, use):
    sys.path.insert(0, str(ROOT))
    try:
        return use(importlib.import_module(f"examples.{name}"))
    finally:
        sys.path.remove(str(ROOT))


def off_targets(guide: str, k: int) -> set[tuple[int, str, int]]:
    """Position, strand and mismatches by the definition, on the circle."""
    letters = genome()
    circle = letters + letters[:22]
    found = set()
    for at in range(len(letters)):
        window = circle[at : at + 23]
        turned = window[::-1].translate(str.maketrans("ACGT", "TGCA"))
        for strand, site in (("+", window), ("-", turned)):
            mismatches = sum(a != b for a, b in zip(site, guide, strict=False))
            if site.endswith("GG") and mismatches <= k:
                found.add((at + 1, strand, mismatches))
    return found


@pytest.mark.parametrize(
    ("guide", "k"), [("AATTTTAATTTTTGCCGCTG", 4), ("TTATGCGCGCTTCGATAAAA", 8), ("CCTGCAGAGTTTTATCGCTT", 9)]
)
def test_off_targets_are_those_of_the_definition(guide, k):
    def search(module):
        sites = module.binding_sites(module.read_fasta(module.PHAGE), guide, k, circular=True)
        return {(site.start, site.strand, site.mismatches) for site in sites}

    assert example("phix_offtargets", search) == off_targets(guide, k)


def test_the_off_target_of_the_hairpin_is_shown(work):
    begun = time.perf_counter()
    script = [sys.executable, str(ROOT / "examples" / "phix_offtargets.py")]
    done = subprocess.run(script, cwd=work.path, capture_output=True, text=True, check=True)
    assert time.perf_counter() - begun < 20
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["NC_001422.1", "-", "2,312", "AATTaaAATTTTTaCCGCTt", "CGG", "4", "between", "F", "and", "G"] in lines
    assert "The genome offers 484 guides." in done.stdout
    done = subprocess.run([*script, "GATTACAN"], cwd=work.path, capture_output=True, text=True, check=False)
    assert (done.returncode, "consists of A, C, G and T, got 'GATTACAN'" in done.stderr) == (2, True)


def test_frames_are_found_though_the_run_is_killed(examples):
    frames, size, joined = 1500, 8000, 5000
    script = [sys.executable, "examples/template_search.py", str(frames)]
    subprocess.run(script, cwd=examples.path, check=True)
    job = ["run", "examples/template_search.toml", "--batch-rows", "5000"]
    whole = examples.pyalgo(*job, "--sink", "whole.jsonl", "--state", "whole.state")
    assert (whole.returncode, whole.stderr) == (0, "")
    output = examples.path / "template_search.jsonl"
    kills = 0
    while True:
        process = subprocess.Popen(
            examples.command(*job, "--checkpoint", "20000"), cwd=examples.path, stderr=subprocess.DEVNULL
        )
        before = output.stat().st_size if output.exists() else 0
        while process.poll() is None and (not output.exists() or output.stat().st_size < before + 20_000):
            time.sleep(0.001)
        process.kill()
        if process.wait() == 0:
            break
        kills += 1
    assert kills >= 1
    assert output.read_bytes() == (examples.path / "whole.jsonl").read_bytes()
    lines = examples.lines("template_search.jsonl")
    found = [at for line in lines if "emission" in line for at in line["emission"]["positions"]]
    begins = [frame * size - joined for frame in range(1, frames)]
    assert set(found) <= set(begins)  # none by chance, in this stream
    assert len(begins) - len(found) <= 10
    assert lines[-1]["result"]["n_within_k"] == len(found)
    assert examples.pyalgo("report", "template_search.state", "-o", "run.html").returncode == 0


def printed(name: str, *arguments: str, cwd: Path) -> str:
    """What an example prints, in less than the time that it may take."""
    begun = time.perf_counter()
    script = [sys.executable, str(ROOT / "examples" / f"{name}.py"), *arguments]
    done = subprocess.run(script, cwd=cwd, capture_output=True, text=True, check=True)
    assert time.perf_counter() - begun < 20
    return done.stdout


def test_a_sentence_of_the_summary_is_forgotten(examples):
    text = printed("corpus_summary", cwd=examples.path)
    before, deleted, erased = map(int, re.search(r"(\d+) times; after a mere deletion (\d+);.* (\d+)\.", text).groups())
    assert (before >= 2, deleted >= 2, erased) == (True, True, 0)
    forgotten = " ".join(re.search(r"To be forgotten: (.*?)\nand the words", text, re.DOTALL).group(1).split())
    summaries = [" ".join(part.split()) for part in text.split("After ")[1:]]
    assert len(summaries) == 3
    assert forgotten.strip("'\"").partition(": ")[2] not in summaries[1] + summaries[2]
    assert "New in the summary: " in text


def test_sentences_are_summarised_by_a_job(examples):
    done = examples.pyalgo("run", "examples/corpus_summary.toml", "--allow-python", "--max-rows", "2000")
    assert (done.returncode, done.stderr) == (0, "")
    for line in examples.lines("corpus_summary.jsonl"):
        assert len(line["result"]["ids"]) == 5
        assert all(re.fullmatch(r"[\w.]+: [A-Z].*\.", text) for text in line["result"]["ids"])


def test_chosen_images_teach_more_than_random_ones(work):
    pytest.importorskip("sklearn")
    text = printed("digits_coreset", *(["--plot", "coreset.svg"] if find_spec("matplotlib") else []), cwd=work.path)
    assert "100 of 900 images chosen, none of the 300 withdrawn." in text
    rows = re.findall(r"^(?:nearest|logistic).*$", text, re.MULTILINE)
    assert len(rows) == 2
    for row in rows:
        chosen, mean = map(float, re.findall(r"([\d.]+)%", row)[:2])
        assert chosen > mean
    assert not find_spec("matplotlib") or "accuracy on images not seen" in (work.path / "coreset.svg").read_text()


def test_lost_measurements_are_filled_in_and_their_intervals_hold(work):
    pytest.importorskip("sklearn")
    text = printed("fill_measurements", *(["--plot", "gaps.svg"] if find_spec("matplotlib") else []), cwd=work.path)
    means, alike, low_rank = (
        [float(number) for number in re.findall(r"\d\.\d{3}", line)]
        for line in re.findall(r"^(?:means|ten|low rank).*$", text, re.MULTILINE)
    )
    for kind in range(2):  # single numbers, whole panels
        assert low_rank[kind] < 0.85 * alike[kind]
        assert alike[kind] < 0.85 * means[kind]
    inside = [float(share) for share in re.findall(r"([\d.]+)% of [\d,]+ within", text)]
    assert len(inside) == 2
    assert all(85 <= share <= 95 for share in inside)
    assert not find_spec("matplotlib") or "outside" in (work.path / "gaps.svg").read_text()


def test_a_live_model_of_ratings_is_as_good_as_one_fitted_anew(work):
    text = printed("live_ratings", *(["--plot", "live.svg"] if find_spec("matplotlib") else []), cwd=work.path)
    rows = [[float(cell.replace(",", "")) for cell in line.split()] for line in text.splitlines()[1:7]]
    for _, live, anew, noise, _, _ in rows:
        assert noise < anew
        assert live < 1.02 * anew
    assert rows[-1][1] < 0.97 * rows[0][1]  # it learns
    assert not find_spec("matplotlib") or "kept up to date" in (work.path / "live.svg").read_text()


def test_ratings_are_learned_by_a_job(examples):
    done = examples.pyalgo("run", "examples/live_ratings.toml", "--allow-python", "--max-rows", "4000")
    assert (done.returncode, done.stderr) == (0, "")
    found = [line["result"] for line in examples.lines("live_ratings.jsonl")]
    assert [line["rows"] for line in examples.lines("live_ratings.jsonl")] == [1000, 2000, 3000, 4000]
    module = example("live_ratings", lambda module: module)
    known = {}
    for at, row in enumerate(module.updates(), 1):
        known.pop((row["row"], row["col"]), None)
        if row["op"] > 0:
            known[row["row"], row["col"]] = row["value"]
        if at == 4000:
            break
    assert found[-1]["n_obs"] + found[-1]["n_validation"] == len(known)
    assert all(result["n_validation"] > 0.03 * result["n_obs"] for result in found)
    assert 0.7 < found[-1]["valid_rmse"] < found[0]["valid_rmse"] + 0.2
