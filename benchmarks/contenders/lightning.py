"""Lightning, as its introduction has it, with the loss and the accuracy logged; what else it would write is off."""

import logging
import warnings

import lightning
import torch
from contenders.common import BATCH_SIZE, LR, Prepared, first, momentum, network, torchvision_dataset
from torch.nn import functional
from torch.utils.data import DataLoader


class Classifier(lightning.LightningModule):
    def __init__(self, name: str):
        super().__init__()
        self.name = name
        self.model = network(name)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        outputs = self.model(images)
        loss = functional.cross_entropy(outputs, labels)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        self.log("train_accuracy", (outputs.argmax(dim=1) == labels).float().mean(), on_step=False, on_epoch=True)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=LR, momentum=momentum(self.name))


def prepare(model: str, device: str) -> Prepared:
    warnings.filterwarnings("ignore")  # such as: more workers would help, which on two cores they do not
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    dataset = torchvision_dataset()
    classifier = Classifier(model)

    def train(steps: int) -> None:
        trainer = lightning.Trainer(
            accelerator="cpu" if device == "cpu" else "gpu",
            devices=1,
            max_epochs=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(classifier, DataLoader(first(dataset, steps), batch_size=BATCH_SIZE, shuffle=True))

    return Prepared(train, {"torch": torch.__version__, "lightning": lightning.__version__})
