import pytest
import torch

from fashion.study.perturbations import LEVELS, PERTURBATIONS, perturbed


@pytest.fixture
def spots():
    """Four black images with a white pixel in the middle."""
    images = torch.full((4, 1, 28, 28), -1.0)
    images[:, 0, 14, 14] = 1
    return images


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_nothing_done_changes_nothing(small, name):
    images = small[1].images
    assert PERTURBATIONS[name][1][0] == 0
    torch.testing.assert_close(perturbed(images, name, 0), images, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("name", "level"), LEVELS)
def test_images_stay_images(small, name, level):
    images = small[1].images
    after = perturbed(images, name, level)
    assert after.shape == images.shape and after.min() >= -1 - 1e-6 and after.max() <= 1 + 1e-6
    assert torch.equal(perturbed(images, name, level), after)
    assert level == 0 or not torch.allclose(after, images)


def test_each_fourth_image_is_moved_in_a_direction_of_its_own(spots):
    places = [tuple(each) for each in (perturbed(spots, "shift", 3) == 1).nonzero()[:, 2:].tolist()]
    assert places == [(14, 17), (14, 11), (17, 14), (11, 14)]
    assert (perturbed(spots, "shift", 3) > -1).sum() == 4  # what comes in is black


def test_every_other_image_turns_the_other_way():
    bars = torch.full((2, 1, 28, 28), -1.0)
    bars[:, 0, 13:15, 2:26] = 1
    rising, falling = perturbed(bars, "rotation", 45)[:, 0]
    assert torch.allclose(rising.flip(1), falling, atol=1e-4)
    assert rising[4:8, 20:24].max() > 0.5 and rising[20:24, 20:24].max() == -1


def test_noise_blur_contrast_and_inversion_are_as_large_as_they_say(spots):
    grey = torch.zeros(20, 1, 28, 28)
    assert float(perturbed(grey, "noise", 0.1).std()) == pytest.approx(0.2, rel=0.05)  # the range is 2
    blurred = perturbed(spots[:1], "blur", 1)[0, 0] + 1
    across = blurred.sum(dim=0) / blurred.sum()
    places = torch.arange(28.0)
    assert float((across * (places - 14).square()).sum()) == pytest.approx(1, rel=0.05)  # its variance
    assert perturbed(spots, "contrast", 0.75).max() == -0.5
    assert torch.equal(perturbed(spots, "inversion", 1), -spots) and not perturbed(grey, "inversion", 0.4).any()
