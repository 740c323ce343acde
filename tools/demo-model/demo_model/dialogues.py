"""Composes dialogues: one to eight user turns with follow-ups, topic changes, small talk, noise, and system prompts.

A turn is {"user", "assistant", "kind", "facts", "lang"}; `facts` is what the evaluation asks of the answer.
"""
import pathlib
import random

from . import stories, sums
from .grammar import expand
from .topics import SNIPPETS, fence, load_topics

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
TOPICS = load_topics()
BY_NAME = {t.name: t for t in TOPICS}
WEIGHT = {"product": 3.0, "rules": 2.2, "self": 2.6, "concepts": 1.4}
_CODE_TOPICS = [t for t in TOPICS if t.name.startswith("py-")]

UNKNOWN, KNOWLEDGE = {}, {"cap": [], "cat": [], "fact": [], "word": []}
for _line in (DATA / "unknown.txt").read_text("utf-8").splitlines():
    if _line and not _line.startswith("#"):
        _key, _, _value = _line.partition(" ")
        UNKNOWN.setdefault(_key, []).extend(_value.split("|") if _key in ("en", "zh") else [_value])
for _line in (DATA / "knowledge.txt").read_text("utf-8").splitlines():
    if _line and not _line.startswith("#"):
        _key, _, _value = _line.partition(" ")
        KNOWLEDGE[_key].append(_value.split("|"))

NAMES = {
    "en": """Anna Ben Clara David Elena Felix Grace Henry Irene James Karen Louis Maria Nadia Oscar Paula Rosa Simon Tanya Vera Walter Yuri Zoe Tom Mike Sarah Peter John Mary Lucy Emma Olivia
Noah Liam Mia Sophie Jack Harry George Charlie Alice Daniel Laura Julia Kevin Linda Mark Nina Paul Robert Susan Steve Tim Victor Wendy Alex Chris Sam Kate Lisa Eric Frank Helen Ivan Jane
Leo Max Nick Pedro Raj Priya Ahmed Fatima Omar Yuki Hans Fritz Ingrid Lars Pierre Marie Carlos Ana Luca Giulia Dmitri Olga Chen Wei Ming Hui Bob Bill Joe Dan Ken Ron Amy Eva Ida Ulf""".split(),
    "zh": [a + b for a in "王李张刘陈杨黄赵吴周徐孙马朱胡林郭何高罗" for b in "伟 芳 娜 敏 静 强 磊 洋 艳 勇 杰 娟 涛 明 超 霞 平 刚 小红 小明 志强 晓东 建国 雨晨 子轩 思远 佳怡 文博".split()] + "小明 小红 小李 小王 老张 小芳 阿强 丽丽 小华 大伟".split(),
}
_SYLLABLES = "ba be bo da do el fa ga go ha jo ka ki ko la le li lo ma me mi mo na ne ni no ra re ri ro sa se si so ta te ti to va vi ya za zo".split()

SYSTEM = ["You are a helpful assistant.", "You are a friendly assistant inside VS Code.", "Answer briefly.", "You are GLM, a helpful assistant.", "You are a coding assistant. Keep answers short.",
          "Be polite and concise.", "你是一个乐于助人的助手。", "请简短回答。", "你是 VS Code 里的编程助手。", "You are an assistant running on the user's own machine."]

# ---------------------------------------------------------------- surface noise


_CLAUSES = {
    "en": ["I am working on a project. ", "My colleague asked me: ", "I tried it yesterday. ", "My boss wants to know this. ", "I have a laptop. ", "I use Linux. ", "I am a beginner. ", "I read the manual. ", "It is my first day. ",
           "I'm curious: ", "I forgot it. ", "Sorry for asking. ", "I searched everywhere. ", "Here is my problem: ", "I wonder about one thing. ", "Let me ask you something. ", "I was told to ask you. ", "Tell me one thing: "],
    "zh": ["我在做一个项目，", "同事问我，", "我昨天试过了，", "我是新手，", "我用的是笔记本，", "我忘了，", "不好意思，", "找了半天，", "有个问题：", "我有点好奇，", "老板想知道，", "第一次用，", "刚才看了文档，", "我想不起来了，", "突然想到，", "再问一个："]}
_FILLERS = {
    "en": "just really actually maybe simply quickly here now then also even only still there please somehow basically exactly right again today ever kind of sort very thing stuff well too some any my this that good nice whole own little own anyway currently properly correctly usually".split(),
    "zh": list("的了吧啊呢就也还都再先下来去一个这那有点把给要想请我你它好真很")}


