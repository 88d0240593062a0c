"""The sections of params.yaml, each a typed model with its defaults."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from advcodes.core.schema import Count, Fraction, Model, Natural, Positive, Real, Snapshots
from advcodes.methods.base import EarlyStoppingConfig

AFFECTS_RESULTS = False
Source = Literal["mnist", "svhn", "cifar10", "celeba", "flowers102", "folder", "digits", "shapes", "gaussians"]

FITS = ("crop", "pad", "squash")  #: how own images become square: cut to the centre, by black bars, or squeezed


class Machine(Model):
    """Where to run. Nothing here enters a result's key: results are good wherever they were made."""

    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto | cpu | cuda | cuda:N")
    threads: Count = Field(1, description="CPU threads a training job uses")
    jobs_per_gpu: Count = Field(1, description="training jobs that may share one GPU")
    mirror: str | None = Field(
        None,
        description="directory with original files or images, searched before downloading; "
        "the environment variable ADVCODES_MIRROR overrides it",
    )
    inception_weights: str | None = Field(
        None,
        description="path of the 2015 Inception weights; null: torch-fidelity's own download; the environment "
        "variable ADVCODES_INCEPTION_WEIGHTS overrides it",
    )
    clip_weights: str | None = Field(
        None,
        description="path of CLIP's weights (ViT-B-32.pt); null: torch-fidelity's own address; the environment "
        "variable ADVCODES_CLIP_WEIGHTS overrides it",
    )
    dinov2_sha256: str | None = Field(
        None,
        pattern=r"^[0-9a-fA-F]{8,64}$",
        description="hex digits that the SHA-256 of DINOv2's tensors begins with; null: that of what torch.hub brings",
    )


class Crop(Model):
    """A square (or box) cut out of each image before resizing."""

    kind: Literal["center", "box"] = Field(
        "center", description="centred square (padded where it exceeds the image) or a box"
    )
    size: Count = Field(description="side of the square in pixels")
    top: Natural = Field(0, description="first row of a box")
    left: Natural = Field(0, description="first column of a box")


class Reading(Model):
    """How a folder or zip of anyone's own images is read."""

    pad: bool = Field(False, description="make images square by black bars, instead of squeezing")
    skip_broken: bool = Field(False, description="leave out files that do not decode, instead of refusing")
    loose: Literal["refuse", "skip", "class", "flat"] = Field(
        "refuse",
        description="images beside the folders of classes: refused, left out, a class of their own (`loose`), or no "
        "classes at all",
    )
    levels: tuple[Real, Real] | None = Field(
        None, description="values that are black and white in images of more than 8 bits a channel"
    )


class View(Model):
    """A dataset as one paper looks at it: crop, size, value range (facts of each paper's preprocessing)."""

    source: Source | None = Field(None, description="where the images come from; defaults to the dataset's name")
    path: str | None = Field(None, description="folder or zip of images (source: folder)")
    folder: Reading | None = Field(None, description="how it is read (source: folder)")
    crop: Crop | None = Field(None, description="crop before resizing")
    size: Count | None = Field(None, description="side of the square images; null keeps the source's size")
    resample: Literal["nearest", "bilinear", "bicubic", "lanczos", "tf1_nearest", "tf1_bilinear"] = Field(
        "bilinear",
        description="resizing filter: Pillow's, which antialias (but nearest), or TensorFlow 1's, which do not",
    )
    keep_aspect: bool = Field(False, description="resize the shorter side and crop the centre, instead of squeezing")
    channels: Literal[1, 3] | None = Field(None, description="convert to grey or colour; null keeps the source's")
    range: tuple[Real, Real] = Field((0.0, 1.0), description="value range that networks see: [0, 1] or [-1, 1]")
    train_split: str = Field("train", description="split that is trained on (svhn: train or extra)")
    test_split: str = Field("test", description="split that metrics compare with")
    hold_out: Natural = Field(0, description="first images of the training split set aside as `validation`")
    count: Count | None = Field(None, description="number of images (shapes, gaussians)")
    seed: Natural = Field(0, description="seed of drawn data (shapes, gaussians) and of splits (folder)")
    architecture: str | None = Field(None, description="architecture used here whatever a variant says")


class Training(Model):
    """How every variant is trained."""

    batch_size: Count = 64
    precision: Literal["float32", "bfloat16"] = Field("float32", description="autocast of forward passes")
    channels_last: bool = Field(True, description="memory layout of images and convolutions")
    compile: bool = Field(False, description="torch.compile for every network (needs a C++ compiler, or a GPU)")
    flip: bool = Field(False, description="random horizontal flips")
    log_every: Count = Field(50, description="steps between lines of the log")
    checkpoint_seconds: Positive = Field(60.0, description="seconds between resumable checkpoints")
    snapshots: Snapshots = Field(
        5, description="generators kept for curves of the metric: how many, evenly spaced, or images seen at each"
    )
    early_stopping: EarlyStoppingConfig | None = Field(
        None, description="stop on held-out reconstructions; null: never"
    )
    diverged: Literal["stop", "keep"] = Field(
        "stop",
        description="a run that diverges is an error, or a result: of its last snapshot whose numbers are finite, and "
        "pages say when it diverged",
    )


class Budget(Model):
    """Training length: in real images seen (steps x batch size), or in updates of what makes images.

    Rows of a table that see as many images need not have as many updates: a critic is stepped five times for each of
    WGAN-GP's generator's.
    """

    images: Count | None = Field(None, description="images seen")
    epochs: Positive | None = Field(None, description="or passes over the training split")
    updates: Count | None = Field(None, description="or updates of the generator (decoder), of all phases together")

    @model_validator(mode="after")
    def _one(self) -> Budget:
        if sum(value is not None for value in (self.images, self.epochs, self.updates)) != 1:
            raise ValueError("give one of `images`, `epochs` and `updates`")
        return self


