"""Short stories and poems from parallel plots, so that "shorter", "another" and "in Chinese" have exact answers."""
import pathlib

from .grammar import expand

_WORDS = {}
for _line in (pathlib.Path(__file__).resolve().parent.parent / "data" / "story_words.txt").read_text("utf-8").splitlines():
    if _line and not _line.startswith("#"):
        _kind, _, _pair = _line.partition(" ")
        _WORDS.setdefault(_kind, []).append(tuple(_pair.split("|")))
HEROES, POEMS = _WORDS["hero"], _WORDS["poem"]

EN_NAMES = "Mia Tom Lily Ben Rosa Max Luna Sam Nora Leo Ella Finn Ruby Otto Ivy Hugo Zoe Paul Anna Jack".split()
ZH_NAMES = "米娅 汤姆 莉莉 本 罗莎 马克 露娜 山姆 诺拉 里奥 艾拉 芬恩 露比 奥托 艾薇 雨果 佐伊 保罗 安娜 杰克".split()

# Slots: {h} hero, {A} "a brave dragon", {n} name, {p} place, {t} thing it likes, {f} friend, {g} what is found.
PLOTS = [
    (["Once upon a time there was {A} named {n}.", "{n} lived near the {p} and liked {t} more than anything.", "One day the {h} found a {g} and did not know whose it was.",
      "{n} asked {F}, and together they looked for the owner.", "In the evening they gave it back, and everybody shared some {t}.", "Since then the {h} and the {f} are good friends."],
     ["从前有一{c}{a}的{h}，名叫{n}。", "{n}住在{p}旁边，最喜欢{t}。", "有一天，{h}捡到了{g}，却不知道是谁的。", "{n}去问{f}，他们一起寻找主人。", "傍晚，他们把东西还了回去，大家一起分享{t}。", "从此，{h}和{f}成了好朋友。"]),
    (["{N}, {A}, wanted to see what lies behind the {p}.", "On the way the {h} met {F} who was afraid of the dark.", "\"Come with me,\" said {n}, \"two are never alone.\"",
      "They walked all night and talked about {t}.", "When the sun rose, they saw a {g} shining in the grass.", "The {h} smiled and carried it home."],
     ["{n}是一{c}{a}的{h}，想看看{p}后面有什么。", "路上，{h}遇到了怕黑的{f}。", "“跟我来吧，”{n}说，“两个人就不孤单了。”", "他们走了一整夜，聊着{t}。", "太阳升起时，他们看见草地上有{g}在发光。", "{h}笑了，把它带回了家。"]),
    (["Near a quiet {p} lived {A} called {n}.", "Every morning the {h} dreamed of {t}, but there was none left.", "So {n} set out and asked {F} for help.",
      "\"Take this {g},\" said the {f}, \"it will show you the way.\"", "After a long walk the {h} found a whole valley full of {t}.", "{N} took only a little and gave the rest to the neighbours."],
     ["在安静的{p}里，住着一{c}{a}的{h}，叫{n}。", "每天早上{h}都梦见{t}，可是已经没有了。", "于是{n}出发了，去请{f}帮忙。", "“拿着这个{g}吧，”{f}说，“它会给你指路。”", "走了很久，{h}找到了满是{t}的山谷。", "{n}只拿了一点，其余的都送给了邻居。"]),
    (["{N} was {A} who was always too late.", "One winter night a storm came over the {p}.", "The {h} heard {F} call for help and ran as fast as it could.",
      "With a {g} {n} showed the way through the snow.", "At home they drank something warm and laughed about {t}.", "This time the {h} had come just in time."],
     ["{n}是一{c}总是迟到的{h}，也很{a}。", "一个冬夜，暴风雪来到了{p}。", "{h}听见{f}在呼救，就飞快地跑了过去。", "{n}用{g}在雪中照亮了路。", "回到家，他们喝着热饮，笑着谈起{t}。", "这一次，{h}来得正是时候。"]),
    (["Nobody near the {p} knew that the {h} {n} could sing.", "It was {A}, and it sang only for {t}.", "One day {F} heard the song and told everybody.",
      "First the {h} wanted to hide behind a {g}.", "But all the others clapped and asked for more.", "Since that day there is music near the {p} every evening."],
     ["{p}里没有谁知道{h}{n}会唱歌。", "这{c}{a}的{h}只对着{t}唱。", "有一天，{f}听到了歌声，告诉了大家。", "一开始，{h}想躲到{g}后面。", "可是大家都鼓掌，请它再唱一首。", "从那天起，{p}里每天傍晚都有歌声。"]),
]
POEM_LINES = [
    (["The {x} is near, the day is long,", "I write for you a little song.", "The {x} is here, my heart is light,", "and all the world is calm tonight."],
     ["{x}静静在身旁，", "我为你把歌儿唱。", "{x}轻轻入梦乡，", "世界安静又明亮。"]),
    (["I think of the {x} when the evening is blue,", "a quiet thought that is simple and true.", "The {x} will stay when the night is deep,", "and sing us softly into sleep."],
     ["傍晚蓝蓝想{x}，", "一点心事暖心房。", "夜色深深{x}在，", "伴我慢慢入梦乡。"]),
]