def _word_noise(text, lang, rng):
    """Drops, adds or swaps one word (English) or character (Chinese), so that meaning must come from the rest."""
    if lang == "zh":
        i = rng.randrange(len(text))
        if text[i].isascii():
            return text
        return text[:i] + (rng.choice(_FILLERS["zh"]) + text[i:] if rng.random() < 0.6 else text[i + 1:] if len(text) > 6 else text[i:])
    words = text.split(" ")
    if len(words) < 3:
        return text
    i, kind = rng.randrange(len(words)), rng.random()
    if kind < 0.5:
        words.insert(i, rng.choice(_FILLERS["en"]))
    elif kind < 0.75 and len(words) > 5:
        del words[i]
    elif i + 1 < len(words):
        words[i], words[i + 1] = words[i + 1], words[i]
    return " ".join(words)


def noise_en(text, rng):
    u = rng.random()
    if "`" not in text:
        while rng.random() < 0.2:
            text = _word_noise(text, "en", rng)
    if rng.random() < 0.06:
        text = rng.choice(_CLAUSES["en"]) + text
    if rng.random() < 0.16:
        text = rng.choice(["hey, ", "please, ", "hi, ", "hello, ", "ok, ", "so ", "well, ", "quick question: ", "question: ", "excuse me, ", "sorry, ", "i'm new, ", "btw ", "and ", "also, ", "now ",
                           "just wondering, ", "could you help me: ", "um, ", "then ", "but ", "ok now ", "one more thing: ", "next question: ", "actually ", "hmm, ", "right, "]) + text
    if rng.random() < 0.13:
        text += rng.choice([" please", " thanks", ", please", " for me", " now", " here", " in this extension", " in vs code", " exactly", " again", " then", " really", ", thanks", " on my machine", " here please",
                            " with this", ", any idea", " in short", ", do you know", " actually", " on my pc", " on linux", " on windows", " with glm"])
    if rng.random() < 0.55 and not text.startswith("."):
        text = text[0].upper() + text[1:]
        text = text.replace(" i ", " I ").replace(" i'", " I'")
    if rng.random() < 0.07:
        text = _typo(text, rng)
    if rng.random() < 0.04:
        text = text.lower()
    if text[-1].isalnum() or text[-1] in ")\"`":
        first = text.split()[0].lower().strip(",")
        asks = first in ("how", "what", "what's", "which", "where", "why", "who", "can", "could", "is", "are", "do", "does", "will", "may", "when", "should") or "what" in text.lower()
        p = rng.random()
        text += ("?" if asks else ".") if p < 0.55 else ("??" if asks and p > 0.97 else "!" if p > 0.94 else "")
    return text if u < 0.98 else text.upper()


def noise_zh(text, rng):
    if "`" not in text and len(text) > 4:
        while rng.random() < 0.2:
            text = _word_noise(text, "zh", rng)
    if rng.random() < 0.06:
        text = rng.choice(_CLAUSES["zh"]) + text
    if rng.random() < 0.16:
        text = rng.choice(["请问", "你好，", "请问一下，", "想问一下，", "那", "那么", "你好，请问", "问一下，", "嗨，", "麻烦问一下，", "我想知道", "诶，", "对了，", "还有，", "顺便问下，", "好的，", "另外，", "话说", "咨询一下，"]) + text
    if rng.random() < 0.13:
        text += rng.choice(["呢", "啊", "呀", "，谢谢", "，求助", "，帮帮我", "，急", "，多谢", "，告诉我", "，在线等", "，请说明", "，不太懂", "吗", "嘛"])
    if text[-1] not in "？。！?!.，”`":
        p = rng.random()
        asks = any(w in text for w in "怎么 什么 吗 如何 哪 几 多少 谁 为什么 呢 啥 能不能".split())
        text += ("？" if asks else "。") if p < 0.5 else ("?" if asks and p < 0.6 else "！" if p > 0.97 else "")
    if rng.random() < 0.03:
        i = rng.randrange(len(text))
        text = text[:i] + text[i + 1:] if len(text) > 5 else text
    return text


def _typo(text, rng):
    i = rng.randrange(max(1, len(text) - 1))
    kind = rng.randrange(3)
    if not text[i].isalpha() or i + 1 >= len(text) or not text[i + 1].isalpha():
        return text
    return text[:i] + (text[i + 1] + text[i] + text[i + 2:] if kind == 0 else text[i + 1:] if kind == 1 else text[i] + text[i:])


def noisy(text, lang, rng):
    return noise_en(text, rng) if lang == "en" else noise_zh(text, rng)


