"""A made-up run, and what the tests ask of a page."""

import math
from html.parser import HTMLParser

VOID = {"meta", "link", "img", "input", "br", "hr"}

RECIPE = {
    "pipeline": "srgan",
    "name": "small",
    "scale": 2,
    "adversary": {"weight": 0.5},
    "train": {"steps": 400, "batch": 4, "precision": "float32"},
}


def metrics(steps, every=10):
    """Rows as `imgan.training.progress.Metrics` writes them."""
    return [
        {
            "step": step,
            "images_per_second": 8.0,
            "logits_real": 0.1 * math.sin(step),
            "logits_fake": -0.2,
            "accuracy_real": 0.6,
            "accuracy_fake": 0.7,
            "diversity": 0.98,
            "d_adversarial": 1.38,
            "d_loss": 1.38,
            "grad_norm_d": 10 ** (step / steps),
            "l1": 1 / step,
            "g_adversarial": 0.7,
            "g_loss": 0.35 + 1 / step,
            "grad_norm_g": 0.01,
            "rate": 1e-4,
        }
        for step in range(every, steps + 1, every)
    ]


class Page(HTMLParser):
    """The elements of a page, its text, and what is wrong with it."""

    def __init__(self, text):
        super().__init__()
        self.open, self.faults, self.elements, self.texts = [], [], [], []
        self.feed(text)
        self.close()
        self.faults += [f"never closed: {tag}" for tag in self.open]

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if len({name for name, _ in attrs}) < len(attrs):
            self.faults.append(f"an attribute twice in {tag}: {attrs}")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open[-1] != tag:
            self.faults.append(f"</{tag}> inside {self.open[-3:]}")
        else:
            self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def addresses(self):
        return [a[key] for _, a in self.elements for key in ("src", "href") if key in a]

    def ids(self):
        return [a["id"] for _, a in self.elements if "id" in a]
