"""Fills the model cards: `python -m demo_model.card MODELS DATA` (reads eval/evaluation.json and cards/)."""
import csv
import json
import pathlib
import sys

from .dialogues import TOPICS

TOOL = pathlib.Path(__file__).resolve().parent.parent


def main():
    models, data = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    report, facts = json.loads((TOOL / "eval" / "evaluation.json").read_text("utf-8")), json.loads((data / "data.json").read_text())
    chat = models / "glm-local-demo-chat"
    steps = {r["phase"]: int(r["step"]) for r in csv.DictReader((chat / "loss.csv").open()) if r["held_out_loss"]}
    size = (chat / "model.safetensors").stat().st_size
    names = {"templated": "templated", "hand_worded": "hand-worded, first set", "hand_worded_fresh": "hand-worded, fresh set"}
    rows = [f"| {title} | {r['passed']} of {r['of']} = {r['share']:.1%} | {r['en'][0]} of {r['en'][1]} | {r['zh'][0]} of {r['zh'][1]} |" for key, title in names.items() for r in [report[key]]]
    r = report["hand_worded_sampled"]
    rows.append(f"| both hand-worded sets, sampled (temperature 0.6, top_p 0.8) | {r['passed']} of {r['of']} = {r['share']:.1%} | {r['en'][0]} of {r['en'][1]} | {r['zh'][0]} of {r['zh'][1]} |")
    loss, poor = report["held_out_loss"], (TOOL / "cards" / "poor.md").read_text("utf-8").strip()
    fields = dict(parameters=f"{size / 2 / 1e6:.2f} M", megabytes=f"{size / 1e6:.1f}", dialogues=f"{facts['dialogues']:,}", dialogue_tokens=f"{facts['dialogue_tokens'] / 1e6:.0f} M", topics=len(TOPICS),
                  books=f"{facts['books']:,}", book_tokens=f"{facts['book_tokens'] / 1e6:.0f} M", pretrain_steps=f"{steps['pretrain']:,}", chat_steps=f"{steps['chat']:,}", table="\n".join(rows),
                  shared=report["overlap"]["shared_8grams"], whole=report["overlap"]["shared_whole_prompts"], checked=f"{report['overlap']['dialogues_checked']:,}",
                  base_books=loss["base_on_books"], base_dialogues=loss["base_on_dialogues"], chat_dialogues=loss["chat_on_dialogues"], poor=poor.split("\n", 1)[1], read=poor.split("\n", 1)[0],
                  ran_to_limit="{} of {}".format(*report["base_ran_to_256_tokens"]))
    for variant in ("base", "chat"):
        text = (TOOL / "cards" / f"{variant}.md").read_text("utf-8")
        for key, value in fields.items():
            text = text.replace("{" + key + "}", str(value))
        (models / f"glm-local-demo-{variant}" / "README.md").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