# ---------------------------------------------------------------- single turns; each returns (user, assistant, facts, state)


def topic_turn(rng, lang, topic=None):
    topic = topic or rng.choices(TOPICS, [WEIGHT[t.group] for t in TOPICS])[0]
    question = topic.question(lang, rng)
    user = question if question.startswith(("You are calling", "Expected all", "A decoder")) else noisy(question, lang, rng)
    return user, topic.answer(lang), topic.facts(lang), ("topic", topic)


def story_turn(rng, lang):
    question, story, facts = stories.ask_story(rng, lang)
    return noisy(question, lang, rng), story.text(lang), facts, ("story", story)


def poem_turn(rng, lang):
    question, text, facts = stories.ask_poem(rng, lang)
    return noisy(question, lang, rng), text[lang], facts, ("poem", text)


def sum_turn(rng, lang):
    question, answer, facts, value = sums.ask_sum(rng, lang)
    return _sum_noise(question, lang, rng), answer, facts, ("sum", value)


def _sum_noise(text, lang, rng):
    """Surface noise that leaves the numbers and their order alone."""
    if rng.random() < 0.25:
        text = rng.choice({"en": ["hey, ", "please, ", "ok, ", "so ", "and ", "now ", "math question: ", "well, ", "quickly, ", "I need to know ", "my homework: ", "let me see, "],
                           "zh": ["那", "请问", "帮我看看，", "好，", "数学题：", "再问一个，", "快，", "作业题：", "麻烦算一下，", "嗯，"]}[lang]) + text
    if rng.random() < 0.15:
        text += rng.choice({"en": [" please", " exactly", ", thanks", " in total", " then"], "zh": ["呀", "啊", "，谢谢", "呢", "来着"]}[lang])
    if lang == "en" and rng.random() < 0.5:
        text = text[0].upper() + text[1:]
    return text if text[-1] in "?？=." or rng.random() < 0.4 else text + ("?" if lang == "en" else "？")


_UNKNOWN_EN = ["what is {x}", "explain {x} [to me|in detail|briefly|please]", "tell me [something|more|everything|a bit] about {x}", "who is {x}", "what do you know about {x}", "how does {x} work", "{x}",
               "(can|could) you explain {x}", "give me (an overview|a summary|a history|an introduction) of {x}", "i want to (learn|know more) about {x}", "why is {x} (important|famous|so hard)", "write about {x}",
               "teach me {x}", "what are the main ideas of {x}", "summarize {x} (in three sentences|for me|)", "what's {x}", "help me with {x}", "what happened (to|with) {x}", "do you know {x}", "describe {x}"]
_UNKNOWN_ZH = ["{x}是什么", "(解释|介绍|讲讲|说说|谈谈|讲解|讲一讲|说一说)(一下)?{x}", "告诉我(一些)?关于{x}的(事|知识|内容)", "你(知道|了解|懂){x}吗", "{x}的(原理|历史|意义|特点|规则)(是什么)?", "{x}", "什么是{x}",
               "(我想|想)(学习|了解){x}", "为什么{x}(很重要|这么有名|这么难)", "写(一篇|一段)关于{x}的(文章|介绍|文字)", "教我{x}", "总结一下{x}", "{x}怎么样", "帮我学{x}", "你怎么看{x}"]
_UNKNOWN_ANSWER = {"en": "I don't know that: I am only a small demo model. Ask me about this extension, or choose a real model with \"GLM: Choose Model\".",
                   "zh": "这个我不知道：我只是一个小小的演示模型。可以问我关于这个扩展的问题，或用 \"GLM: Choose Model\" 选择真正的模型。"}


def unknown_turn(rng, lang):
    if rng.random() < 0.5:
        question = expand(rng.choice(UNKNOWN[lang + "ask"]), rng)
        if lang == "en" and rng.random() < 0.4:
            question = rng.choice(["please ", "can you ", "could you ", "i want you to "]) + question if question.split()[0] in ("recommend", "plan", "translate", "write", "draw", "play", "send", "search", "book", "call", "set", "give", "solve", "prove", "order", "show", "paint", "buy", "sing") else question
    else:
        x = rng.choice(UNKNOWN[lang])
        if rng.random() < 0.12:
            x = " ".join("".join(rng.choices(_SYLLABLES, k=rng.randrange(2, 4))).capitalize() for _ in range(rng.randrange(1, 3)))
        elif rng.random() < 0.15:
            x = x + (" and " if lang == "en" else "和") + rng.choice(UNKNOWN[lang])
        question = expand(rng.choice(_UNKNOWN_EN if lang == "en" else _UNKNOWN_ZH), rng).replace("{x}", x)
    return noisy(question, lang, rng), _UNKNOWN_ANSWER[lang], ("small|demo|don't" if lang == "en" else "小|演示|不"), ("unknown", None)


