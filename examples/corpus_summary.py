"""A live summary of a stream of sentences, and a sentence that must be forgotten.

The corpus is what Python's standard library says of itself: the sentences of its docstrings, module after module in the
order of their names. A window holds the last 2,000; of these the summary keeps the five that together hold the most that
is worth saying. A word is worth what it tells of a module: much when many modules use it, nothing when all do (most, when
half of them do). In c sentences of the summary it counts sqrt(c) times: saying it again adds less and less.

In the middle a sentence of the summary is withdrawn, by someone with a right to erasure. It is not only deleted: nothing
of it is left in a snapshot, which a search of the bytes shows.

    python examples/corpus_summary.py

`pyalgo run examples/corpus_summary.toml --allow-python` feeds the same stream to a job with durable state.
"""

from __future__ import annotations

import ast
import re
import sysconfig
import textwrap
import warnings
from collections import Counter, deque
from collections.abc import Iterator
from math import log2
from pathlib import Path
from typing import Any

from pyalgo.submodular import DynamicSubmodularMaximizer

WINDOW, CHOSEN = 2000, 5
LEFT_OUT = {"test", "tests", "distutils", "idlelib", "lib2to3", "pydoc_data", "site-packages", "dist-packages"}
SENTENCE = re.compile(r"[A-Z][A-Za-z0-9 ,;:()'/\"-]+\.")
WORD = re.compile(r"[a-z]{3,}")


def sentences() -> Iterator[tuple[str, str]]:
    """Module and sentence, for each sentence of 8 to 20 words in the docstrings of the standard library."""
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if LEFT_OUT & set(parts) or parts[0].startswith("_"):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):
            continue
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        for node in ast.walk(tree):
            for paragraph in (ast.get_docstring(node) or "").split("\n\n") if isinstance(node, documented) else ():
                for sentence in re.split(r"(?<=\.)\s+", " ".join(paragraph.split())):
                    if SENTENCE.fullmatch(sentence) and 8 <= len(sentence.split()) <= 20:
                        yield module, sentence


def corpus() -> tuple[list[str], dict[str, float]]:
    """The sentences in order, each once, behind the names of their modules; and the weights of all words."""
    modules: dict[str, set[str]] = {}
    texts: dict[str, None] = {}
    for module, sentence in sentences():
        texts[f"{module}: {sentence}"] = None
        modules.setdefault(module, set()).update(WORD.findall(sentence.lower()))
    uses = Counter(word for words in modules.values() for word in words)
    weights = {}
    for word, count in uses.items():
        share = count / len(modules)
        weights[word] = -share * log2(share) - (1 - share) * log2(1 - share) if share < 1 else 0.0
    return list(texts), weights


def updates() -> Iterator[dict[str, Any]]:
    """Insertions, and deletions of what leaves the window, one a row: what `pyalgo run` is fed. Sentences are their own ids."""
    texts, weights = corpus()
    window: deque[str] = deque()
    for text in texts:
        if len(window) == WINDOW:
            yield {"op": -1, "id": window.popleft()}
        words = sorted(set(WORD.findall(text.partition(": ")[2].lower())))
        yield {"op": 1, "id": text, "dimensions": words, "features": [weights[word] ** 2 for word in words]}
        window.append(text)


def show(title: str, maximiser: DynamicSubmodularMaximizer) -> None:
    answer = maximiser.query(certificate=True)
    print(f"{title} (at least {answer.ratio_lower_bound:.0%} of the best possible, proven):")
    for text in answer.ids:
        print(textwrap.fill(text, 110, initial_indent="  - ", subsequent_indent="    "))
    print()


def own_words(row: dict[str, Any], live: dict[str, dict[str, Any]]) -> list[str]:
    """The words of a sentence that no other has, not even as a part of a word."""
    others = "\n".join(
        part for text, other in live.items() if text != row["id"] for part in (text, *other["dimensions"])
    )
    return [word for word in row["dimensions"] if word not in others]


def traces(maximiser: DynamicSubmodularMaximizer, texts: list[str]) -> int:
    """How often the texts occur in the bytes of a snapshot."""
    data = maximiser.to_bytes()
    return sum(data.count(text.encode()) for text in texts)


def erase(maximiser: DynamicSubmodularMaximizer, live: dict[str, dict[str, Any]]) -> None:
    """Erases a sentence of the summary, one that has words of its own, and shows that nothing is left of it."""
    own = {text: own_words(live[text], live) for text in maximiser.query().ids}
    text = next(text for text in own if own[text])
    about = [text, *own[text]]
    print(textwrap.fill(f"To be forgotten: {text!r}", 110))
    print(f"and the words that no other sentence has: {', '.join(own[text])}.")
    before = traces(maximiser, about)
    deleted = maximiser.clone()
    deleted.delete([text])
    maximiser.solution_delta()
    maximiser.erase_forever([text])
    del live[text]
    print(f"Found in a snapshot: {before} times; after a mere deletion {traces(deleted, about)};", end=" ")
    print(f"after erase_forever {traces(maximiser, about)}.")
    for added in maximiser.solution_delta().added:
        print(textwrap.fill(f"New in the summary: {added!r}", 110))
    print()


def main() -> None:
    maximiser = DynamicSubmodularMaximizer({"name": "feature_based", "sparse": True}, CHOSEN, eps=0.1, seed=0)
    rows = list(updates())
    live: dict[str, dict[str, Any]] = {}
    erased: set[str] = set()
    for done, row in enumerate(rows, 1):
        text = row["id"]
        if row["op"] > 0:
            live[text] = row
            maximiser.insert([text], dimensions=[row["dimensions"]], features=[row["features"]])
        elif text not in erased:
            del live[text]
            maximiser.delete([text])
        if done % (len(rows) // 3) == 0:
            first, last = (list(live)[at].partition(":")[0] for at in (0, -1))
            show(f"After {done:,} updates: {len(live):,} sentences, from {first} to {last}", maximiser)
        if done == len(rows) // 2:
            before = set(live)
            erase(maximiser, live)
            erased = before - set(live)


if __name__ == "__main__":
    main()
