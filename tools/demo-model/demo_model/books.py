"""The pretraining texts: books of FAQ pages, prose, stories, sums and code, plus docstrings of freely licensed Python packages."""
import ast
import importlib.util
import pathlib
import random
import sysconfig

from . import stories, sums
from .dialogues import KNOWLEDGE, TOPICS, knowledge_turn, noisy, topic_turn
from .topics import SNIPPETS

# Registry texts and their licences: Python's standard library (PSF-2.0), numpy (BSD-3-Clause), torch (BSD-3-Clause), transformers (Apache-2.0).
PACKAGES = {"stdlib": 1_500_000, "numpy": 700_000, "torch": 1_500_000, "transformers": 1_800_000}


def docstrings(limits=PACKAGES):
    """Docstrings of at least 150 ASCII characters, at most `limits[package]` characters of each package."""
    out = []
    for package, limit in limits.items():
        root = pathlib.Path(sysconfig.get_path("stdlib")) if package == "stdlib" else pathlib.Path(importlib.util.find_spec(package).origin).parent
        files = sorted(p for p in root.rglob("*.py") if "site-packages" not in p.relative_to(root).parts and "test" not in str(p.relative_to(root)).lower() and "idlelib" not in str(p))
        random.Random(package).shuffle(files)
        total, seen = 0, set()
        for path in files:
            try:
                tree = ast.parse(path.read_text("utf-8"))
            except (SyntaxError, UnicodeDecodeError, ValueError):
                continue
            for node in ast.walk(tree):
                if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                    text = (ast.get_docstring(node) or "").strip()
                    if 150 <= len(text) <= 3000 and text.isascii() and text not in seen:
                        seen.add(text)
                        out.append(text)
                        total += len(text)
            if total > limit:
                break
    return out


def _faq(rng, lang):
    pairs = []
    head_q, head_a = {"en": [("Q: ", "A: "), ("Question: ", "Answer: "), ("### ", ""), ("User: ", "Assistant: ")], "zh": [("问：", "答："), ("问题：", "回答："), ("### ", ""), ("用户：", "助手：")]}[lang][rng.randrange(4)]
    for _ in range(rng.randrange(3, 8)):
        u = rng.random()
        if u < 0.75:
            user, answer, *_ = topic_turn(rng, lang)
        elif u < 0.9:
            user, answer, *_ = knowledge_turn(rng, lang)
        else:
            user, answer, *_ = sums.ask_sum(rng, lang)
        pairs.append(f"{head_q}{user}\n{head_a}{answer}")
    return ("\n" if head_a else "\n\n").join(pairs)


def _prose(rng, lang):
    topics = rng.sample(TOPICS, rng.randrange(2, 6))
    parts = []
    for t in topics:
        forms = t.forms[lang]
        parts.append((" " if lang == "en" else "").join(forms[k] for k in "abcw" if k in forms and not forms[k].endswith((":", "："))))
        if rng.random() < 0.3:
            parts.append(t.answer("zh" if lang == "en" else "en"))
    return "\n".join(parts)


def _sums(rng, lang):
    lines = []
    for _ in range(rng.randrange(8, 30)):
        op, a, b, c = sums.draw(rng)
        lines.append(sums.answer(lang, op, a, b, c) if rng.random() < 0.7 else f"{a} {op} {b} = {c}")
    return "\n".join(lines)


def _story(rng, lang):
    story = stories.Story(rng)
    u = rng.random()
    title = {"en": f"The {story.adj[0]} {story.hero[0]}", "zh": f"{story.adj[1]}的{story.hero[1]}"}[lang]
    if u < 0.15:
        _, text, _ = stories.ask_poem(rng, lang)
        return text[lang]
    text = story.text(lang) + (" " if lang == "en" else "") + (story.longer(lang) if rng.random() < 0.3 else "")
    if u < 0.3:
        return f"{text}\n\n{story.text('zh' if lang == 'en' else 'en')}"
    return f"{title}\n\n{text}" if u < 0.7 else text


def _code(rng, lang):
    return "\n\n".join(SNIPPETS[k] for k in rng.sample(sorted(SNIPPETS), rng.randrange(2, 5)))


def compose_book(seed, docs):
    """One book: documents joined by blank lines. Long on purpose: the base model learns that text goes on."""
    rng = random.Random(seed)
    lang = rng.choice(["en", "zh"])
    parts, total = [], 0
    while total < 5000:
        kind = rng.choices(["faq", "story", "sums", "prose", "doc", "code"], [32, 26, 7, 12, 20, 2])[0]
        if rng.random() < 0.15:
            lang = "zh" if lang == "en" else "en"
        text = rng.choice(docs) if kind == "doc" else {"faq": _faq, "story": _story, "sums": _sums, "prose": _prose, "code": _code}[kind](rng, lang)
        parts.append(text)
        total += len(text) * (1 if text.isascii() else 2)
    return "\n\n".join(parts)