def gibberish_turn(rng, lang):
    kind = rng.randrange(3)
    if lang == "zh" and kind:
        chars = "的一是了我不人在他有这上们来到时大地为子中你说生国年着就那和要她出也得里后自以会家可下而过天去能对小多然于心学么之都好看起发当没成只如事把还用第样道想作种开"
        user = "".join(rng.choice(chars) for _ in range(rng.randrange(3, 9)))
    elif kind == 0:
        user = "".join(rng.choice("asdfghjklqwertzuiopyxcvbnm") for _ in range(rng.randrange(3, 14)))
    elif kind == 1:
        user = rng.choice(["???", "?", "...", "!!!", ".", "。。。", "？？？", "-", "???!", ":)", "^^", "😀", "👍", "🚀🚀"])
    else:
        words = "table green seven under lamp why run quickly the of stone maybe sing over blue if cup nine walk".split()
        user = " ".join(rng.sample(words, rng.randrange(3, 7)))
    return user, {"en": "I did not understand that. Could you say it in other words?", "zh": "我没有听懂，可以换个说法吗？"}[lang], {"en": "understand", "zh": "没有听懂|换"}[lang], ("none", None)


def knowledge_turn(rng, lang):
    i = 0 if lang == "en" else 1
    kind = rng.choices(["cap", "cat", "fact", "word"], [3, 2, 5, 2])[0]
    entry = rng.choice(KNOWLEDGE[kind])
    if kind == "cap":
        country, capital = entry[0 + 2 * i], entry[1 + 2 * i]
        if i == 0:
            q = expand("(what is|what's|tell me|do you know|name|which city is|which town is|can you tell me|can you name|say) the capital [city] of {c}|{c}: capital|capital of {c}|what is {c}'s capital [city]|which city is {c}'s capital|{c} has which capital", rng).replace("{c}", country)
            return noisy(q, lang, rng), f"The capital of {country} is {capital}.", capital, ("none", None)
        q = expand("{c}的首都(是哪里|是什么|在哪里|是哪个城市|叫什么|是哪个|是哪|是哪座城市)|(你知道|请告诉我|说出){c}的首都[是哪里|吗]|哪个城市是{c}的首都|{c}首都是(哪里|什么|哪个)", rng).replace("{c}", country)
        return noisy(q, lang, rng), f"{country}的首都是{capital}。", capital, ("none", None)
    if kind == "cat":
        if i == 0:
            q = expand("(name|list|tell me|give me|say|mention) (some|three|a few|any|several|two|a couple of|me some) {p}|(name|give me) (an example of a|a) {s}|which {p} do you know|what are (some|a few) {p}|(what|which) {p} are there|examples of {p}|do you know (any|some) {p}", rng)
            q = q.replace("{p}", entry[0]).replace("{s}", entry[1])
            return noisy(q, lang, rng), f"{entry[2][0].upper()}{entry[2][1:]}.", entry[2].split(",")[0].split(" and ")[0], ("none", None)
        q = expand("(说出|列举|举出|告诉我|说|列出|讲|举)(几种|三种|一些|几个|三个|一种|两种|两个){z}[的例子|的名字]?|有(哪些|什么){z}|{z}有哪些|你知道(哪些|什么|几种){z}|举(几个|一个){z}的例子", rng).replace("{z}", entry[3]).replace("?", "")
        return noisy(q, lang, rng), f"{entry[4]}。", entry[4].split("、")[0].split("和")[0], ("none", None)
    if kind == "fact":
        q = rng.choice(entry[2 * i].split(";"))
        return noisy(q, lang, rng), entry[1 + 2 * i], entry[4 + i], ("none", None)
    en, zh = entry
    if i == 0:
        q = expand("(how do you say|what is|say|how to say|translate|what's|write) \"{e}\" (in|to|into|in) chinese|how do you say {e} in chinese|what is {e} in chinese|(what is|what's) the chinese word for {e}|translate {e} [to|into] chinese|{e} in chinese", rng).replace("{e}", en)
        return noisy(q, lang, rng), f"\"{en}\" in Chinese is {zh}.", zh, ("none", None)
    q = expand("“{z}”(用英文|用英语|的英文|英语)(怎么说|是什么|怎么讲)|{z}(的英文|用英语|英语)(怎么说|是什么|怎么写)|(把|将)?{z}(翻译成|译成)英文|英语里{z}怎么说", rng).replace("{z}", zh)
    return noisy(q, lang, rng), f"“{zh}”的英文是 {en}。", en, ("none", None)


