"""fastai: a `Learner` over `DataLoaders`; each call also validates on one minibatch, since `fit` needs something to."""

import fastai
import torch
from contenders.common import BATCH_SIZE, LR, Prepared, first, momentum, network, torchvision_dataset
from fastai.data.all import DataLoader, DataLoaders
from fastai.vision.all import SGD, Learner, accuracy
from torch import nn


def prepare(model: str, device: str) -> Prepared:
    dataset = torchvision_dataset()
    valid = DataLoader(first(dataset, 1), bs=BATCH_SIZE)
    learner = Learner(
        DataLoaders(valid, valid, device=device),
        network(model),
        loss_func=nn.CrossEntropyLoss(),
        opt_func=lambda parameters, lr: SGD(parameters, lr, mom=momentum(model)),
        lr=LR,
        metrics=accuracy,
    )

    def train(steps: int) -> None:
        loader = DataLoader(first(dataset, steps), bs=BATCH_SIZE, shuffle=True, num_workers=0)
        learner.dls = DataLoaders(loader, valid, device=device)
        with learner.no_bar(), learner.no_logging():
            learner.fit(1)

    return Prepared(train, {"torch": torch.__version__, "fastai": fastai.__version__})
