"""Recipes: what they may say, and the sentence for what they may not."""

import pytest

from imgan.errors import ImganError
from imgan.recipe import load_recipe, parse_recipe, published, recipe_names


def minimal(**changes):
    return {"pipeline": "srgan", "name": "test", "train": {"steps": 1}} | changes


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_is_valid_and_bears_its_name(name):
    assert load_recipe(name).name == name


def test_the_shipped_ones_are_there():
    assert {"x4-mse", "x4-adversarial", "x2-mse", "x2-adversarial"} <= set(recipe_names())


def test_changes():
    recipe = load_recipe(
        "x4-adversarial-final",
        ["train.steps=7", "train.optimizer.rate=1e-4", "adversary.loss=hinge", "perceptual=null"],
    )
    assert recipe.train.steps == 7
    assert recipe.train.optimizer.rate == 1e-4
    assert recipe.adversary is not None
    assert recipe.adversary.loss == "hinge"
    assert recipe.perceptual is None


def test_a_section_that_was_off_can_be_switched_on():
    recipe = load_recipe("x4-mse", ["adversary.weight=0.5"])
    assert recipe.adversary is not None
    assert recipe.adversary.weight == 0.5


def test_what_is_set_of_a_section_leaves_the_rest_as_it_was():
    changed = load_recipe("dann", ["adversary.game=moves", "adversary.optimizer.clip=1"])
    assert (changed.adversary.optimizer.rate, changed.adversary.optimizer.clip) == (1e-3, 1)
    train = {"steps": 1}
    own = {"name": "own", "train": train, "adversary": {"optimizer": {"clip": 1}}}
    pairs = own | {"pipeline": "pix2pix", "pixel": {"kind": "mse"}}
    found = parse_recipe(pairs, "r.yaml")
    assert found.pixel.weight == 100
    assert found.adversary.optimizer.betas == (0.5, 0.999)
    heaps = {"pipeline": "cyclegan", "identity": {"kind": "mse"}, "generator": {"blocks": 6}}
    found = parse_recipe(own | heaps, "r.yaml")
    assert (found.identity.a, found.identity.b) == (5, 5)
    assert (found.generator.name, found.generator.norm) == ("resnet", "instance")
    frames = own | {"pipeline": "nextframe", "adversary": {"critic": {"name": "patch"}}}
    assert parse_recipe(frames, "r.yaml").adversary.critic.norm == "none"
    frames |= {"adversary": {"critic": {"name": "multiscale"}}, "data": {"crop": 128}}
    assert parse_recipe(frames, "r.yaml").adversary.critic.norm == "instance"  # a variant by itself


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (minimal(pixel={"weight": float("inf")}), "pixel.weight.*finite"),
        (minimal(init={"x4-mse": 0.7}), r"init\..* is "),
        (minimal(data={"resize": "none"}), r"there is no setting data\.resize$"),  # of others
        (minimal(sede=1), r"there is no setting .*sede; did you mean seed\?"),
        (minimal(generator={"name": "plainsr", "norm": 1}), "r.norm of plainsr, which has width, "),
        (minimal(generator={"name": "plainsr", "widht": 9}), r"; did you mean generator.width\?"),
        (minimal(train={"stpes": 1}), r"stpes.*|the setting .*steps is missing"),
        (minimal(train={}), "the setting .*steps is missing"),
        (minimal(scale=5), "scale"),
        (minimal(seed="x"), "seed is a whole number, not"),
        (minimal(train={"steps": 0}), "steps: .*greater"),
        (minimal(train={"steps": 1, "batch": 5, "accumulate": 2}), "batch 5 cannot be accumulated"),
        (minimal(generator={"name": "vgg"}), "generator"),
        (minimal(pixel={"weight": 0}), "nothing is to be minimised"),
        (minimal(adversary={"loss": "wasserstein"}), "wasserstein needs a critic that is 1-Lip"),
        (
            minimal(adversary={"penalties": [{"name": "r1", "weight": 1}]}),
            "batch norm mixes samples; set critic.norm: false",
        ),
        (
            minimal(adversary={"loss": "hinge", "label_smoothing": 0.1}),
            "label_smoothing belongs to the non-saturating cost, not to hinge",
        ),
        (
            minimal(
                adversary={"critic": {"name": "srgan", "minibatch_stddev": True}},
                train={"steps": 1, "batch": 2, "accumulate": 2},
            ),
            "compares the images of a batch and the critic sees one at a time; raise train.batch",
        ),
        (
            minimal(adversary={"critic": {"name": "unet"}}, data={"crop": 11}, scale=2),
            "the unet critic takes sides in multiples of 8 and data.crop \\* scale is 22",
        ),
        (minimal(perceptual={}, data={"crop": 8}, scale=2), "need crops of 32 pixels"),
        (
            minimal(data={"realistic": {"blur_sigma": [2, 1]}}),
            "blur_sigma is a range from low to high",
        ),
        (minimal(data={"realistic": {"jpeg_probability": 1}}), "realistic does nothing to bicubic"),
        (minimal(adversary={"noise_until": 5}), "noise_until 5 does nothing without noise"),
        (minimal(data={"collage": 0.7, "contrast": 0.4}), "together at most 1"),
        (minimal(data={"drawings": 0.1, "degradation": "realistic"}), "drawings are not degraded"),
        (
            minimal(
                adversary={"critic": {"name": "srgan"}},
                data={"crop": 8},
                scale=2,
                train={"steps": 1, "batch": 1},
            ),
            "sees one small crop at a time; raise data.crop or train.batch, or set adversary",
        ),
        (
            minimal(
                adversary={
                    "critic": {"name": "srgan", "norm": False},
                    "penalties": [{"name": "r1", "weight": 1}, {"name": "r1", "weight": 2}],
                }
            ),
            "a penalty stands twice",
        ),
        (minimal(train={"steps": 1, "optimizer": {"betas": [1.5, 0.9]}}), "betas.*less than 1"),
        (
            minimal(adversary={"critic": {"name": "patch"}}, data={"crop": 8}, scale=2),
            "the patch critic needs 32 pixels and data.crop \\* scale is 16",
        ),
        (
            minimal(adversary={"critic": {"name": "multiscale"}}, data={"crop": 16}, scale=2),
            "the multiscale critic needs 128 pixels and data.crop \\* scale is 32",
        ),
        (minimal(perceptual={"layers": {}}), "perceptual.layers"),
        ({"pipeline": "pix3pix"}, "pipeline"),
    ],
)
def test_what_cannot_be_is_one_sentence(content, sentence):
    with pytest.raises(ImganError, match=sentence) as caught:
        parse_recipe(content, "r.yaml")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("recipe r.yaml: ")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("steps", "write it as key=value"),
        ("name.x=1", "name is a value, not a section"),
        ("seed=[1", "not valid YAML"),
    ],
)
def test_bad_changes(change, sentence):
    with pytest.raises(ImganError, match=sentence):
        load_recipe("x4-mse", [change])


def test_files_that_are_no_recipe(tmp_path):
    with pytest.raises(ImganError, match=r"no recipe nothing.yaml.*x4-mse"):
        load_recipe("nothing.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1,\nb: 2")
    with pytest.raises(ImganError, match="not valid YAML at line"):
        load_recipe(broken)
    broken.write_text("just words")
    with pytest.raises(ImganError, match="not a list of 'key: value' lines"):
        load_recipe(broken)
    broken.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ImganError, match=r"broken.yaml"):
        load_recipe(broken)


def test_what_is_published_names_no_folders():
    recipe = load_recipe(
        "x4-adversarial-final",
        ["perceptual.weights=/home/me/vgg.npz", "init=/home/me/x4.safetensors"],
    )
    plain = published(recipe)
    assert plain["init"] == "x4.safetensors"
    assert plain["perceptual"]["weights"] == "vgg.npz"
    assert "/home" not in str(plain)