def code_turn(rng, lang):
    """A question about pasted code: does it move its inputs or not?"""
    model, tok, inputs = rng.choice(["model", "model", "lm", "net", "llm"]), rng.choice(["tokenizer", "tokenizer", "tok"]), rng.choice(["inputs", "inputs", "batch", "enc", "x"])
    moved = rng.random() < 0.5
    suffix = f".to({model}.device)" if moved else ""
    lines = []
    if rng.random() < 0.5:
        lines.append(f"{model} = AutoModelForCausalLM.from_pretrained({rng.choice(['path', 'name', 'MODEL'])}, device_map=\"auto\")")
    lines += [f"{inputs} = {tok}({rng.choice(['prompt', 'text', 'question'])}, return_tensors=\"pt\"){suffix}", f"{rng.choice(['output', 'out', 'result'])} = {model}.generate(**{inputs}{rng.choice(['', ', max_new_tokens=64', ', max_new_tokens=128'])})"]
    code = "\n".join(lines)
    ask = {"en": ["what does this code do", "explain this code", "is this code right", "what is wrong with this code", "why is this slow", "why do i get a warning here", "please check this code", "can you explain these lines",
                  "what do these lines do", "find the mistake", "explain the selection", "is there a bug in this", "review this", "what about this code"],
           "zh": ["这段代码是做什么的", "解释这段代码", "这段代码对吗", "这段代码有什么问题", "为什么这么慢", "为什么有警告", "请检查这段代码", "这几行是干什么的", "找出错误", "解释一下选中的代码", "帮我看看这段代码"]}[lang]
    block = f"```python\n{code}\n```"
    question = noisy(rng.choice(ask), lang, rng)
    user = f"{question}\n\n{block}" if rng.random() < 0.7 else f"{block}\n\n{question}"
    if moved:
        answer = {"en": f"It makes the inputs with the tokenizer, moves them to the model's device with `.to({model}.device)` and generates text. The devices are right.",
                  "zh": f"它用分词器产生输入，用 `.to({model}.device)` 移到模型的设备，然后生成文本。设备是正确的。"}[lang]
    else:
        answer = {"en": f"It generates text, but the inputs stay on the CPU (rule GLM101). Append `.to({model}.device)` to the tokenizer call:\n\n```python\n{inputs} = {tok}(prompt, return_tensors=\"pt\").to({model}.device)\n```",
                  "zh": f"它会生成文本，但输入留在 CPU 上（规则 GLM101）。请在分词器调用后加上 `.to({model}.device)`：\n\n```python\n{inputs} = {tok}(prompt, return_tensors=\"pt\").to({model}.device)\n```"}[lang]
    return user, answer, rf"to\({model}\.device\)", ("topic", BY_NAME["glm101"])


_ENDS = "n l r s t x d ck ll th m na ra la tin lyn rick son ina ette ard ius cy bert win ine ley man ford".split()
_STARTS = "Br Cl Cr Dr Fr Gr Kr Pr Tr St Sh Ch Th Ph Qu Wh Bl Fl Gl Pl Sl A E I O U M N P R S T V B C D F G H J K L W Y Z".split()
_SURNAMES = "王 李 张 刘 陈 杨 黄 赵 吴 周 徐 孙 马 朱 胡 林 郭 何 高 罗 郑 梁 谢 宋 唐 许 韩 冯 邓 曹 彭 曾 肖 田 董 潘 袁 蔡 蒋 余 于 杜 叶 程 魏 苏 吕 丁 沈 任 姚 卢 姜 崔 钟 谭 陆 汪 范 金 石 廖 贾 夏 韦 方 白 邹 孟 熊 秦 江 欧阳 司马 上官 诸葛 慕容".split()
_GIVEN = list("伟芳娜敏静强磊洋艳勇杰娟涛明超霞平刚红志晓东建国雨晨子轩思远佳怡文博雪梅兰竹春夏秋冬月星云风龙虎凤英雄天宇浩然欣悦婷婷玉珍宝海波江山石松柏青蓝紫金银光辉耀阳晴雷电鹏飞翔航帆乐欢喜安康宁和美丽华荣富贵福寿德才学诗书画琴心意爱慧智仁义礼信")


