"""bench.model: what comes out of a backbone, and weights that do not fit."""

import pickle

import pytest
import timm
import torch
from safetensors.torch import save_file

from bench.identity import Model
from bench.model import build_embedder, read_state_dict
from registry.errors import WorkError


def embedder(backbone, poolings, weights="scratch", resolution=64):
    return build_embedder(Model(backbone, weights, resolution, 0, None), poolings).eval()


def pixels(n=2, size=64):
    return torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8)


def normalised(model, images):
    return (images.float() / 255 - model.mean) / model.std


@torch.inference_mode()
def test_distilled_deit_gives_cls_not_timms_average():
    model = embedder("deit_ti_distilled", ["cls", "cls+dist"])
    images = pixels()
    vectors = model(images)
    tokens = model.backbone.forward_features(normalised(model, images))
    torch.testing.assert_close(vectors["cls"], tokens[:, 0])
    torch.testing.assert_close(vectors["cls+dist"], model.backbone(normalised(model, images)))
    assert not torch.allclose(vectors["cls"], vectors["cls+dist"])


@torch.inference_mode()
@pytest.mark.parametrize("backbone", ["resnet18", "convnext_t", "swin_t"])
def test_average_pooling_is_timms(backbone):
    """timm's own pooled output, for feature maps in both layouts (before ConvNeXt's head norm)."""
    model = embedder(backbone, ["avg"])
    images = pixels()
    vectors = model(images)["avg"]
    if backbone == "convnext_t":
        vectors = model.backbone.head.norm(vectors[:, :, None, None]).flatten(1)
    expected = model.backbone(normalised(model, images))
    torch.testing.assert_close(vectors, expected, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize("backbone", ["tiny_vit", "tiny_conv", "swin_t", "deit_ti_distilled"])
def test_the_grid_has_each_position_where_it_is_in_the_image(backbone):
    """The lower left of the image is changed: the position that moves most lies in it."""
    square = backbone == "swin_t"  # its windows want one size
    height, width = (128, 128) if square else (96, 128)
    shape = {"resolution": 128} if square else {}
    network = embedder(backbone, ["rmac"], **shape)
    if not square:
        model = Model(backbone, "scratch", 64, 0, None)
        network = build_embedder(model, ["rmac"], any_shape=True).eval()
    before = torch.zeros(1, 3, height, width)
    after = before.clone()
    after[:, :, height // 2 :, : width // 4] = 1
    grids = [network.tokens(images).grid for images in (before, after)]
    rows, columns = height // network.row.stride, width // network.row.stride
    assert grids[0].shape == (1, rows, columns, network.row.width)
    moved = (grids[1] - grids[0]).norm(dim=3)[0]
    row, column = divmod(int(moved.argmax()), columns)
    assert row >= rows // 2
    assert column <= columns // 4


def test_scratch_is_the_seeds():
    one, same = (embedder("tiny_vit", ["cls"]) for _ in range(2))
    other = build_embedder(Model("tiny_vit", "scratch", 64, 1, None), ["cls"]).eval()
    images = pixels()
    with torch.inference_mode():
        assert torch.equal(one(images)["cls"], same(images)["cls"])
        assert not torch.equal(one(images)["cls"], other(images)["cls"])


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_from_a_file_are_those_weights(tmp_path, suffix):
    network = timm.create_model("test_resnet", num_classes=10)
    file = tmp_path / f"test_resnet{suffix}"
    state = network.state_dict()
    if suffix == ".pth":
        torch.save({"model": {f"module.{name}": value for name, value in state.items()}}, file)
    else:
        save_file(state, file)
    images = pixels()
    for weights in (f"file:{file}", f"dir:{tmp_path}"):
        model = embedder("tiny_conv", ["avg"], weights)
        with torch.inference_mode():
            expected = network.eval().forward_features(normalised(model, images)).mean((2, 3))
            torch.testing.assert_close(model(images)["avg"], expected, rtol=1e-4, atol=1e-5)


def test_position_embeddings_are_resampled_to_the_resolution(tmp_path):
    network = timm.create_model("test_vit", num_classes=10)
    torch.save(network.state_dict(), tmp_path / "test_vit.pth")
    model = embedder("tiny_vit", ["cls"], f"file:{tmp_path / 'test_vit.pth'}", resolution=96)
    assert model.backbone.pos_embed.shape[1] == 36 + 1


def test_weights_of_another_model_say_which_keys(tmp_path):
    torch.save(timm.create_model("test_resnet").state_dict(), tmp_path / "w.pth")
    with pytest.raises(WorkError, match=r"not those of tiny_vit .*missing: .*unexpected: "):
        embedder("tiny_vit", ["cls"], f"file:{tmp_path / 'w.pth'}")


def test_weights_of_another_width_say_which_shapes(tmp_path):
    state = timm.create_model("test_vit", num_classes=0).state_dict()
    state["norm.weight"] = torch.ones(3)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(WorkError, match=r"other shapes: norm.weight is \(3,\), not \(64,\)"):
        embedder("tiny_vit", ["cls"], f"file:{tmp_path / 'w.pth'}")


class Hostile:
    def __reduce__(self):
        return print, ("never",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps(Hostile()), "cannot read weights"),
        (b"", "cannot read weights"),
        (b"garbage", "cannot read weights"),
    ],
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_hostile_and_damaged_files_are_refused(tmp_path, suffix, content, message, capsys):
    file = tmp_path / f"w{suffix}"
    file.write_bytes(content)
    with pytest.raises(WorkError, match=message):
        read_state_dict(file)
    assert capsys.readouterr().out == ""


def test_a_file_without_a_state_dict_is_refused(tmp_path):
    torch.save([1, 2], tmp_path / "w.pth")
    with pytest.raises(WorkError, match="holds no state dict"):
        read_state_dict(tmp_path / "w.pth")


def test_unreachable_pretrained_weights_name_the_fix(monkeypatch):
    def offline(*args, **kwargs):
        if kwargs.get("pretrained"):
            raise OSError("no network\nand more")
        return timm.create_model(*args, **kwargs)

    monkeypatch.setattr("bench.model.timm.create_model", offline)
    with pytest.raises(
        WorkError, match=r"no network\).*weights=file:PATH or weights=dir:"
    ) as caught:
        embedder("deit_s", ["cls"], "pretrained")
    assert "and more" not in str(caught.value)


@torch.inference_mode()
def test_a_distilled_file_with_both_its_classifiers_fits(tmp_path):
    network = timm.create_model("deit_tiny_distilled_patch16_224", img_size=64)
    torch.save(network.state_dict(), tmp_path / "w.pth")
    model = embedder("deit_ti_distilled", ["cls"], f"file:{tmp_path / 'w.pth'}")
    images = pixels()
    tokens = network.eval().forward_features(normalised(model, images))
    torch.testing.assert_close(model(images)["cls"], tokens[:, 0], rtol=1e-4, atol=1e-5)
