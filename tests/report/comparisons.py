"""Made-up comparisons: every figure comes of pictures that are blurred or roughened here."""

import numpy as np

from imgan.comparison.result import Arm, Comparison, Crop, Lines, Metric, Pane, Row, Spectra
from imgan.report.charts import Chart, Series

METRICS = [
    Metric("psnr", "PSNR", "fidelity", "higher", 2, "dB"),
    Metric("ssim", "SSIM", "fidelity", "higher", 4),
    Metric("lpips", "LPIPS", "perception", "lower", 3),
    Metric("kid", "KID \u00d7 1000", "distribution", "lower", 1),
    Metric("energy", "detail", "sharpness", "one", 2),
]
DOMAINS = [
    Metric("accuracy", "accuracy on the target", "task", "higher", 1, "%"),
    Metric("distance", "distance of the domains", "distribution", "lower", 3),
]


def scene(seed, height=48, width=64):
    """A picture of soft hills with fine stripes: ``[H, W, 3]`` in 0..1."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    hills = sum(
        np.sin(random.uniform(0.02, 0.2) * x + random.uniform(0.02, 0.2) * y + i) for i in range(6)
    )
    stripes = np.sin(1.9 * x + random.uniform(0, 1) * y) * (hills > 0)
    tint = random.uniform(0.3, 0.8, 3)
    return np.clip(tint + (0.08 * hills + 0.15 * stripes)[..., None], 0, 1)


def blurred(picture, radius=2):
    """Means over squares."""
    padded = np.pad(picture, ((radius, radius), (radius, radius), (0, 0)), mode="edge")
    side = 2 * radius + 1
    height, width = picture.shape[:2]
    shifts = [padded[i : i + height, j : j + width] for i in range(side) for j in range(side)]
    return sum(shifts) / side**2


def pixels(picture):
    return np.round(255 * np.clip(picture, 0, 1)).astype(np.uint8)


def answers(truth, arms, seed):
    """What each arm makes of a blurred input: the MSE arm an average, the others with detail."""
    random = np.random.default_rng(seed)
    made = {}
    for i, arm in enumerate(arms):
        soft = blurred(truth, 3 if arm.kind == "baseline" else 1)
        grain = random.normal(0, 0.02 * (i + 1), truth.shape)
        made[arm.name] = soft if arm.kind in ("baseline", "mse") else 0.5 * (soft + truth) + grain
    return made


def panes(truth, arms, seed, titles=None):
    shown = {"input": blurred(truth, 4)} | answers(truth, arms, seed) | {"truth": truth}
    names = {arm.name: arm.title for arm in arms}
    return [Pane(key, names.get(key, key), pixels(picture)) for key, picture in shown.items()]


def arms(others=0, baselines=1, seeds=3):
    """Baselines, MSE, adversarial, and more arms."""
    made = [
        Arm(name, title, "baseline", "The input, enlarged.")
        for name, title in [
            ("bicubic", "bicubic"),
            ("copy", "input copy"),
            ("last", "last frame"),
        ][:baselines]
    ]
    made += [
        Arm("mse", "MSE", "mse", "Squared error alone.", ("adversary=null", "pixel.kind=mse")),
        Arm("adversarial", "adversarial", "adversarial", "The recipe as it is."),
    ]
    made += [
        Arm(f"other{i}", f"weight {i}", "other", "", (f"adversary.weight={i}",))
        for i in range(others)
    ]
    random = np.random.default_rng(0)
    for i, arm in enumerate(made):
        base = {"baseline": (26, 0.7, 0.4, 60, 0.3), "mse": (28, 0.8, 0.3, 40, 0.5)}
        means = base.get(arm.kind, (26.5, 0.75, 0.18, 9, 0.96))
        runs = 1 if arm.kind == "baseline" else seeds
        for metric, mean in zip(METRICS, means, strict=True):
            drift = 1 + 0.01 * i * (arm.kind in ("other", "baseline"))
            arm.figures[metric.key] = [
                float(mean * drift * random.uniform(0.99, 1.01)) for _ in range(runs)
            ]
        if arm.kind != "baseline":
            arm.steps, arm.seconds = 4000, [600.0 + 30 * k for k in range(seeds)]
            arm.charts = [curve("What the generator pays", i)]
            arm.runs = [f"runs/{arm.name}-{k}" for k in range(seeds)]
    made[-1].warnings = ["the critic is right every time"]
    return made


def curve(title, seed):
    x = list(range(0, 4000, 50))
    y = [1 / (1 + step / 500) + 0.01 * ((step + seed) % 7) for step in x]
    return Chart(title, "Less is better.", (Series("all together", x, y, 1),), log=True)


def spectra(arms):
    frequency = [i / 40 for i in range(1, 21)]
    deep = {arm.name: -40 * (arm.kind in ("baseline", "mse")) - 2 * i for i, arm in enumerate(arms)}
    return Spectra(
        frequency,
        {name: [depth * f for f in frequency] for name, depth in deep.items()},
        {name: [-20 + 40 * f - 0.1 * depth for f in frequency] for name, depth in deep.items()},
        "Of the mean of all answers that are possible, power and error together are the truth's.",
    )


def images(others=0, baselines=1, seeds=3, rows=2, size=(48, 64)):
    """Super-resolution as it might come out."""
    made = arms(others, baselines, seeds)
    truths = [scene(i, *size) for i in range(rows)]
    crops = []
    for i, truth in enumerate(truths):
        part = panes(truth[8:32, 8:32], made, i)
        crops.append(Crop(f"picture {i}", part, "", (8, 8, 32, 32)))
    return Comparison(
        name="small, MSE against adversarial",
        what="Super-resolution \u00d74: the same network, trained twice",
        pipeline="srgan",
        data="800 photographs",
        test=f"{rows} pictures that training never saw",
        seeds=list(range(seeds)),
        arms=made,
        metrics=METRICS,
        protocol=["PSNR and SSIM on luma.", "LPIPS on the squeeze backbone."],
        verdict=[
            "The MSE arm is nearer to the truth by 1.5 dB.",
            "The adversarial arm looks more like it: LPIPS 0.18 against 0.30.",
        ],
        plane=("psnr", "lpips"),
        rows=[Row(f"picture {i}", panes(t, made, i), "\u00d74") for i, t in enumerate(truths)],
        crops=crops,
        crop_rule="From each picture the square in which the arms' answers differ most.",
        spectra=spectra(made),
        horizons=[Lines("PSNR by frames ahead", "dB.", [1, 2, 3, 4], {"mse": [30, 28, 27, 26.5]})],
        recipe={"pipeline": "srgan", "scale": 4, "train": {"steps": 4000, "batch": 16}},
        data_card={"folder": "photos", "train": {"images": 800}},
        versions={"imgan": "0.1", "PyTorch": "2.11"},
        hardware={"processor": "2 cores", "accelerator": "none"},
        seconds=7500,
    )


def domains(seeds=3):
    """Domain-adversarial features: no test images, but pictures of the features."""
    made = [
        Arm("source", "source only", "baseline", "Learned from the source alone."),
        Arm("mse", "matched moments", "mse", "Means and covariances matched."),
        Arm("adversarial", "gradient reversal", "adversarial", "A critic tells the domains."),
    ]
    for i, arm in enumerate(made):
        count = 1 if arm.kind == "baseline" else seeds
        arm.figures["accuracy"] = [60.0 + 14 * i + k for k in range(count)]
        arm.figures["distance"] = [0.9 - 0.3 * i + 0.01 * k for k in range(count)]
    shown = [Pane(arm.name, arm.title, pixels(scene(5, 120, 120))) for arm in made]
    return Comparison(
        name="digits on photographs",
        what="Features that hold in another domain",
        pipeline="dann",
        data="digits",
        test="digits on photographs",
        seeds=list(range(seeds)),
        arms=made,
        metrics=DOMAINS,
        protocol=["Accuracy on 1,000 held-out digits."],
        plane=("accuracy", "distance"),
        pictures=[Row("features", shown, "in a plane")],
    )