EN_ASK = """(tell|write|read|give|make up|invent|create) [me|us] (a|a short|a little|one|a nice|another|a funny|a quick|a small|an exciting|a bedtime|a good night) (story|tale|fairy tale|bedtime story) (about|of|with|on) {x} [in it]
(can|could|would) you [please] (tell|write|make up|invent) [me] (a|a short|a little|a bedtime) (story|tale) (about|with) {x}
i (want|would like|'d like|want to hear|would like to hear|wish for|need) (a|a short|a little|a bedtime) (story|tale) (about|with|of) {x}
(a|one|) [short|little|bedtime] story (about|with) {x} [please]
story about {x}
tell me [something] about {x}, a [short] (story|tale)
(please|) (write|tell) [something like] (a|a short|a tiny) (story|tale) (in which|where) {x} (is the hero|plays a role|appears)
do you know (a|any|a nice) (story|tale|stories) (about|with) {x}
let me hear (a|the) (story|tale) (of|about) {x}""".split("\n")
ZH_ASK = """(讲|说|写|给我讲|给我说|编|请讲|帮我写|给我写|来|再讲)(一个|个|一段)?(关于|有关)?{x}的(小|短|睡前|有趣的|童话)?(故事|童话)[吧|听听|给我听|好吗|好不好]
(我想听|想听|我要听|我想要|我想听听)(一个|个)?(关于|有关)?{x}的(故事|小故事|童话)
(可以|能|你能|能不能)(给我)?(讲|说|写)(一个|个)?(关于|有关)?{x}的(故事|小故事)[吗]
{x}的故事
(以|用){x}(为主角|为主题|为题)(讲|写|编)(一个|个)?(故事|小故事)
有没有(关于)?{x}的故事[吗]
(睡前|晚上)(想听|给我讲|讲)(一个|个)?(关于)?{x}的故事
(讲|写)(一个|个)?故事，(主角是|关于|要有){x}""".split("\n")
EN_ASK_ANY = """(tell|write|read|make up) [me|us] (a|another|some|one|a short|a little|a nice|a funny|a bedtime) (story|tale|fairy tale|bedtime story)
(a|another) [short] story [please]
(can|could|would) you tell [me] (a|me a) (story|tale|bedtime story)
do you know (a|any) (story|stories|tale)
i (want|would like|'d like) [to hear] a (story|tale)
story [time] [please]
once upon a time""".split("\n")
ZH_ASK_ANY = """(讲|说|给我讲|编|写|来|再讲)(一个|个|点)?(小|短|睡前|有趣的)?故事[吧|听听|好吗]
我(想|要)听(一个|个)?(睡前)?故事
你(会|能)讲故事吗
(来|再来)(一个|个)故事
从前""".split("\n")
EN_POEM = """(write|compose|make|tell|give) [me] (a|a short|a little|a small|one|some|a nice) (poem|verse|rhyme|poetry|song) (about|on|for|of) [the|a|my] {x}
(can|could) you write (a|me a|a short) (poem|verse) (about|on) [the|a] {x}
i (want|would like|need) (a|a short) (poem|verse) (about|on) [the|a] {x}
[a] [short] poem (about|on) [the|a] {x} [please]""".split("\n")
ZH_POEM = """(写|来|作|给我写|请写|帮我写)(一首|首)?(关于|有关)?{x}的(小|短)?诗[吧|好吗]
(写|来|作)(一首|首)(小|短)?诗，(关于|题目是|写){x}
以{x}为题(写|作)(一首|首)?诗
(能|可以)写(一首|首)?{x}的诗吗
{x}的诗""".split("\n")


def _article(phrase):
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


_PEOPLE = set("公主 王子 国王 女王 骑士 魔法师 女巫 海盗 农夫 老师 女孩 男孩 孩子 渔夫 面包师 水手 园丁 画家 程序员 宇航员 医生 巨人 仙女 奶奶 爷爷 厨师 音乐家 侦探 探险家 学生 科学家 外星人 语言模型 机器人 幽灵 张量 雪人".split())
_MEASURE = {"公主": "位", "王子": "位", "国王": "位", "女王": "位", "骑士": "位", "老师": "位", "医生": "位", "奶奶": "位", "爷爷": "位", "科学家": "位", "画家": "位",
            "鱼": "条", "龙": "条", "蛇": "条", "鲸鱼": "条", "鳄鱼": "条", "马": "匹", "奶牛": "头", "大象": "头", "狮子": "头", "驴子": "头", "火车": "列", "船": "艘", "电脑": "台",
            "大树": "棵", "星星": "颗", "月亮": "轮", "云": "朵", "显卡": "张", "小汽车": "辆", "自行车": "辆", "灯塔": "座"}