class Sampling(Model):
    """How images are generated from a trained run."""

    batch_norm: Literal["reestimate", "running", "batch"] = Field(
        "reestimate",
        description="statistics of the generator's batch norm: measured anew on samples before "
        "generating, those accumulated in training, or each batch's own",
    )
    batch_size: Count = 500
    reestimate_batches: Count = Field(20, description="batches over which `reestimate` averages")
    grid: Count = Field(8, description="rows and columns of the image grid")


class ClassifierSettings(Model):
    """The classifier whose features stand in for Inception's; trained by the pipeline on each dataset."""

    width: Count = 32
    epochs: Count = 8
    batch_size: Count = 128
    lr: Positive = 2e-3
    precision: Literal["float32", "bfloat16"] = Field("float32", description="autocast of its training")


class MnistScore(Model):
    """Training of the MNIST score's classifier; as its authors have it unless said otherwise."""

    epochs: Count = Field(10, description="passes over images and copies")
    batch_size: Count = 50
    copies: Natural = Field(4, description="turned and moved copies of each training image, beside it")
    precision: Literal["float32", "bfloat16"] = Field("float32", description="autocast of its training")


class FeatureNetworkSettings(Model):
    """GALI's auxiliary classifiers, whose features are compared: of digits (classes), or of attributes (facts 5.17)."""

    digits_width: Count = Field(48, description="channels of the first of eight convolutions; the others in proportion")
    digits_units: Count = Field(3072, description="units of both dense layers; the second's output are the features")
    digits_side: Count = Field(54, description="images are resized to this side (nearest)")
    digits_batch_size: Count = 32
    digits_lr: Positive = Field(1e-2, description="of SGD with momentum, times 0.9 each 10,000 steps")
    digits_epochs: Count = Field(10, description="passes over training images (assumed)")
    attributes_width: Count = Field(
        64, description="channels of the first of four convolutions; all other layers in proportion, 256 features"
    )
    attributes_batch_size: Count = Field(128, description="(assumed)")
    attributes_lr: Positive = Field(1e-3, description="Adam's (assumed)")
    attributes_epochs: Count = Field(10, description="passes over training images (assumed)")
    held_out: Annotated[Fraction, Field(gt=0)] = Field(
        0.1, description="share of the training images that weights are chosen by, where there is no split `validation`"
    )
    precision: Literal["float32", "bfloat16"] = Field("float32", description="autocast of its training")


class EfficientNetLite0(Model):
    """The protocol of `fd_efficientnet_lite0`: a distance on features that are the same on every machine."""

    side: Annotated[Count, Field(ge=32)] = Field(64, description="images are resized to this side (bilinear)")
    n_generated: Count = Field(10_000, description="generated images; fewer if `metrics.n_generated` is less")
    n_reference: Count = Field(10_000, description="real images; fewer if the split has fewer")


class Metrics(Model):
    """The protocol of every metric; a metric's name states it.

    What single metrics have of their own is added by :func:`advcodes.config.params.metrics_model`.
    """

    extractor: Literal["classifier", "inception", "dinov2", "clip"] = Field(
        "classifier", description="features that metrics compare"
    )
    n_generated: Count = Field(10_000, description="generated images")
    n_generated_is: Count | None = Field(
        None, description="of these for the Inception Score, which is usually given of 50,000; null: as many"
    )
    n_reference: Count = Field(10_000, description="real images; fewer if the split has fewer")
    n_reconstructed: Count | None = Field(
        None,
        description="test images whose reconstructions and inpaintings are compared with them; fewer if the split has "
        "fewer; null: as many as `n_reference`",
    )
    reference_split: Literal["train", "test"] = "test"
    curve_n_generated: Count = Field(2_000, description="generated images for each point of a curve")
    minibatch: Count = Field(100, description="images over whose means GALI's errors are averaged, with an sd")
    classifier: ClassifierSettings = ClassifierSettings()
    mnist_score: MnistScore | None = Field(
        MnistScore(), description="score of samples on MNIST by a classifier of its own; null: do without"
    )
    feature_network: FeatureNetworkSettings = FeatureNetworkSettings()
    efficientnet_lite0: EfficientNetLite0 | None = Field(
        None, description="protocol of `fd_efficientnet_lite0`, which needs the extra `yardstick`; null: do without"
    )


class Text(Model):
    """The encoder of sentences that text-conditioned methods need; trained by the pipeline on each dataset."""

    word: Count = Field(300, description="numbers in a word's embedding")
    hidden: Count = Field(
        100, description="units of each direction of the GRU; sentences' embeddings have twice as many"
    )
    pool: Literal["mean", "last"] = Field(
        "mean", description="of the GRU's states: their mean, or each direction's last"
    )
    steps: Count = Field(1000, description="updates")
    batch_size: Annotated[Count, Field(ge=2)] = Field(64, description="sets of captions that are told apart at a time")
    lr: Positive = Field(2e-3, description="highest learning rate of Adam")
    temperature: Positive = Field(0.1, description="of the contrastive loss (InfoNCE)")
    word_dropout: Fraction = Field(0.1, description="share of words replaced by the unknown word in training")
    min_count: Count = Field(2, description="words that training captions have less often are unknown")
    seed: Natural = 0


class PerItem(Model):
    """Where one table or figure differs from the rest; null leaves it."""

    seeds: Annotated[list[Natural], Field(min_length=1)] | None = None
    stand_ins: dict[str, str | None] = Field({}, description="over `stand_ins`")
    rows: Annotated[list[str], Field(min_length=1)] | None = Field(
        None, description="variants that are trained; null: all. Of the others the paper's numbers are printed alone"
    )
