import torch
from PIL import Image

from fashion import CLASSES, Dataset
from fashion.study import gallery


def test_samples_are_the_first_of_each_class(small):
    axes = gallery.samples(small[1], each=3).axes
    assert [each.get_ylabel() for each in axes[::3]] == list(CLASSES)
    boots = small[1].images[small[1].labels == 9][:3, 0].numpy()
    assert all((each.images[0].get_array() == boot).all() for each, boot in zip(axes[27:], boots, strict=True))


def test_predictions_name_both_classes(small):
    images = Dataset(*(tensor[:2] for tensor in small[1]))  # an ankle boot and a pullover
    right, wrong, *others = gallery.predictions(images, torch.tensor([9, 0])).axes
    assert right.get_title() == "predicted Ankle boot\nactual Ankle boot"
    assert wrong.get_title() == "predicted T-shirt/top\nactual Pullover"
    assert right.title.get_color() != wrong.title.get_color()
    assert len(others) == 3 and not any(axes.images for axes in others)  # five a row


def test_mixed_images_are_shown_with_the_shares_of_their_labels(small):
    images = small[0].images[:2]
    shares = torch.zeros(2, 10)
    shares[0, 4], shares[0, 8], shares[1, 0] = 0.75, 0.25, 1
    rows = {"plain": Dataset(images, torch.tensor([9, 0])), "mixed": Dataset(images, shares)}
    axes = gallery.augmented(rows).axes
    assert [each.get_title() for each in axes] == ["Ankle boot", "T-shirt/top", "Coat 75%\nBag 25%", "T-shirt/top"]
    assert [each.get_ylabel() for each in axes] == ["plain", "", "mixed", ""]


def test_pictures_are_shown_above_what_is_made_of_them():
    picture, grey = Image.new("RGB", (60, 80), "white"), Image.new("L", (28, 28), 7)
    axes = gallery.prepared([picture, picture], [grey, grey]).axes
    assert [each.images[0].get_array().shape for each in axes] == [(80, 60, 3)] * 2 + [(28, 28)] * 2
    assert axes[2].images[0].get_array().max() == 7 and axes[2].images[0].get_clim() == (0, 255)


def test_feature_maps_share_one_scale_and_name_their_seeds():
    rows = {"first": torch.zeros(3, 26, 26), "second": torch.full((3, 24, 24), 2.0)}
    axes = gallery.feature_maps(rows).axes
    assert [each.get_title() for each in axes] == ["seed 0", "seed 1", "seed 2", "", "", ""]
    assert [each.get_ylabel() for each in axes[::3]] == ["first", "second"]
    assert {each.images[0].get_clim() for each in axes} == {(0, 1)}
    assert axes[5].images[0].get_array().shape == (24, 24)
