"""Give a trained model its scores, licence and notes, and put it among the shipped ones.

imgan evaluate RUN/model.safetensors Set5/x4 --json set5.json
python assets/models/publish.py RUN/model.safetensors x4-mse Set5=set5.json ... 'notes=Text.'
python assets/models/publish.py RUN/model.safetensors nextframe clips=clips.json 'data=Which clips.'
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from imgan.model_file import load_model, save_model

HERE = Path(__file__).parent
DATA = "64 photographs under CC0, CC-BY and CC-BY-SA, listed in assets/README.md"
LARGEST = 12e6
"""Bytes; larger models are stored in half precision, which loading turns into float32 again."""


def main(source: Path, name: str, reports: list[str]) -> None:
    """Write HERE/NAME.safetensors."""
    model = load_model(source)
    card = model.card
    scores = dict(card.scores)
    trained_on = DATA
    for report in reports:
        data, _, file = report.partition("=")
        if data == "notes":
            card = card.model_copy(update={"notes": file})
            continue
        if data == "data":
            trained_on = file
            continue
        models = json.loads(Path(file).read_text())["models"]
        if card.pipeline == "nextframe":
            for ahead, row in enumerate(models[str(source)]["by_horizon"], 1):
                scores[f"{data} +{ahead}"] = {k: round(v, 4) for k, v in row.items()}
            continue
        own = next(m for m in models if m["model"] == str(source))
        scores[f"{data} x{card.scale}"] = {k: round(v, 4) for k, v in own["mean"].items()}
    card = card.model_copy(
        update={
            "name": name,
            "scores": scores,
            "licence": "Apache-2.0",
            "data": card.data | {"name": trained_on},
        }
    )
    half = source.stat().st_size > LARGEST
    save_model(
        HERE / f"{name}.safetensors",
        card,
        {
            role: (network.half() if half else network).state_dict()
            for role, network in model.networks.items()
        },
    )
    print(f"{name}: {scores}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
