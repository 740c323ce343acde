"""Keeps the hand-worded evaluation apart from the training data: no shared 8-gram, no shared whole prompt."""
import pathlib
import re

EVAL = pathlib.Path(__file__).resolve().parent.parent / "eval"
# The first set guided one revision of the data; the fresh one was worded before that revision and judged only afterwards.
HAND_SETS = {"hand_worded": EVAL / "hand_prompts.txt", "hand_worded_fresh": EVAL / "hand_prompts_fresh.txt"}
N = 8
# A unit is a Latin word or number, a CJK character, or a run of other letters; punctuation does not count.
_UNIT = re.compile(r"[\u3400-\u9fff]|[a-z0-9_]+|[^\W\d_]+", re.I)


def units(text):
    return _UNIT.findall(text.lower())


def ngrams(text):
    u = units(text)
    return {tuple(u[i:i + N]) for i in range(len(u) - N + 1)}


def load_hand_cases(name):
    """Returns [{"lang", "turns", "facts"}] of one hand-worded set."""
    cases = []
    for line in HAND_SETS[name].read_text("utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            lang, turns, facts = (part.strip() for part in line.split("||"))
            cases.append({"lang": lang, "turns": [t.strip() for t in turns.split(">>")], "facts": facts})
    return cases


class Overlap:
    def __init__(self):
        cases = [case for name in HAND_SETS for case in load_hand_cases(name)]
        prompts = [turn for case in cases for turn in case["turns"]]
        self.grams = set().union(*(ngrams(p) for p in prompts))
        self.first_units = {g[0] for g in self.grams}
        self.whole = {" ".join(units(case["turns"][0])) for case in cases}

    def shares_ngram(self, text):
        u = units(text)
        return any(u[i] in self.first_units and tuple(u[i:i + N]) in self.grams for i in range(len(u) - N + 1))

    def clashes(self, prompt):
        """True when a user turn may not be trained on."""
        return " ".join(units(prompt)) in self.whole or self.shares_ngram(prompt)
