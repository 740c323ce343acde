"""Draws loss.csv: `python -m demo_model.loss_curve LOSS_CSV FOLDER` writes loss.csv and loss.png there."""
import csv
import pathlib
import shutil
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def main():
    source, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    rows = list(csv.DictReader(source.open()))
    figure, axes = plt.subplots(1, 2, figsize=(7, 2.6), dpi=80)
    for axis, phase in zip(axes, ("pretrain", "chat")):
        points = [(int(r["step"]), float(r["train_loss"])) for r in rows if r["phase"] == phase and r["train_loss"]]
        held = [(int(r["step"]), float(r["held_out_loss"])) for r in rows if r["phase"] == phase and r["held_out_loss"]]
        axis.plot(*zip(*points), linewidth=1, label="training")
        axis.plot(*zip(*held), "o", markersize=4, label=f"held out {held[-1][1]:.3f}")
        axis.set(title=phase, xlabel="step", yscale="log")
        axis.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(folder / "loss.png")
    if source.resolve() != (folder / "loss.csv").resolve():
        shutil.copyfile(source, folder / "loss.csv")


if __name__ == "__main__":
    main()