def _invented_name(rng):
    name = rng.choice(_STARTS) + rng.choice("aeiouaeio")
    for _ in range(rng.randrange(0, 2)):
        name += rng.choice("bcdfgklmnprstvz") + rng.choice("aeiou")
    return (name + rng.choice(_ENDS))[:11].capitalize()


def name_turn(rng, lang):
    if rng.random() < 0.6:  # invented names, so that names are copied and not recognised
        name = _invented_name(rng) if lang == "en" else "".join(rng.choices(_SURNAMES, k=1) + rng.sample(_GIVEN, rng.randrange(1, 3)))
    else:
        name = rng.choice(NAMES[lang])
    if lang == "en":
        q = expand("(hi|hello|hey|) [,] (my name is|i am|i'm|this is|i am called|people call me|call me|you can call me|the name is|they call me|i'm called) {x}|my name's {x}|(hi|hello), {x} here|{x} is my name", rng).replace("{x}", name)
        return q[0].upper() + q[1:] + rng.choice(["", ".", "!", "."]), f"Nice to meet you, {name}! How can I help you?", name, ("name", name)
    q = expand("[你好，|嗨，](我叫|我是|我的名字是|我的名字叫|叫我|你可以叫我|大家叫我|我名叫){x}", rng).replace("{x}", name)
    return q + rng.choice(["", "。", "！", "，很高兴认识你"]), f"很高兴认识你，{name}！有什么可以帮你？", name, ("name", name)


_RECALL = {"en": "(what is|what's|tell me|say|do you know|do you remember|do you still know|can you remember|remember) my name|what am i called|who am i|how am i called|what did i say my name was|what was my name [again]|do you remember (me|who i am)|what is it that people call me",
           "zh": "我叫什么[名字]|我的名字是什么|你(还)?(记得|知道)我(叫什么|的名字|是谁|叫什么名字)吗|我是谁|说出我的名字|你知道我叫什么吗|我刚才说我叫什么|还记得我(的名字)?吗|我怎么称呼"}


def recall_turn(rng, lang, name):
    q = noisy(expand(_RECALL[lang], rng), lang, rng)
    if name is None:
        return q, {"en": "You have not told me your name yet.", "zh": "你还没有告诉我你的名字。"}[lang], {"en": "not", "zh": "没有"}[lang], ("none", None)
    return q, {"en": f"Your name is {name}.", "zh": f"你叫{name}。"}[lang], name, ("none", None)


# ---------------------------------------------------------------- follow-ups on the last answer

