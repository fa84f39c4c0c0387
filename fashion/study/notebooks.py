"""The notebooks as their own README lists them: what each asks, what it finds, a picture, how long it runs."""

import json

from fashion.settings import MODEL_LOGS, ROOT
from fashion.study.findings import headlines
from fashion.study.insights import load_looks
from fashion.study.loading import Study
from fashion.study.tables import markdown
from fashion.study.writing import duration

NOTEBOOKS = ROOT / "notebooks"

# By notebook, in reading order: its question, and the figure of model_logs/ that shows its answer.
QUESTIONS = {
    "00_results": ("What did the study find, and do its numbers hold?", "figures/results.png"),
    "01_v1": ("Why does the smallest network stay at chance level?", "model_v1_fixed_logs/model_v1_fixed_accuracy.png"),
    "02_v1_5_5": ("Does the published 72.8% hold for other seeds?", "model_v1_5_5_logs/model_v1_5_5_accuracy.png"),
    "03_v1_5_5_BN": (
        "What does batch normalisation add of its own?",
        "model_v1_5_5_BN_logs/model_v1_5_5_BN_accuracy.png",
    ),
    "04_learning_rate": (
        "Do higher learning rates pay, and do they need batch normalisation?",
        "figures/learning_rates.png",
    ),
    "05_resnet18": ("Does ImageNet help at 28 x 28 pixels?", "resnet18_test_logs/resnet18_test_accuracy.png"),
    "06_fast_model": ("How soon does a network know clothes?", "figures/times.png"),
    "07_final_model": ("How far does one network get?", "model_final_logs/model_final_accuracy.png"),
    "08_inside": ("What do the networks look at, and what do they bear?", "figures/robustness.png"),
}


def notebooks(study: Study) -> str:
    """Tabulate the notebooks in Markdown, with durations as `notebooks/durations.py` measured them last."""
    measured = json.loads((NOTEBOOKS / "durations.json").read_text(encoding="utf-8"))
    answers = headlines(study, load_looks())
    logs = f"../{MODEL_LOGS.name}"
    rows = [
        {
            "notebook": f"[{name}]({name}.ipynb)",
            "question": question,
            "answer": f"{answers[name]}.",
            "": f'<img src="{logs}/{picture}" width="300" alt="{name}, a figure">',
            "runs": duration(measured["seconds"][name]) if name in measured["seconds"] else "not measured",
        }
        for name, (question, picture) in QUESTIONS.items()
    ]
    return f"{markdown(rows)}\n\nThey ran on {measured['hardware']}."
