"""Arithmetic questions with exact answers: small numbers, both languages, digits, number words and word problems."""
from .grammar import expand

_ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
_TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()
_ZH = "零一二三四五六七八九"


def words_en(n):
    if n < 20:
        return _ONES[n]
    return _TENS[n // 10] + ("-" + _ONES[n % 10] if n % 10 else "") if n < 100 else str(n)


def words_zh(n):
    if n < 10:
        return _ZH[n]
    if n < 100:
        return ("" if n < 20 else _ZH[n // 10]) + "十" + (_ZH[n % 10] if n % 10 else "")
    return str(n)


FORMS = {
    "en": {
        "+": "({a} + {b}|{a}+{b}|{a} plus {b}|{a} and {b} [together|added]|add {a} and {b}|add {a} to {b}|add up {a} and {b}|the sum of {a} and {b}|{a} added to {b})",
        "-": "({a} - {b}|{a}-{b}|{a} minus {b}|subtract {b} from {a}|take {b} away from {a}|the difference between {a} and {b}|{a} less {b}|{a} take away {b})",
        "*": "({a} * {b}|{a}*{b}|{a} x {b}|{a} × {b}|{a} times {b}|multiply {a} by {b}|multiply {a} and {b}|the product of {a} and {b}|{a} multiplied by {b})",
        "/": "({a} / {b}|{a}/{b}|{a} ÷ {b}|{a} divided by {b}|divide {a} by {b}|the quotient of {a} and {b}|{a} over {b})",
    },
    "zh": {
        "+": "({a}+{b}|{a} + {b}|{a}加{b}|{a}加上{b}|{a}与{b}的和|{a}和{b}相加|{a}和{b}加起来|把{a}和{b}相加|{a}跟{b}加在一起)",
        "-": "({a}-{b}|{a} - {b}|{a}减{b}|{a}减去{b}|{a}与{b}的差|从{a}里减去{b}|{a}减掉{b})",
        "*": "({a}*{b}|{a}×{b}|{a}乘{b}|{a}乘以{b}|{a}与{b}的积|{a}和{b}相乘|把{a}和{b}相乘|{a}x{b})",
        "/": "({a}/{b}|{a}÷{b}|{a}除以{b}|{a}被{b}除|把{a}除以{b}|{a}与{b}的商)",
    },
}
FRAME = {
    "en": "([what is|what's|how much is|calculate|compute|please compute|tell me|what do you get for|can you calculate|what makes|do you know|work out|solve|hey, what is|quick question:|find|quickly:|sum:|math:|could you tell me|what does|give me] {e} [equal|make|please|for me|?|=|= ?])",
    "zh": "([请问|计算|算一下|请计算|帮我算|算算|你知道|告诉我|求|快速算一下|我想知道|那么|请算一下|口算]{e}[等于几|等于多少|是多少|是几|得多少|=|=?|得几|结果是多少|呢|是多少呀|多少])",
}
PROBLEMS = {
    "en": [
        ("-", "i (have|had|bought|own) {a} {o} and (eat|give away|lose|sell|drop|use) {b} [of them], how many (are left|remain|do i have [left|now]|are there now)"),
        ("-", "there are {a} {o}, {b} (are taken away|disappear|are eaten|go away|are gone|fall down), how many (are left|remain|stay)"),
        ("-", "(if|when) i take {b} {o} from {a} [{o}], how many (are left|remain)"),
        ("+", "i (have|had) {a} {o} and (buy|get|find|receive|take) {b} more, how many (do i have|are there|is that) [now|in total|together]"),
        ("+", "(anna|tom|she|he|my brother) has {a} {o} and (ben|mia|my sister|i) (has|have) {b}, how many do (they|we) have together"),
        ("*", "{a} boxes with {b} {o} each, how many {o} (are there|is that|in total)"),
        ("/", "{a} {o} for {b} (children|people|friends), how many does each (get|have|receive)"),
    ],
    "zh": [
        ("-", "我有{a}{o}，(吃了|吃掉|送了|丢了|卖了|用掉|拿走)(了)?{b}{u}，(还剩|剩下|还有|剩)(多少|几)({u})?"),
        ("-", "(一共)?有{a}{o}，(拿走|吃掉|少了|飞走){b}{u}，(还剩|剩下|还有)(多少|几){u}"),
        ("+", "我有{a}{o}，(又买了|又得到|又拿了|又捡到|再买){b}{u}，(一共|现在|总共)(有)?(多少|几){u}"),
        ("+", "(小明|小红|哥哥)有{a}{o}，(小李|小华|弟弟)有{b}{u}，(一共|加起来)有(多少|几){u}"),
        ("*", "{a}个盒子，每个(里)?有{b}{o}，(一共|总共)(有)?(多少|几){u}"),
        ("/", "{a}{o}平均分给{b}个(人|孩子|小朋友)，每人(几|多少|得几){u}"),
    ],
}
OBJECTS = {"en": "apples books coins pens balls eggs cookies stones cards oranges candies cups flowers stamps pears marbles euros birds dollars toys fish cats chairs sheep bottles pencils cakes plates tickets trees keys letters boxes bananas shirts cars nuts plums".split(),
           "zh": [("个苹果", "个"), ("本书", "本"), ("支笔", "支"), ("个球", "个"), ("个鸡蛋", "个"), ("块糖", "块"), ("张卡片", "张"), ("个橙子", "个"), ("朵花", "朵"), ("只鸟", "只"), ("个梨", "个"), ("条鱼", "条"), ("只羊", "只"), ("把椅子", "把"), ("元钱", "元"), ("个玩具", "个"), ("辆车", "辆"), ("瓶水", "瓶"), ("张票", "张"), ("根香蕉", "根"), ("个面包", "个")]}
FOLLOW = {
    "en": {"+": "([and] (add|plus) {b} [to (that|it|this)]|[and] what if [you|i] add {b} [to (that|it)]|and {b} more|(now|then) add {b}|and with {b} added)",
           "-": "([and] minus {b}|[and] subtract {b} [from (that|it)]|(now|then) take away {b}|and {b} less)",
           "*": "([and] times {b}|[and] multiply (that|it) by {b}|(now|then) multiply by {b}|and that times {b})"},
    "zh": {"+": "(再加{b}呢|再加上{b}|那加{b}呢|然后加{b}|加{b}呢|如果再加{b}呢)", "-": "(再减{b}呢|再减去{b}|那减{b}呢|减{b}呢|如果再减{b}呢)", "*": "(再乘以{b}呢|那乘{b}呢|乘以{b}呢|再乘{b})"},
}
SIGN = {"+": "+", "-": "-", "*": "×", "/": "÷"}


def draw(rng, op=None):
    op = op or rng.choices("+-*/", [5, 5, 4, 2])[0]
    if op == "+":
        top = rng.choice([10, 20, 100, 100, 100, 100, 1000])
        a, b = rng.randrange(top), rng.randrange(min(top, 100 if rng.random() < 0.7 else top))
        return op, a, b, a + b
    if op == "-":
        top = rng.choice([10, 20, 100, 100, 100, 100])
        a, b = sorted((rng.randrange(top + 1), rng.randrange(top + 1)), reverse=True)
        return op, a, b, a - b
    if op == "*":
        a, b = rng.randrange(13 if rng.random() < 0.8 else 21), rng.randrange(13)
        return op, a, b, a * b
    b, q = rng.randrange(1, 13), rng.randrange(0, 13)
    return op, b * q, b, q


def answer(lang, op, a, b, c):
    return f"{a} {SIGN[op]} {b} = {c}" + ("." if lang == "en" else "。")


def _number(rng, lang, n, p):
    if rng.random() < p and n < 100:
        return words_en(n) if lang == "en" else words_zh(n)
    return str(n)


def ask_sum(rng, lang):
    """Returns (question, answer, facts, result)."""
    if rng.random() < 0.18:
        op, frame = rng.choice(PROBLEMS[lang])
        _, a, b, c = draw(rng, op)
        if op == "-" or op == "+":
            a, b = (a, b) if a < 100 else (a % 100, b % 50)
            if op == "-" and b > a:
                a, b = b, a
            c = a - b if op == "-" else a + b
        a, b = max(a, 1), b
        c = {"+": a + b, "-": a - b, "*": a * b, "/": a // b if b else 0}[op]
        if op == "/" and a % b:
            a = b * c
        p = 0.25
        sa, sb = _number(rng, lang, a, p), _number(rng, lang, b, p)
        if lang == "en":
            text = frame.replace("{o}", rng.choice(OBJECTS["en"]))
        else:
            o, u = rng.choice(OBJECTS["zh"])
            text = frame.replace("{o}", o).replace("{u}", u)
        text = text.replace("{a}", sa).replace("{b}", sb)
        return expand(text, rng), answer(lang, op, a, b, c), f"#{c}", c
    op, a, b, c = draw(rng)
    p = 0.15
    expression = expand(FORMS[lang][op], rng).replace("{a}", _number(rng, lang, a, p)).replace("{b}", _number(rng, lang, b, p))
    return expand(FRAME[lang], rng).replace("{e}", expression), answer(lang, op, a, b, c), f"#{c}", c


def follow_up(rng, lang, value):
    op = rng.choice("++-*")
    b = rng.randrange(1, 21) if op == "+" else rng.randrange(1, min(value, 20) + 1) if op == "-" and value > 0 else rng.randrange(1, 11)
    if op == "-" and value < b or op == "*" and value > 20:
        op = "+"
    c = {"+": value + b, "-": value - b, "*": value * b}[op]
    return expand(FOLLOW[lang][op], rng).replace("{b}", str(b)), answer(lang, op, value, b, c), f"#{c}", c
