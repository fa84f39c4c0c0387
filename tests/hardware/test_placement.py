import copy
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch._inductor.exc import InvalidCxxCompiler
from torch.nn import functional

from fashion import (
    EXPERIMENTS,
    FashionError,
    Loader,
    build,
    choose_device,
    devices,
    evaluate,
    fit,
    resnet18,
    run,
    runs,
)
from fashion.devices import (
    choose_precision,
    keep_gradients_channels_last,
    place,
    shorten_convolutions,
    stack_single_channels,
    unfold_single_channels,
)

CPU = torch.device("cpu")


def test_devices_are_checked():
    assert choose_device("cpu") == torch.device("cpu")
    expected = torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"
    assert choose_device().type == expected
    for name in ("tpu", "cuda:99", "gpu", ""):
        with pytest.raises(FashionError, match=r"there is no device .* here, only cpu"):
            choose_device(name)


@pytest.mark.parametrize(
    ("name", "model", "has", "expected"),
    [
        ("auto", "NeuralNetwork_v1_5_5", "amx_tile", "bf16"),
        ("auto", "NeuralNetwork_v1_5_5", "avx512_bf16", "bf16"),
        ("auto", "NeuralNetwork_v1_5_5", "neither", "fp32"),
        ("auto", "resnet18", "amx_tile", "bf16"),
        ("auto", "NeuralNetwork_v1", "amx_tile", "fp32"),
        ("bf16", "resnet18", "neither", "bf16"),
        ("fp32", "NeuralNetwork_v1_5_5", "amx_tile", "fp32"),
    ],
)
def test_auto_is_what_is_faster_here(monkeypatch, name, model, has, expected):
    for unit in ("amx_tile", "avx512_bf16"):
        monkeypatch.setattr(torch.cpu, f"_is_{unit}_supported", lambda unit=unit: unit == has)
    assert choose_precision(name, model, CPU) == expected


def test_an_unknown_precision_is_named():
    with pytest.raises(FashionError, match="no precision 'fp16', only auto, fp32, bf16"):
        choose_precision("fp16", "resnet18", CPU)


def test_bfloat16_is_for_products_only(noise):
    torch.manual_seed(0)
    network = build("NeuralNetwork_v1")
    dtypes = {}

    for kind in (nn.Conv2d, nn.Linear, nn.Softmax):
        for layer in network.modules():
            if isinstance(layer, kind):
                layer.register_forward_hook(lambda _, __, output, kind=kind: dtypes.update({kind: output.dtype}))
    model = place(network, "NeuralNetwork_v1", CPU, "bf16")
    outputs = model(noise.images[:64])
    functional.cross_entropy(outputs, noise.labels[:64]).backward()
    assert dtypes[nn.Conv2d] == dtypes[nn.Linear] == torch.bfloat16
    assert dtypes[nn.Softmax] == outputs.dtype == torch.float32
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert {parameter.grad.dtype for parameter in model.parameters()} == {torch.float32}
    assert outputs.sum(dim=1).sub(1).abs().max() < 1e-5  # in bfloat16 a softmax is off by up to 0.4%


def test_bfloat16_is_near_float32(noise):
    torch.manual_seed(0)
    network = build("NeuralNetwork_v1", ("logits", "identity"))
    exact = copy.deepcopy(network)(noise.images)
    rounded = place(network, "NeuralNetwork_v1", CPU, "bf16")(noise.images)
    assert not torch.equal(exact, rounded)
    assert torch.allclose(exact, rounded, atol=0.02)


def test_layout_changes_no_value(noise):
    torch.manual_seed(0)
    network = build("NeuralNetwork_v1_5_5_BN").eval()
    images = noise.images[:8]
    original = copy.deepcopy(network)
    layouts = []
    network.features[-2].register_full_backward_pre_hook(lambda _, gradients: layouts.append(gradients[0].stride(1)))
    placed = keep_gradients_channels_last(place(network, "NeuralNetwork_v1_5_5_BN", CPU, "fp32"))
    assert placed is network
    assert network.features[1].weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(original(images), network(images), atol=1e-6)
    for each in (original, network):
        functional.cross_entropy(each(images), noise.labels[:8]).backward()
    assert layouts == [1]  # channels last in the gradient, too
    for (name, one), other in zip(original.named_parameters(), network.parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad, rtol=1e-3, atol=1e-6), name


def test_a_short_convolution_is_the_whole_one(noise):
    torch.manual_seed(0)
    whole = resnet18(pretrained=False)
    short = shorten_convolutions(copy.deepcopy(whole))
    used = []
    for layer in short.modules():
        if hasattr(layer, "kernel_size") and layer.kernel_size == (3, 3):
            layer.register_forward_hook(lambda layer, _, output: used.append(output.shape[-1]))
    for network in (whole, short):
        functional.cross_entropy(network(noise.images[:32]), noise.labels[:32]).backward()
    assert used.count(1) == 4
    for (name, one), other in zip(whole.named_parameters(), short.parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad, rtol=1e-3, atol=1e-5), name
    last = short.layer4[1].conv2.weight.grad
    assert last[:, :, 1, 1].abs().min() > 0
    assert last.count_nonzero() == last[:, :, 1, 1].numel()


