"""Judges an answer by program: language, facts, stop, repetition, arithmetic."""
import re

_FENCE = re.compile(r"```.*?```", re.S)
_CJK = re.compile(r"[\u3400-\u9fff]")


def right_language(text, lang):
    """Chinese: a Chinese character outside code. English: none, except quoted words and translations."""
    prose = _FENCE.sub("", text)
    cjk, latin = len(_CJK.findall(prose)), len(re.findall(r"[A-Za-z]{2,}", prose))
    if not prose.strip() or not re.search(r"[^\W\d_]", prose):
        return True
    return cjk >= 1 or not latin if lang == "zh" else cjk <= max(4, latin // 4) and not (cjk and not latin)


def repeats(text):
    """True for a loop: some 12-unit sequence comes three times, or one unit six times in a row."""
    units = re.findall(r"[\u3400-\u9fff]|\w+|[^\w\s]", text)
    counts = {}
    for i in range(len(units) - 11):
        gram = tuple(units[i:i + 12])
        counts[gram] = counts.get(gram, 0) + 1
        if counts[gram] >= 3:
            return True
    return any(len(set(units[i:i + 6])) == 1 and units[i] not in "`-#=*" for i in range(len(units) - 5))


def has_facts(text, facts):
    for group in (g.strip() for g in facts.split(" & ")):
        if group.startswith("#"):
            numbers = re.findall(r"-?\d+", text.replace(",", ""))
            if not numbers or numbers[-1] != group[1:]:
                return False
        elif group and not re.search(group, text, re.I | re.S):
            return False
    return True


def answer_language(case):
    """The language the answer must have: the prompt's, unless the last turn asks for the other one."""
    last = case["turns"][-1].lower()
    if len(case["turns"]) > 1:
        if re.search(r"中文|chinese", last):
            return "zh"
        if re.search(r"英文|英语|english", last):
            return "en"
    return case["lang"]


def judge(case, text, stopped, num_tokens):
    """Returns the list of failed checks; empty means passed."""
    failed = []
    if not text.strip():
        failed.append("empty")
    if not right_language(text, case.get("answer_lang") or answer_language(case)):
        failed.append("language")
    if not has_facts(text, case["facts"]):
        failed.append("facts")
    if not stopped or num_tokens >= 200:
        failed.append("stop")
    if repeats(text):
        failed.append("loop")
    return failed
