import sys

import pytest
import torch
from torch import nn

from fashion import FashionError
from fashion.inference.attribution import occlusion, smoothgrad
from fashion.inference.classifier import load_classifier


def of_the_corner(images):
    """Probabilities of a network that looks at one pixel, in the corner: class 3 where it is white, else class 0."""
    shares = torch.zeros(len(images), 10)
    shares[:, 3] = (images[:, 0, 0, 0] + 1) / 2
    shares[:, 0] = 1 - shares[:, 3]
    return shares


WHITE = torch.ones(1, 28, 28)


def test_a_network_that_looks_at_a_corner_is_blind_to_all_else():
    drops = occlusion(of_the_corner, WHITE[None], torch.tensor([3]), edge=1)
    assert drops.shape == (1, 28, 28) and drops[0, 0, 0] == 0.5  # from white to mid-grey
    drops[0, 0, 0] = 0
    assert torch.equal(drops, torch.zeros(1, 28, 28))


def test_a_pixel_has_the_mean_over_the_squares_that_cover_it():
    drops = occlusion(of_the_corner, WHITE[None], torch.tensor([3]), edge=5)[0]
    reach = torch.arange(1, 6)
    assert torch.allclose(drops[:5, :5], 0.5 / (reach[:, None] * reach))  # one of so many squares covers the corner
    drops[:5, :5] = 0
    assert torch.equal(drops, torch.zeros(28, 28))


def test_what_becomes_likelier_where_it_is_covered_has_a_negative_drop():
    assert occlusion(of_the_corner, WHITE[None], torch.tensor([0]), edge=1)[0, 0, 0] == -0.5


def test_grey_is_half_way_between_black_and_white():
    seen = []

    def look(images):
        seen.append(images)
        return of_the_corner(images)

    occlusion(look, -WHITE[None], torch.tensor([0]), edge=28)
    assert any(torch.equal(each, torch.zeros(1, 1, 28, 28)) for each in seen)  # 127.5 of 255


def test_a_batch_is_each_of_its_images_with_its_class(full):
    classifier, images, classes = load_classifier(), full[1].images[:3], torch.tensor([9, 2, 0])
    together = occlusion(classifier, images, classes)
    alone = [occlusion(classifier, image[None], label[None]) for image, label in zip(images, classes, strict=True)]
    assert together.shape == (3, 28, 28)
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)


class OfTheCorner(nn.Module):
    """A network whose score of class 3 is twice the pixel in the corner, and of class 0 its negative."""

    def forward(self, images):
        corner = images[:, 0, 0, 0]
        return torch.stack([-corner, *[0 * corner] * 2, 2 * corner, *[0 * corner] * 6], dim=1)


def test_the_gradient_of_a_network_that_looks_at_a_corner_is_there_alone():
    gradients = smoothgrad(OfTheCorner(), torch.cat([WHITE[None], -WHITE[None]]), torch.tensor([3, 0]))
    assert gradients.shape == (2, 28, 28) and gradients[:, 0, 0].tolist() == [2, -1]
    gradients[:, 0, 0] = 0
    assert not gradients.any()


class OfTheSquare(nn.Module):
    """A network whose score is half the square of the pixel in the corner: its gradient is that pixel."""

    def forward(self, images):
        return images[:, 0, 0, :1].square().expand(-1, 10) / 2


def test_the_gradient_is_the_mean_over_noisy_copies():
    torch.manual_seed(0)
    drawn = torch.stack([smoothgrad(OfTheSquare(), WHITE[None], torch.tensor([0]), 50)[0, 0, 0] for _ in range(40)])
    assert abs(float(drawn.mean()) - 1) < 0.03
    assert float(drawn.std()) == pytest.approx(0.3 / 50**0.5, rel=0.4)


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "captum", None)
    with pytest.raises(FashionError, match=r'captum is not installed: pip install -e "\.\[demo\]"'):
        occlusion(of_the_corner, WHITE[None], torch.tensor([3]))
