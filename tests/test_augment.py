from inspect import signature

import pytest
import torch

from fashion import EXPERIMENTS, Dataset, FashionError, Loader, augment

CHOSEN = {each[0]: each for recipe in EXPERIMENTS.values() for each in recipe.augment if isinstance(each, tuple)}


def example(name):
    """The choice of an augmentation as a recipe of the study makes it."""
    places = signature(augment.AUGMENTATIONS[name]).parameters.values()
    takes = [each.name for each in places if each.kind is not each.KEYWORD_ONLY][2:]
    choice = CHOSEN.get(name, (name,))
    assert len(choice) == 1 + len(takes), f"no recipe in EXPERIMENTS gives {name!r} its parameters {takes}"
    return choice


@pytest.fixture
def images():
    """200 images whose pixels are all different from each other and from the background, with their labels."""
    pixels = torch.arange(784.0).div(784).reshape(1, 1, 28, 28) + torch.arange(200.0)[:, None, None, None]
    return Dataset(pixels, torch.arange(200) % 10)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", augment.AUGMENTATIONS)
def test_the_generator_decides_and_the_dataset_stays_as_it_is(images, name):
    before = Dataset(*(tensor.clone() for tensor in images))
    function = augment.compose([example(name)])
    outcomes = []
    for seed in (0, 1):
        torch.manual_seed(seed)  # of another generator
        outcomes.append(function(images, generator()))
    for first, again in zip(*outcomes, strict=True):
        assert torch.equal(first, again)
    for tensor, original in zip(images, before, strict=True):
        assert torch.equal(tensor, original)


@pytest.mark.parametrize("name", augment.AUGMENTATIONS)
def test_what_comes_out_is_a_dataset_of_the_same_size(images, name):
    changed = augment.compose([example(name)])(images, generator())
    assert changed.images.shape == images.images.shape and changed.images.dtype == torch.float32
    if changed.labels.ndim == 1:
        assert changed.labels.shape == (200,) and changed.labels.dtype == torch.int64
    else:
        assert changed.labels.shape == (200, 10) and changed.labels.dtype == torch.float32
        torch.testing.assert_close(changed.labels.sum(dim=1), torch.ones(200))


@pytest.mark.parametrize(
    ("choice", "mixes"),
    [
        ("flip", False),
        (("translate", 2), False),
        (("affine", 10.0, 0.1, 0.1), False),
        (("cutout", 8), False),
        (("erase", 0.5), False),
        (("cutmix", 0.5), True),
    ],
)
def test_those_of_the_study_draw_anew_with_another_seed(images, choice, mixes):
    first, other = (augment.compose([choice])(images, generator(seed)) for seed in (0, 1))
    assert not torch.equal(first.images, other.images)
    assert (first.labels.ndim == 2) if mixes else torch.equal(first.labels, images.labels)


@pytest.mark.parametrize(
    "choice",
    [
        ("translate", 2.5), ("translate", 0), ("translate", 28), ("cutout", "8"), ("cutout", -3), ("cutout", 99),
        ("erase", 7), ("erase", -0.1), ("erase", (0.5,)), ("cutmix", 1.5), ("affine", -1, 0.1, 0.1),
        ("affine", 5, 1, 0), ("affine", 5, 0.1, "0"),
    ],
    ids=str,
)  # fmt: skip
def test_parameters_that_make_no_sense_are_told_before_training(choice):
    with pytest.raises(FashionError, match=f"the augmentation '{choice[0]}' takes .*: not "):
        augment.compose(["flip", choice])


def test_parameters_may_be_at_their_limits():
    augment.compose([("translate", 1), ("translate", 27), ("cutout", 28), ("erase", 0), ("erase", 1), ("cutmix", 1.0)])
    augment.compose([("affine", 0, 0.99, 0)])


def test_flip_mirrors_about_half(images):
    flipped = augment.flip(images, generator()).images
    mirrored = (flipped == images.images.flip(3)).all(dim=(1, 2, 3))
    assert torch.equal(flipped[~mirrored], images.images[~mirrored])
    assert 70 < mirrored.sum() < 130


