"""A tiny phrase grammar: `(a|b)` chooses, `[x]` and `(x)?` are optional, everything else stands for itself."""
import functools
import re

# Call parentheses in questions are text, not grammar; they are hidden from the parser behind private-use characters.
_LITERAL = ["to(model.device)", 'to("cuda")', "to(device)", "()"]


class Pattern:
    """A compiled pattern; `sample(rng)` draws one phrase."""

    def __init__(self, text):
        for i, literal in enumerate(_LITERAL):
            text = text.replace(literal, chr(0xE000 + i))
        self._text, self._pos = text, 0
        self._root = self._alternatives("")
        if self._pos != len(text):
            raise ValueError(f"unbalanced pattern: {text}")

    def _alternatives(self, close):
        options, current = [], []
        while self._pos < len(self._text):
            c = self._text[self._pos]
            if c == close:
                break
            self._pos += 1
            if c in "([":
                end = ")" if c == "(" else "]"
                inner = self._alternatives(end)
                if self._pos >= len(self._text):
                    raise ValueError(f"unclosed {c} in: {self._text}")
                self._pos += 1
                optional = c == "["
                if self._pos < len(self._text) and self._text[self._pos] == "?" and c == "(":
                    optional, self._pos = True, self._pos + 1
                current.append((optional, inner))
            elif c == "|":
                options.append(current)
                current = []
            elif current and isinstance(current[-1], str):
                current[-1] += c
            else:
                current.append(c)
        options.append(current)
        return options

    def _draw(self, options, rng):
        out = []
        for part in rng.choice(options):
            if isinstance(part, str):
                out.append(part)
            elif not part[0] or rng.random() < 0.4:
                out.append(self._draw(part[1], rng))
        return "".join(out)

    def sample(self, rng):
        text = self._draw(self._root, rng)
        for i, literal in enumerate(_LITERAL):
            text = text.replace(chr(0xE000 + i), literal)
        text = re.sub(r"\s+", " ", text).strip()
        return re.sub(r"\s+([,.!?])", r"\1", text).strip(" ,")


@functools.lru_cache(maxsize=None)
def compile_pattern(text):
    return Pattern(text)


def expand(text, rng):
    return compile_pattern(text).sample(rng)


def split_top(text):
    """Splits at `|` outside brackets."""
    parts, depth, current = [], 0, ""
    for c in text:
        depth += (c in "([") - (c in ")]")
        if c == "|" and depth == 0:
            parts.append(current.strip())
            current = ""
        else:
            current += c
    parts.append(current.strip())
    return [p for p in parts if p]
