from made_up import H200, XEON, a_study, ending_at, runs_of

from fashion.settings import ROOT
from fashion.study import load_study
from fashion.study.findings import findings, headlines
from fashion.study.insights import load_looks


def a_study_of_all_headlines():
    return a_study(
        {
            "v1": ending_at(9.9, 10.0, 10.1),
            "v1_fixed": ending_at(83.0, 84.0),
            "v1_5_5": runs_of(*([10.0] * 10 + [level] * 15 for level in (18.4, 50.0, 74.4))),
            "v1_5_5_logits": runs_of(*([10.0] * 24 + [level] for level in (86.0, 87.0))),
            "v1_5_5_lrx2": ending_at(91.4, 91.4, 91.4),
            "v1_5_5_BN": runs_of([80.0] * 9 + [89.0] + [95.0] * 30),
            "v1_5_5_lrx8": runs_of([90.0] * 9 + [92.4]),
            "v1_5_5_noBN_lrx8": runs_of([50.0] * 9 + [77.5]),
            "resnet18": ending_at(90.0, 91.0, 92.0),
            "resnet18_scratch": ending_at(89.0, 89.5, 89.5),
            "fast": ending_at(94.1, 94.3, hardware=XEON, train_seconds=130.0),
            "fast_95_muon": ending_at(95.04, train_seconds=1080.0),
            "fast_94_gpu": ending_at(94.4, hardware=H200, train_seconds=2.14),
            "fast_95_gpu": ending_at(95.1, 95.1, hardware=H200, train_seconds=8.61)
            + ending_at(90.0, hardware=XEON, train_seconds=4000.0),  # no part of what the other machine reaches
            "final": ending_at(96.5),
        },
    )


def test_the_findings_are_computed():
    text = findings(a_study_of_all_headlines(), load_looks())
    for line, expected in zip(
        text.splitlines(),
        (
            (
                "2 of 7 published accuracies lie within 1.10 points of our means**",
                "between 18 and 74%",
            ),  # v1 and resnet18
            ("86.5%, not 47.6%",),
            ("ten reach 92.4%, not 89.0%, with batch normalisation, and 77.5%, not 10.0%, without",),
            ("worth 1.5 points** at 28 x 28 in the median of 3 seeds, 1.67 ± 1.90 on average",),
            (
                "94.2% takes 2 min of training** on two Xeon AMX cores (`fast`)",
                "95.0% 18 min on two a machine cores (`fast_95_muon`)",
                "an H200 takes 2.1 s to 94.4% and 8.6 s to 95.1%",
            ),
            ("96.5%** (n = 1)", "above the best published mean of several runs, 96.41%"),
            ("08_inside",),
        ),
        strict=True,
    ):
        assert line.startswith("- **") and all(each in line for each in expected), line


def test_every_notebook_has_a_headline_of_which_the_findings_are_some():
    found = headlines(a_study_of_all_headlines(), load_looks())
    assert found["01_v1"].endswith("`v1_fixed` ends at 83.5%, not 10.0%")
    assert found["03_v1_5_5_BN"].endswith(
        "the network is at 47.6%, without its softmax at 86.5%, with batch normalisation at 95.0%"
    )
    text = findings(a_study_of_all_headlines(), load_looks())
    assert [name for name, line in found.items() if line not in text] == ["01_v1", "03_v1_5_5_BN"]


def test_every_finding_leads_to_its_notebook():
    for line in findings(load_study(), load_looks()).splitlines():
        assert (ROOT / line.rpartition("](")[2].removesuffix(")")).exists()