def test_alternate_mirrors_each_image_in_every_second_epoch(images):
    function = augment.compose(["alternate"])
    first, second, third = (function(images, generator(), epoch).images for epoch in (1, 2, 3))
    mirrored = (first == images.images.flip(3)).all(dim=(1, 2, 3))
    assert mirrored.sum() == 100
    assert torch.equal(second, first.flip(3)) and torch.equal(third, first)


def test_affine_leaves_images_when_it_may_not_move_them(images):
    same = augment.affine(images, generator(), degrees=0, scale=0, shear=0).images
    torch.testing.assert_close(same, images.images, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("parameters", "place"),
    [
        ((90.0, 0.0, 0.0), lambda x, y, d: (x * (d[0] * 90).cos() - y * (d[0] * 90).sin(), None)),
        ((0.0, 0.5, 0.0), lambda x, y, d: (x / (1 + 0.5 * d[1]), y / (1 + 0.5 * d[2]))),
        ((0.0, 0.0, 0.5), lambda x, y, d: (x + 0.5 * d[3] * y, y)),
    ],
    ids=["turned", "scaled", "sheared"],
)
def test_affine_takes_a_pixel_from_where_its_map_says(parameters, place):
    across = torch.linspace(-27 / 28, 27 / 28, 28)  # the middles of pixels, from -1 to 1
    slope = torch.stack([across.expand(28, 28), across[:, None].expand(28, 28)])[:, None] / 4
    pair = Dataset(slope, torch.zeros(2, dtype=torch.long))  # one rises to the right, one downwards
    moved = augment.affine(pair, generator(), *parameters).images
    drawn = 2 * torch.rand((4, 2), generator=generator()) - 1
    for row, column in ((14, 16), (12, 13), (17, 15)):
        for which in (0, 1):
            degrees = torch.deg2rad(drawn[:, which].clone())
            scaled = drawn[:, which].clone()
            scaled[0] = degrees[0]
            found = place(across[column], across[row], scaled)[which]
            if found is not None:
                assert moved[which, 0, row, column] * 4 == pytest.approx(float(found), abs=2e-3)


def test_erase_blanks_one_rectangle_in_a_share(images):
    blank = (augment.erase(images, generator(), share=0.5).images == augment.BACKGROUND)[:, 0]
    erased = blank[blank.any(dim=2).any(dim=1)]
    assert 75 < len(erased) < 125
    for mask in erased:
        rows, columns = mask.any(dim=1).sum(), mask.any(dim=0).sum()
        assert mask.sum() == rows * columns
        assert 9 <= mask.sum() <= 0.43 * 784 and 0.25 < rows / columns < 4  # to rounding
    assert erased.sum(dim=(1, 2)).float().mean() / 784 == pytest.approx(0.21, abs=0.03)
    assert erased.any(dim=0)[2:-2, 2:-2].all()
    first, last = erased[:, 0].any(dim=1).sum(), erased[:, -1].any(dim=1).sum()  # of the rows
    assert first > 5 and last > 5


def test_cutmix_mixes_labels_that_are_mixed_already(images):
    shares = torch.nn.functional.one_hot(images.labels, 10).float()
    once = augment.cutmix(images, generator(), share=0.5)
    again = augment.cutmix(Dataset(images.images, shares), generator(), share=0.5)
    assert torch.equal(once.labels, again.labels)


def test_translate_moves_each_image_its_own_way(images):
    moved = augment.translate(images, generator(), pixels=2).images
    seen = set()
    for image, source in zip(moved[:, 0], images.images[:, 0], strict=True):
        (down, right) = (int(each[0]) for each in (image == source[10, 10]).nonzero(as_tuple=True))
        seen.add((down - 10, right - 10))
        expected = torch.full((32, 32), -1.0)
        expected[2 + down - 10 : 30 + down - 10, 2 + right - 10 : 30 + right - 10] = source
        assert torch.equal(image, expected[2:30, 2:30])
    assert seen == {(down, right) for down in range(-2, 3) for right in range(-2, 3)}


