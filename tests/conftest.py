"""What the tests share."""

import os

import pytest
import torch

from fashion import Dataset, load_data


@pytest.fixture(autouse=True)
def no_rehearsal(monkeypatch):
    """Tests see the package as a user does; those that rehearse say so."""
    monkeypatch.delenv("FASHION_QUICK", raising=False)
    monkeypatch.delenv("FASHION_DATA", raising=False)


@pytest.fixture(autouse=True)
def no_wait_for_the_disk(monkeypatch):
    """To flush takes a while, and most tests do without; those of tests/faults flush in earnest."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(scope="session")
def full():
    """All images."""
    return load_data()


@pytest.fixture(scope="session")
def small(full):
    """The first 200 training and 100 test images."""
    train, test = full
    return Dataset(train.images[:200], train.labels[:200]), Dataset(test.images[:100], test.labels[:100])


@pytest.fixture
def noise():
    """150 images of noise, more than two minibatches of 64, with labels at random."""
    generator = torch.Generator().manual_seed(0)
    return Dataset(
        torch.rand(150, 1, 28, 28, generator=generator) * 2 - 1, torch.randint(10, (150,), generator=generator)
    )


@pytest.fixture
def traced(monkeypatch):
    """The sizes of the minibatches that compiled networks were given; what they compute is traced, but not compiled."""
    sizes = []
    trace = torch.compile

    def compile_model(model, dynamic, options):
        fast = trace(model, backend="eager", fullgraph=True, dynamic=dynamic)
        return lambda images: (sizes.append(len(images)), fast(images))[1]

    monkeypatch.setattr(torch, "compile", compile_model)
    monkeypatch.setattr("torch._inductor.cpp_builder.get_cpp_compiler", lambda: "g++")  # which tracing does not need
    return sizes