class Story:
    """One story with all its renderings. `hero` and `thing` come from the request; the rest is drawn."""

    def __init__(self, rng, hero=None, adj=None, thing=None, place=None):
        self.hero = hero or rng.choice(HEROES)
        self.adj = adj or rng.choice(_WORDS["adj"])
        self.thing = thing or rng.choice(_WORDS["thing"])
        self.place = place or rng.choice(_WORDS["place"])
        self.friend = rng.choice([h for h in HEROES[:60] if h != self.hero])
        self.find = rng.choice(_WORDS["find"])
        self.name = rng.randrange(len(EN_NAMES))
        self.plot = rng.choice(PLOTS)

    def sentences(self, lang):
        i = 0 if lang == "en" else 1
        h = self.hero[i]
        measure = _MEASURE.get(h, "个" if h in _PEOPLE else "只")
        slots = {"h": h, "a": self.adj[i], "n": EN_NAMES[self.name] if i == 0 else ZH_NAMES[self.name], "p": self.place[i], "t": self.thing[i],
                 "f": self.friend[i], "g": self.find[i], "c": measure}
        if i == 0:
            slots.update(N=slots["n"], A=_article(f"{self.adj[0]} {h}"), F=_article(self.friend[0]))
        return [s.format(**slots) for s in self.plot[i]]

    def text(self, lang):
        return (" " if lang == "en" else "").join(self.sentences(lang))

    def short(self, lang):
        s = self.sentences(lang)
        return (" " if lang == "en" else "").join([s[0], s[-1]])

    def longer(self, lang):
        i = 0 if lang == "en" else 1
        more = [["The next day the {h} got up early.", "It went back to the {p} and sang a song.", "And if you listen well, you can hear the {h} there even today."],
                ["第二天，{h}很早就起来了。", "它回到{p}，唱了一首歌。", "如果你仔细听，今天还能听到{h}的歌声。"]][i]
        return (" " if lang == "en" else "").join(s.format(h=self.hero[i], p=self.place[i]) for s in more)


def ask_story(rng, lang):
    """Returns (request, story, facts)."""
    story = Story(rng)
    i = 0 if lang == "en" else 1
    if rng.random() < 0.12:
        return expand(rng.choice(EN_ASK_ANY if lang == "en" else ZH_ASK_ANY), rng), story, r".{30}"
    hero, u = story.hero[i], rng.random()
    if lang == "en":
        base = f"{story.adj[0]} {hero}" if rng.random() < 0.35 else hero
        x = rng.choice([_article(base), _article(base), "the " + base, base, "my " + base, hero + "s"])
        if u < 0.12:
            x = f"{_article(base)} who {rng.choice(['likes', 'loves', 'drinks', 'wants', 'eats', 'looks for', 'has'])} {story.thing[0]}"
        elif u < 0.2:
            x = f"{_article(base)} and {_article(story.friend[0])}"
        elif u < 0.28:
            x = f"{_article(base)} (in|near|at) the {story.place[0]}"
        frames = EN_ASK
    else:
        base = hero
        if rng.random() < 0.4:
            base = rng.choice([story.adj[1] + "的" + hero, story.adj[1] + hero if len(story.adj[1]) == 2 else hero])
        if len(hero) == 1 or (hero not in _PEOPLE and not hero.startswith(("小", "大")) and rng.random() < 0.3):
            base = base[: len(base) - len(hero)] + rng.choice(["小", "小", ""]) + hero
        x = rng.choice([base, base, "一只" + base if hero not in _PEOPLE else "一个" + base, "一个" + base])
        if u < 0.12:
            x = f"{base}(喜欢|爱|吃|喝|找|想要|有){story.thing[1]}"
        elif u < 0.2:
            x = f"{base}和{story.friend[1]}"
        elif u < 0.28:
            x = f"{story.place[1]}里的{base}"
        frames = ZH_ASK
    return expand(rng.choice(frames).replace("{x}", x), rng), story, hero + " & [.。]"


def ask_poem(rng, lang):
    """Returns (request, {lang: poem}, facts)."""
    i = 0 if lang == "en" else 1
    x = rng.choice(POEMS)
    lines = rng.choice(POEM_LINES)
    text = {"en": "\n".join(lines[0]).format(x=x[0]), "zh": "\n".join(lines[1]).format(x=x[1])}
    return expand(rng.choice(EN_POEM if i == 0 else ZH_POEM).replace("{x}", x[i]), rng), text, x[i]
