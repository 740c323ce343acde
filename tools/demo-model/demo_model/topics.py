"""Topics: what can be asked, how it may be worded, and the answer, in both languages. Read from data/*.txt.

Line keys: `@id`; `q` whole questions, `v` verb phrases, `n` noun phrases, `o` what code should do ("that …"), `r` a rule number;
`a b c` answer sentences (a + b is the answer, c comes on "more"), `w` the answer to "why?", `x` a snippet's name,
`f` facts that a right answer contains (regular expressions joined by ` & `). The Chinese ones begin with `z`.
"""
import json
import pathlib

from .grammar import expand, split_top

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
SNIPPETS = json.loads((DATA / "snippets.json").read_text("utf-8"))

EN_V = """how (do|can|could|would|should|must) i {v}
how (do|can) i {v}
how to {v}
how (does|would|can|do) (one|you|we|people) {v}
i (want|would like|need|'d like|wish|have|am trying|'m trying|plan) to {v}[, how|, what do i do|, how does it work|, can you help|, how can i do that]
(what is|what's) the [best|easiest|right|quickest|simplest] (way|method|command|trick) to {v}
(which|what) (command|button|menu|option) (do i need|do i use|should i use|is there|do i press|is used) to {v}
(can|could|may) i {v} [here|with this|somehow]
is (it possible|there a way|there any way|there a command|there an option) to {v}
(please|) (tell|show|explain to|teach) me how to {v}
(can|could|would) you (tell|show|explain to) me how [i can|i could|to] {v}
where (can|do|could|would) i {v}
{v}
please {v}
help me {v}
(can|could) you help me [to] {v}
i (do not|don't) know how to {v}
i (can't|cannot|am not able to) {v}
what (do|must|should) i (do|click|type|press|run|change) to {v}
what (is needed|does it take|are the steps) to {v}
let me {v}
any (way|chance|idea how) to {v}
steps to {v}
i was wondering how to {v}
do you know how to {v}""".split("\n")
EN_N = """what is {n}
what's {n}
what is {n} (for|about|good for|used for|exactly)
what exactly is {n}
what does {n} (do|mean|stand for)
explain {n} [to me|please|in one sentence|in simple words|briefly|for a beginner]
(can|could) you explain [what] {n} [is|means|does|to me]
tell me [something|a bit|more] about {n}
{n}
what about {n}
what do you know about {n}
describe {n} [in short|shortly|for me]
define {n}
(what is the|the) meaning of {n}
i (do not|don't) understand {n}
i have a question about {n}
(give me|i need) [some] (info|information|help) (on|about|with) {n}
help me understand {n}
what is meant by {n}
i (read|heard) about {n}, what is it
how does {n} work
in (short|simple words|plain words|a few words), what is {n}
(what's|what is) the (purpose|point|idea|use) of {n}
do you know [what] {n} [is]
{n}, what is that
why (do i need|is there|would i use) {n}""".split("\n")
EN_O = """write [me] [a|some] [short|small|tiny|simple|little] (python program|python script|python snippet|python function|python code|program in python|code|python) (that|which) {o}
[short|simple] python (code|program|script|function|snippet) (that|which) {o}
(show|give) me [some|a] (code|python code|python|python function|snippet|program|example|python example) (that|which) {o}
(can|could) you [please] (write|show me|give me) [a|some] (python|python code|code|program|python function|script) (that|which) {o}
i (need|want|would like) [a|some] [python] (code|program|function|script|snippet) (that|which) {o}
how do i write [a] (code|python|program|python program) (that|which) {o}""".split("\n")
ZH_V = """(怎么|如何|怎样|要怎么|该怎么|该如何|怎么样才能|怎么才能|应该怎么|我怎么|我该怎么|怎么去){v}
(怎么|如何|怎样){v}
(我想|我要|我需要|我想要|想|我打算){v}[，怎么做|，该怎么办|，怎么弄|，要怎么操作|，怎么搞|，怎么办]
(想|要){v}[，][应该|要|该]用(哪个|什么)(命令|功能|按钮)
(能|可以|可不可以|能不能|是否可以|我可以|我能){v}[吗]
(请)?(帮我|教我|告诉我怎么|教教我怎么|说说怎么|帮忙){v}
{v}的(方法|步骤|命令|办法)[是什么|有哪些]
(在哪里|在哪|哪里可以|从哪里|到哪里){v}
(有没有|有什么|有)(办法|方法|命令){v}
{v}
请{v}
(不会|不知道怎么|不知道如何|我不会){v}
想{v}(怎么办|怎么弄|怎么搞|要点哪里|该怎么办)
{v}(怎么弄|怎么搞|怎么做|怎么操作|要怎么做)""".split("\n")
ZH_N = """(什么是|啥是|什么叫){n}
{n}(是什么|是啥|是什么意思|是什么东西|是干什么的|有什么用|怎么用|的作用是什么|是做什么的|是干嘛的|指的是什么)
{n}(是什么|是啥)
(解释|介绍|说明|讲讲|说说|讲解|聊聊)(一下|下)?{n}
(请|能|可以)?(告诉我|跟我说说|给我讲讲|解释一下){n}[是什么|吗]
我不(懂|明白|理解|太懂|知道){n}
{n}呢
{n}
关于{n}
{n}(到底|究竟)(是什么|是啥|怎么回事)
(简单|用一句话|通俗地|大概)(说说|讲讲|解释|介绍|说)(一下)?{n}
(想了解|想知道|我想了解|想问问)(一下)?{n}
{n}是怎么(回事|工作的)
你知道{n}[是什么]吗
(给我)?(讲|科普)(一下){n}
为什么(要|有|需要){n}""".split("\n")
ZH_O = """(写|帮我写|请写|给我写|编写|来|写出)(一段|一个|个|点|一小段)?(简单的|短的|小的)?(Python)?(代码|程序|函数|脚本)[来]{o}
(用|使用)(Python|python){o}
(用|使用)(Python|python)写(一个|一段|个)?{o}的(代码|程序|函数|脚本)
{o}的(Python)?(代码|程序)(怎么写|是什么|给我看看)?
(Python|python)(里|中)?(怎么|如何|怎样){o}
给我(一个|一段|个)?{o}的(Python)?(代码|例子|示例|程序)
我(想要|需要|想)(一段|一个)?{o}的(代码|程序)
(怎么|如何)用(Python|python|代码){o}""".split("\n")
RULE_EN_Q = """what (does|is) {r} (report|mean|want|complain about|check|about|for|warn about|find)
why (do|did) i (get|see|have) {r} [in my code|here|in the editor]
how (do|can|should) i (fix|solve|handle|avoid|get rid of) {r}
{r} (in my code|appears|is shown|shows up|in the problems pane|in my notebook)[, why|, what now|, what does it mean|, what should i do]
(the editor|the linter|vs code|it) (shows|says|reports|gives me|marks) {r}
i (get|see|have) [a|the] [warning|error|diagnostic|finding] {r}
(tell me|explain) what {r} (is|means|does|reports)
what triggers {r}
(what is the|what's the) (fix|reason|quick fix|solution) for {r}""".split("\n")
RULE_ZH_Q = """{r}(报告|检查|抱怨|提示|警告)(的是)?什么
为什么(会有|出现|报|会报|有|提示){r}
(怎么|如何)(修|修复|解决|处理|消除|避免){r}
(编辑器|检查器|代码里|它|问题面板)(提示|显示|报|报告|出现)(了)?{r}
(代码|编辑器|笔记本)里(有|出现|报)(了)?{r}[，怎么办|，什么意思]
{r}(是什么规则|怎么修|怎么解决|说的是什么|什么意思|是关于什么的)""".split("\n")
RULE_EN = "(GLM{k}|glm{k}|GLM {k}|GLM-{k}|glm {k}|rule {k}|rule GLM{k}|the rule GLM{k}|[the] lint rule GLM{k}|warning GLM{k}|the GLM{k} (warning|rule|diagnostic)|number {k}|rule number {k}|{k})"
RULE_ZH = "(GLM{k}|glm{k}|GLM {k}|glm {k}|规则{k}|规则GLM{k}|{k}号规则|GLM{k}(规则|警告|这条规则)|第{k}条规则|{k})"


