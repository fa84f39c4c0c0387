"""The loop of PyTorch's quickstart and of the published study, in float32."""

import torch
from contenders.common import BATCH_SIZE, LR, Prepared, first, momentum, network, torchvision_dataset
from torch import nn
from torch.utils.data import DataLoader


def prepare(name: str, device: str) -> Prepared:
    dataset = torchvision_dataset()
    model = network(name).to(device)
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=momentum(name))

    def train(steps: int) -> None:
        model.train()
        running_loss, correct = 0.0, 0
        for images, labels in DataLoader(first(dataset, steps), batch_size=BATCH_SIZE, shuffle=True):
            images, labels = images.to(device), labels.to(device)
            outputs = model(images)
            loss = loss_fn(outputs, labels)

            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

            running_loss += loss.item()
            correct += (outputs.argmax(1) == labels).sum().item()

    return Prepared(train, {"torch": torch.__version__})