FOLLOW = {
    "short": {"en": "[please|can you|could you|] (shorter|make it shorter|shorten it|shorten that|in one sentence|be brief|short version|say it shorter|a short version|too long|in short|keep it short|more concise|briefly|only the essence|sum it up|tl;dr|summarize that|summarise it|cut it down|that is too long|a bit shorter) [please]",
              "zh": "[请|能|可以](短一点|太啰嗦了|说得短些|少说点|简短地说|压缩一下|讲短些|别那么长|几个字就好|简短一点|简短些|再短一点|更短|简单说|一句话|用一句话说|太长了|缩短一点|精简一下|概括一下|总结一下|短些|简洁点|长话短说|简明一点)[吧|吗]"},
    "more": {"en": "[please|can you|could you|] (tell me more|tell me a little more|give me more|add something|some more|more info|explain further|go deeper|a few more words|more|more details|go on|continue|explain more|what else|anything else|and then|more please|say more|in more detail|details|a bit more|elaborate|keep going|is there more|more about that|expand on that|longer) [please]",
             "zh": "[请|能|可以](多说一点|再多说一点|再多讲一些|多讲两句|说多点|再讲一些|接着讲|多告诉我一些|再展开一下|补充一下|多介绍一点|继续|详细一点|更多|还有呢|还有吗|多讲一点|接着说|说详细点|具体一点|展开说说|再说说|然后呢|继续讲|继续说|再详细些|长一点)[吧|吗]"},
    "why": {"en": "(why|why is that|why so|but why|and why|how come|what for|for what reason|why does that matter|why is it important|what is the reason|why is this so|why should i|why is that needed|explain why|why do i need that)",
            "zh": "(为什么|为什么呢|为啥|为什么这样|原因呢|什么原因|为什么要这样|为什么重要|为何|这是为什么|凭什么|有什么理由|为什么会这样|说说原因)"},
    "zh": {"en": "(in chinese|and in chinese|now the same in chinese|what would it be in chinese|could i have it in chinese|switch to chinese|let me see it in chinese|i want it in chinese|in chinese please|say it in chinese|translate it to chinese|can you say that in chinese|now in chinese|chinese please|the same in chinese|how about in chinese|what about chinese|repeat in chinese|answer in chinese|translate that into chinese|please use chinese|tell it in chinese|the chinese version) [please]",
           "zh": "(用中文说|说中文|中文|请用中文|用中文|翻译成中文|中文怎么说|用中文回答|换成中文|用汉语说|用中文再说一次|中文版|说成中文|请讲中文|改用中文|用中文讲)[吧|可以吗|呢]"},
    "en": {"en": "(in english|and in english|in english please|say it in english|translate it to english|can you say that in english|now in english|english please|the same in english|repeat in english|answer in english|translate that into english|please use english|the english version) [please]",
           "zh": "(用英文说|用英文讲一遍|英文来一遍|翻成英语|改用英语说|切换到英文|我想看英文的|说英文|英文|请用英文|用英语|翻译成英文|英文怎么说|用英文回答|换成英文|用英语说|用英文再说一次|英文版|改成英文|英语呢|用英语讲|请讲英语|换英语)[吧|可以吗|呢]"},
    "code": {"en": "(show me the code|show me code|an example|example|code|code please|give me an example|show an example|can you show me an example|how does the code look|an example in python|show me an example in python|what does it look like in code|in code|sample code|a code example|the line of code|give me code|how would that look in python) [please]",
             "zh": "(给我看代码|代码呢|例子|举个例子|给个例子|代码怎么写|给我代码|来个例子|示例|用代码表示|看看代码|代码示例|写成代码|有例子吗|有代码吗|举例说明|给个代码|给段代码)[吧]"},
    "again": {"en": "(again|repeat|repeat that|say that again|once more|can you repeat that|what|what did you say|pardon|come again|sorry what|please repeat)", "zh": "(再说一遍|重复一下|再来一遍|再说一次|什么|你说什么|没听清|请重复|重复)"},
    "unclear": {"en": "(i do not understand|i don't understand|i don't get it|what do you mean|huh|that is too complicated|explain it simpler|simpler please|can you explain that|in simple words|i am confused|not clear|it is unclear|easier please)",
                "zh": "(我不懂|没听懂|不明白|什么意思|听不懂|太复杂了|简单点|说简单点|没看懂|不太明白|能说得简单点吗|我糊涂了|看不懂)"},
    "sure": {"en": "(are you sure|really|is that true|is that right|is that correct|sure|are you certain|do you really think so|you sure)", "zh": "(你确定吗|真的吗|真的|是真的吗|确定|对吗|你肯定吗|没骗我吧)"},
    "another": {"en": "(another|another one|one more|tell me another one|another story|a different one|next|again another|one more please|a new one|tell another) [please]", "zh": "(再来一个|再讲一个|另一个|换一个|再来一个吧|还要听|下一个|再讲一个吧|来个新的|再说一个)"},
}
_SURE = {"en": "I think so, but I am only a small demo model, so please check it in the documentation.", "zh": "我想是的，但我只是小小的演示模型，请在文档里核对。"}
_NO_MORE = {"en": "That is all I know about it; the documentation says more.", "zh": "关于这个我只知道这些，文档里有更多说明。"}
_NO_WHY = {"en": "I don't know the reason; I am only a small demo model.", "zh": "原因我不清楚，我只是小小的演示模型。"}
_NO_CODE = {"en": "I have no code example for that.", "zh": "这个我没有代码例子。"}