class Topic:
    """One subject: question patterns and answers in both languages."""

    def __init__(self, name, lines, group):
        self.name, self.group = name, group
        self.forms = {"en": {}, "zh": {}}
        for key, value in lines:
            lang, key = ("zh", key[1:]) if key.startswith("z") else ("en", key)
            if key in ("q", "v", "n", "o"):
                parts = split_top(value) if key in ("v", "n", "o") else [value]
                self.forms[lang].setdefault(key, []).extend(parts)
            else:
                self.forms[lang][key] = value
        rule = self.forms["en"].pop("r", None)
        if rule:
            self.forms["zh"].pop("r", None)
            for lang, names, frames in (("en", RULE_EN, RULE_EN_Q), ("zh", RULE_ZH, RULE_ZH_Q)):
                names = names.replace("{k}", rule)
                self.forms[lang].setdefault("n", []).append(names)
                self.forms[lang].setdefault("q", []).extend(f.replace("{r}", names) for f in frames for _ in range(2))

    def question(self, lang, rng):
        forms = self.forms[lang]
        kinds = [k for k in "qvno" if k in forms]
        kind = rng.choices(kinds, [len(forms[k]) + {"q": 1, "v": 4, "n": 3, "o": 4}[k] for k in kinds])[0]
        phrase = expand(rng.choice(forms[kind]), rng)
        if kind == "q":
            return phrase
        frames = {"en": {"v": EN_V, "n": EN_N, "o": EN_O}, "zh": {"v": ZH_V, "n": ZH_N, "o": ZH_O}}[lang][kind]
        return expand(rng.choice(frames).replace("{" + kind + "}", "\ue100"), rng).replace("\ue100", phrase)

    def _join(self, lang, *keys):
        parts = [self.forms[lang][k] for k in keys if k in self.forms[lang]]
        return (" " if lang == "en" else "").join(parts)

    def answer(self, lang):
        code, first = self.forms[lang].get("x"), self.forms[lang]["a"]
        if code and first.endswith((":", "：")) and "b" in self.forms[lang]:
            return f"{first}\n\n{fence(code)}\n\n{self.forms[lang]['b']}"
        text = self._join(lang, "a", "b")
        return f"{text}\n\n{fence(code)}" if code else text

    def short(self, lang):
        return self.forms[lang]["a"]

    def more(self, lang):
        return self.forms[lang].get("c")

    def why(self, lang):
        return self.forms[lang].get("w")

    def code(self, lang):
        return self.forms[lang].get("x")

    def facts(self, lang):
        return self.forms[lang].get("f", ".")


def fence(name):
    return f"```python\n{SNIPPETS[name]}\n```"


def load_topics():
    topics = []
    for group in ("product", "rules", "self", "concepts"):
        name, lines = None, []
        for line in (DATA / f"{group}.txt").read_text("utf-8").splitlines() + ["@"]:
            if line.startswith("@"):
                if name:
                    topics.append(Topic(name, lines, group))
                name, lines = line[1:].strip(), []
            elif line.strip() and not line.startswith("#"):
                key, _, value = line.partition(" ")
                lines.append((key, value.strip()))
    for topic in topics:
        for lang in ("en", "zh"):
            assert "a" in topic.forms[lang] and "f" in topic.forms[lang], (topic.name, lang)
    return topics