def test_cutout_blanks_one_square(images):
    blank = (augment.cutout(images, generator(), size=8).images == augment.BACKGROUND)[:, 0]
    for mask in blank:
        rows, columns = mask.any(dim=1).sum(), mask.any(dim=0).sum()
        assert mask.sum() == rows * columns and 4 <= rows <= 8 and 4 <= columns <= 8
    assert (blank.sum(dim=(1, 2)) == 64).sum() > 50  # most squares do not reach over an edge
    assert blank.any(dim=0).all()  # every pixel's turn comes


def test_cutmix_mixes_labels_by_area(images):
    mixed = augment.cutmix(images, generator(), share=0.5)
    assert mixed.labels.shape == (200, 10)
    torch.testing.assert_close(mixed.labels.sum(dim=1), torch.ones(200))
    source = mixed.images.floor().long().squeeze(1)  # which image a pixel comes from
    own = (source == torch.arange(200)[:, None, None]).float().mean(dim=(1, 2))
    for index in range(200):
        others = source[index].unique().tolist()
        assert len(others) <= 2
        for other in others:
            share = (source[index] == other).float().mean() if other != index else own[index]
            if images.labels[other] != images.labels[index]:
                torch.testing.assert_close(mixed.labels[index, images.labels[other]], share)
    assert 70 < (own < 1).sum() < 120  # half of them, less those whose rectangle is empty
    assert 0.26 < (1 - own[own < 1]).mean() < 0.4  # a half, less what reaches over an edge


def test_a_parameter_is_what_the_recipe_says(images):
    far = augment.compose([("translate", 5)])(images, generator()).images
    assert (far == augment.BACKGROUND)[:, 0, 4, :].all(dim=1).any()  # the fifth row came in from above
    wide = augment.compose([("cutout", 12)])(images, generator()).images
    assert (wide == augment.BACKGROUND).sum(dim=(1, 2, 3)).max() == 144
    assert augment.compose([("cutmix", 0.0)])(images, generator()).images.equal(images.images)


def test_augmentations_are_composed_in_order(images):
    both = augment.compose(("flip", ("cutout", 8)))(images, generator())
    shared = generator()
    expected = augment.cutout(augment.flip(images, shared), shared, 8)
    assert torch.equal(both.images, expected.images)
    assert augment.compose(()) is None


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("flop", r"no augmentation 'flop': fashion/augment.py has flip,"),
        ("cutout", r"the augmentation 'cutout' takes \(size\), not \(\)"),
        (("flip", 0.5), r"the augmentation 'flip' takes \(\), not \(0.5,\)"),
    ],
)
def test_what_there_is_not_is_named_when_a_run_begins(choice, message):
    with pytest.raises(FashionError, match=message):
        augment.compose((choice,))


def test_a_loader_tells_the_epoch(images):
    loader = Loader(images, 200, seed=0, augment=augment.compose(("alternate",)))
    order = torch.Generator().manual_seed(0)
    for epoch in (1, 2):
        expected = images.images.clone()
        expected[epoch % 2 :: 2] = expected[epoch % 2 :: 2].flip(3)
        ((found, _),) = loader
        assert loader.epoch == epoch
        assert torch.equal(found, expected[torch.randperm(200, generator=order)])


def test_a_loader_augments_anew_in_each_epoch(images):
    loader = Loader(images, 64, seed=0, augment=augment.compose(("flip",)))
    first, second = (torch.cat([batch for batch, _ in loader]) for _ in range(2))
    order = first[:, 0, 0, 13].floor().long()
    assert sorted(order.tolist()) == list(range(200))
    assert not torch.equal(first[order.argsort()], second[second[:, 0, 0, 13].floor().long().argsort()])
    plain = torch.cat([batch for batch, _ in Loader(images, 64, seed=0)])
    assert torch.equal(plain[:, 0, 0, 13].floor().long(), order)  # the order of the images is the same with and without
