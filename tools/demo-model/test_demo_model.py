"""Tests of the generator and the judge: `python -m unittest` in this folder (needs no torch)."""
import random
import re
import unittest

from demo_model import sums
from demo_model.dialogues import TOPICS, compose
from demo_model.grammar import expand
from demo_model.judge import has_facts, judge, repeats, right_language
from demo_model.overlap import Overlap, load_hand_cases, ngrams


class GrammarTest(unittest.TestCase):
    def test_choices_options_and_literal_calls(self):
        seen = {expand("(a|b) [c] x.to(model.device)", random.Random(i)) for i in range(60)}
        self.assertEqual(seen, {f"{p} {o}x.to(model.device)" for p in "ab" for o in ("", "c ")})

    def test_unbalanced_brackets_are_refused(self):
        with self.assertRaises(ValueError):
            expand("(a|b", random.Random(0))


class GeneratorTest(unittest.TestCase):
    def test_every_answer_holds_its_own_facts(self):
        for topic in TOPICS:
            for lang in ("en", "zh"):
                self.assertTrue(has_facts(topic.answer(lang), topic.facts(lang)), (topic.name, lang))

    def test_every_question_form_expands_to_plain_text(self):
        rng = random.Random(3)
        for topic in TOPICS:
            for lang in ("en", "zh"):
                for _ in range(30):
                    question = topic.question(lang, rng)
                    self.assertTrue(question and not re.search(r"\{[vno]\}|\ue100", question), (topic.name, question))

    def test_sums_are_right(self):
        for seed in range(3000):
            rng = random.Random(seed)
            _, answer, _, result = sums.ask_sum(rng, rng.choice(["en", "zh"]))
            a, op, b, c = re.match(r"(\d+) (.) (\d+) = (\d+)", answer).groups()
            expected = {"+": int(a) + int(b), "-": int(a) - int(b), "×": int(a) * int(b), "÷": int(a) // max(int(b), 1)}[op]
            self.assertEqual((int(c), result), (expected, expected))
            if op == "÷":
                self.assertEqual(int(a), int(b) * int(c))

    def test_a_seed_gives_one_dialogue_and_generated_turns_pass_the_judge(self):
        self.assertEqual(compose(5), compose(5))
        for seed in range(400):
            for turn in compose(seed)["turns"]:
                case = {"lang": turn["lang"], "answer_lang": turn["lang"], "turns": [turn["user"]], "facts": turn["facts"]}
                self.assertEqual(judge(case, turn["assistant"], True, 50), [], turn)


class JudgeTest(unittest.TestCase):
    def test_each_check_can_fail(self):
        case = {"lang": "en", "turns": ["hi"], "facts": "hello|hi & model"}
        self.assertEqual(judge(case, "Hello, I am a model.", True, 8), [])
        self.assertEqual(judge(case, "Hello there.", True, 8), ["facts"])
        self.assertEqual(judge(case, "Hello, I am a model.", False, 200), ["stop"])
        self.assertIn("language", judge(case, "你好，我是一个模型 model hi，很高兴认识你。", True, 8))
        self.assertTrue(repeats("the cat sat on the mat and then it went to bed again " * 3))
        self.assertFalse(repeats("1, 2, 3, 4, 5, 6, 7, 8, 9, 10."))

    def test_the_last_number_must_be_the_result(self):
        self.assertTrue(has_facts("27 + 46 = 73.", "#73"))
        self.assertFalse(has_facts("73 + 46 = 27.", "#73"))

    def test_code_does_not_count_as_a_language(self):
        self.assertTrue(right_language("代码如下：\n\n```python\nprint('hello world, this is long english')\n```", "zh"))


class OverlapTest(unittest.TestCase):
    def test_a_shared_eight_gram_or_whole_prompt_is_found(self):
        overlap = Overlap()
        case = max(load_hand_cases("hand_worded"), key=lambda c: len(c["turns"][0]))
        self.assertTrue(ngrams(case["turns"][0]))
        self.assertTrue(overlap.shares_ngram("some words " + case["turns"][0].upper() + " more"))
        self.assertTrue(overlap.clashes(load_hand_cases("hand_worded")[0]["turns"][0]))
        self.assertFalse(overlap.clashes("a sentence that stands in no evaluation file at all today"))


if __name__ == "__main__":
    unittest.main()