def test_stacked_images_are_convolved_one_by_one(noise):
    torch.manual_seed(0)
    plain = build("NeuralNetwork_v1")
    stacked = place(copy.deepcopy(plain), "NeuralNetwork_v1", CPU, "fp32")
    sizes = []
    for layer in (stacked.features[0], stacked.features[2]):
        assert type(layer) is not nn.Conv2d
        layer.register_forward_hook(lambda layer, _, output: sizes.append(output.shape))
    for network in (plain, stacked):
        functional.cross_entropy(network(noise.images), noise.labels).backward()
    assert sizes == [(150, 1, 26, 26), (150, 1, 24, 24)]
    assert torch.allclose(plain(noise.images), stacked(noise.images), atol=1e-6)
    for (name, one), other in zip(plain.named_parameters(), stacked.parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad, rtol=1e-3, atol=1e-7), name


def test_unfolded_images_are_convolved_as_they_are(noise):
    torch.manual_seed(0)
    whole = nn.ModuleList([nn.Conv2d(1, 32, 3, padding=1), nn.Conv2d(1, 64, 7, 2, 3, bias=False)])
    others = [nn.Conv2d(2, 4, 3), nn.Conv2d(1, 4, 3, dilation=2), nn.Conv2d(1, 4, 3, padding=1, padding_mode="reflect")]
    assert {type(layer) for layer in unfold_single_channels(nn.Sequential(*others))} == {nn.Conv2d}
    unfolded = unfold_single_channels(copy.deepcopy(whole))
    assert nn.Conv2d not in {type(layer) for layer in unfolded}
    for one, other in zip(whole, unfolded, strict=True):
        assert torch.allclose(one(noise.images), other(noise.images), atol=1e-5)
        for layer in (one, other):
            layer(noise.images).square().mean().backward()
        assert torch.allclose(one.weight.grad, other.weight.grad, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("model", "precision", "last", "short", "flatten"),
    [
        ("NeuralNetwork_v1_5_5_BN", "fp32", True, False, False),
        ("NeuralNetwork_v1_5_5_BN", "bf16", True, False, True),
        ("FastNetwork_32", "bf16", True, False, True),
        ("resnet18_scratch", "fp32", False, True, False),
        ("resnet18_scratch", "bf16", False, True, False),
    ],
)
def test_a_network_is_placed_as_the_measurements_say(monkeypatch, model, precision, last, short, flatten):
    kept = []
    monkeypatch.setattr(devices, "keep_freed_memory", lambda: kept.append(True))
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    layers = list(devices.bare(place(build(model), model, CPU, precision)).modules())
    weights = [layer.weight for layer in layers if isinstance(layer, nn.Conv2d) and layer.in_channels > 1]
    assert {each.is_contiguous(memory_format=torch.channels_last) for each in weights if each.shape[2] > 1} == {last}
    assert any(type(layer) is devices._ShortConv2d for layer in layers) == short
    assert any(layer._backward_hooks for layer in layers if isinstance(layer, nn.Flatten)) == flatten
    assert kept == [True] and torch.backends.cudnn.deterministic


def test_a_network_for_a_cuda_device_is_unfolded_and_has_channels_last(monkeypatch):
    moved = []
    monkeypatch.setattr(nn.Module, "to", lambda self, *where, **how: moved.append((*where, how)) or self)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    cuda = torch.device("cuda")
    layers = list(place(build("NeuralNetwork_v1"), "NeuralNetwork_v1", cuda, "fp32").features)
    assert {type(layer) for layer in layers if isinstance(layer, nn.Conv2d)} == {devices._UnfoldedConv2d}
    assert moved == [(cuda, {"memory_format": torch.channels_last})] and torch.backends.cudnn.deterministic


def test_convolutions_of_several_channels_stay_as_they_are():
    network = stack_single_channels(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3, groups=2), nn.Conv2d(2, 1, 3)))
    assert {type(layer) for layer in network} == {nn.Conv2d}


def test_a_recorded_precision_must_match_what_is_asked_for(tmp_path, small):
    v1 = EXPERIMENTS["v1"]
    first = run(v1, 0, logs=tmp_path, data=small, precision="bf16")
    assert first.info["precision"] == "bf16"
    assert run(v1, 0, logs=tmp_path, data=small).info == first.info  # auto takes what is recorded
    with pytest.raises(FashionError, match="precision bf16, not fp32"):
        run(v1, 0, logs=tmp_path, data=small, precision="fp32")


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