def follow_turn(rng, lang, state):
    """A follow-up on `state`, or None when the state allows none. Returns (user, assistant, facts, state, answer language)."""
    kind, subject, last_lang, last_text = state
    if kind == "sum":
        if rng.random() < 0.25:
            q = noisy(expand(FOLLOW["sure"][lang], rng), lang, rng)
            return q, {"en": f"Yes, the result is {subject}.", "zh": f"是的，结果是 {subject}。"}[lang], f"#{subject}", ("sum", subject), lang
        q, a, f, value = sums.follow_up(rng, lang, subject)
        return noisy(q, lang, rng), a, f, ("sum", value), lang
    if kind == "topic":
        verb = rng.choices(["short", "more", "why", "other", "code", "again", "unclear", "sure"], [4, 4, 4, 6, 3, 1, 1, 1])[0]
    elif kind == "story":
        verb = rng.choices(["short", "more", "other", "another", "again"], [5, 3, 6, 4, 1])[0]
    elif kind == "poem":
        verb = rng.choices(["other", "again", "another"], [4, 1, 3])[0]
    else:
        return None
    out = lang
    if verb == "other":
        out = "zh" if last_lang == "en" else "en"
        ask = FOLLOW[out][rng.choice([lang, lang, out])]
    else:
        ask = FOLLOW[verb][lang]
        out = last_lang if verb in ("again",) else lang
    ask = expand(ask, rng)
    if rng.random() < 0.25:
        ask = rng.choice({"en": ["and ", "and now ", "ok, ", "now ", "hm, ", "thanks, ", "nice, ", "good, ", "ok and ", "so ", "great, now "], "zh": ["那", "好的，", "嗯，", "那就", "谢谢，", "不错，", "行，", "现在", "那么", "麻烦"]}[lang]) + ask
    user = noisy(ask, lang, rng) if rng.random() < 0.7 else ask
    if kind == "topic":
        t = subject
        fact = "." if verb in ("short", "more", "why", "unclear") else t.facts(out)
        if verb == "short" or verb == "unclear":
            text = t.short(out)
        elif verb == "more":
            text = t.more(out) or _NO_MORE[out]
        elif verb == "why":
            text = t.why(out) or _NO_WHY[out]
        elif verb == "code":
            code = t.code(out) or ("align" if any(w in t.name for w in ("align", "device", "tensor", "glm10")) else None)
            text, fact = (fence(code), "```") if code else (_NO_CODE[out], ".")
        elif verb == "sure":
            text, fact = _SURE[out], "."
        elif verb == "again":
            text = last_text
            fact = "."
        else:
            text = t.answer(out)
        return user, text, fact, ("topic", t), out
    if kind == "story":
        s = subject
        if verb == "short":
            return user, s.short(out), s.hero[out == "zh"], ("story", s), out
        if verb == "more":
            return user, s.longer(out), s.hero[out == "zh"], ("story", s), out
        if verb == "again":
            return user, last_text, ".", ("story", s), out
        if verb == "another":
            s = stories.Story(rng, hero=s.hero if rng.random() < 0.3 else None)
        return user, s.text(out), s.hero[out == "zh"], ("story", s), out
    if verb == "another":
        x = rng.choice(stories.POEMS)
        lines = rng.choice(stories.POEM_LINES)
        subject = {"en": "\n".join(lines[0]).format(x=x[0]), "zh": "\n".join(lines[1]).format(x=x[1])}
    return user, subject[out] if verb != "again" else last_text, ".", ("poem", subject), out


# ---------------------------------------------------------------- whole dialogues

_TURNS = [(topic_turn, 60), (story_turn, 8), (poem_turn, 2), (sum_turn, 15), (unknown_turn, 8), (gibberish_turn, 1), (knowledge_turn, 8), (code_turn, 2), (name_turn, 4)]
_SMALL = ["thanks", "ack", "praise", "thanks", "bad-answer"]


def compose(seed):
    """One dialogue: {"system": str or None, "turns": [...]}."""
    rng = random.Random(seed)
    lang = rng.choice(["en", "zh"])
    num = rng.choices([1, 2, 3, 4, 6, 9], [38, 27, 17, 10, 6, 2])[0]
    turns, state, name = [], None, None
    for i in range(num):
        if turns and rng.random() < 0.06:
            lang = "zh" if lang == "en" else "en"
        result, out = None, lang
        if state and rng.random() < 0.5:
            made = follow_turn(rng, lang, state)
            if made:
                result, out = made[:4], made[4]
        if result is None and turns and rng.random() < 0.12:
            result = topic_turn(rng, lang, BY_NAME[rng.choice(_SMALL)])
            result = (*result[:3], (state[0], state[1]) if state else ("none", None))
        if result is None and (name is not None and rng.random() < 0.5 or rng.random() < 0.008):
            result = recall_turn(rng, lang, name)
        if result is None:
            result = rng.choices([f for f, _ in _TURNS], [w for _, w in _TURNS])[0](rng, lang)
        if turns and i == num - 1 and rng.random() < 0.08:
            result, out = topic_turn(rng, lang, BY_NAME["bye"]), lang
        user, assistant, facts, new = result
        if new[0] == "name":
            name = new[1]
        state = (new[0], new[1], out, assistant) if new[0] in ("topic", "story", "poem", "sum") else None
        turns.append({"user": user, "assistant": assistant, "facts": facts, "lang": out, "kind": new[0] if new[0] != "topic" else new[1].name})
    return {"system": rng.choice(SYSTEM) if rng.random() < 0.1 else None, "turns": turns}