def test_a_compiled_network_computes_the_same_of_minibatches_that_are_not_short(traced, noise):
    torch.manual_seed(0)
    model = devices.InBfloat16(unfold_single_channels(build("NeuralNetwork_v1")))  # as on a CUDA device
    forward = devices.compiled(model, 32)
    assert torch.equal(forward(noise.images[:32]), model(noise.images[:32]))
    assert torch.equal(forward(noise.images[:20]), model(noise.images[:20]))
    assert traced == [32]


def test_to_compile_takes_a_compiler(monkeypatch):
    def get_cpp_compiler():
        raise InvalidCxxCompiler

    monkeypatch.setattr("torch._inductor.cpp_builder.get_cpp_compiler", get_cpp_compiler)
    with pytest.raises(FashionError, match=r"takes a C\+\+ compiler"):
        devices.compiled(nn.Linear(1, 1), 64)


def test_a_compiled_run_says_so(traced, tmp_path, small):
    v1 = EXPERIMENTS["v1"]
    plain = run(v1, 0, logs=tmp_path / "plain", data=small)
    assert "compiled" not in plain.info and not traced
    record = run(v1, 0, logs=tmp_path / "compiled", data=small, compile_model=True)
    assert set(traced) == {64} and len(traced) == 3 * v1.epochs  # of 200 images; eight are left each time
    assert record.info["compiled"] and [a.metrics for a in record.history] == [a.metrics for a in plain.history]
    assert list(runs.by_hardware([plain, record])) == [
        f"{plain.info['hardware']}, fp32",
        f"{plain.info['hardware']}, fp32, compiled",
    ]
    assert run(v1, 0, logs=tmp_path / "compiled", data=small).info["compiled"]  # loaded
    with pytest.raises(FashionError, match=r"holds another run \(compiled False, not True"):
        run(v1, 0, logs=tmp_path / "plain", data=small, compile_model=True)


def test_a_run_that_began_compiled_goes_on_so(traced, tmp_path, small):
    v1 = EXPERIMENTS["v1"]
    with pytest.raises(runs.Paused):
        run(v1, 0, logs=tmp_path, data=small, compile_model=True, until=0)
    assert len(traced) == 3
    assert run(v1, 0, logs=tmp_path, data=small).info["compiled"] and len(traced) == 3 * v1.epochs
    with pytest.raises(runs.Paused):
        run(v1, 1, logs=tmp_path, data=small, until=0)
    with pytest.raises(FashionError, match=r"is half of another run \(compiled False, not True"):
        run(v1, 1, logs=tmp_path, data=small, compile_model=True)


@pytest.fixture
def recorder(monkeypatch):
    """CUDA's stream and graph, played on the CPU: a recording is a function that is called again."""

    class Stream:
        def __init__(self, device):
            self.device = device

        def wait_stream(self, stream):
            pass

    class Recorded(devices.Replayed):
        def _on_side_stream(self, inputs):
            return self.function(*inputs)

        def _record(self, inputs):
            arguments, results = tuple(each.clone() for each in inputs), [torch.zeros(()), torch.zeros(())]

            def replay():
                graph.replays += 1
                for result, value in zip(results, self.function(*arguments), strict=True):
                    result.copy_(value)

            graph = SimpleNamespace(replay=replay, replays=0)
            return graph, arguments, results

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    return Recorded


def test_each_call_counts_whether_it_is_replayed_or_not(recorder):
    seen = []
    replayed = recorder(lambda a, b: (seen.append(float(a.sum())), (a.sum(), b.sum()))[1], CPU)
    batches = [torch.full((size,), float(i)) for i, size in enumerate([4, 4, 4, 2, 4, 4, 2, 4])]
    outcomes = [replayed(batch, -batch) for batch in batches]
    assert seen == [float(batch.sum()) for batch in batches]
    assert [(float(a), float(b)) for a, b in outcomes] == [(x, -x) for x in seen]  # kept, not overwritten
    assert {shapes[0]: graph.replays for shapes, (graph, _, _) in replayed.recordings.items()} == {(4,): 3}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_replayed_history_is_the_eager_one(full, monkeypatch, precision):
    cuda = torch.device("cuda")
    train, test = (type(each)(each.images[:1000].to(cuda), each.labels[:1000].to(cuda)) for each in full)

    def history():
        torch.manual_seed(0)
        model = place(build("NeuralNetwork_v1_5_5_BN"), "NeuralNetwork_v1_5_5_BN", cuda, precision)
        optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, fused=True)
        done = fit(model, Loader(train, seed=0), Loader(test), nn.CrossEntropyLoss(), optimiser, 5)
        return [epoch.metrics for epoch in done], evaluate(model, Loader(test), nn.CrossEntropyLoss())

    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    fast = history()
    assert history() == fast
    monkeypatch.setattr("fashion.training.replayed", lambda function, device: function)
    assert history() == fast
