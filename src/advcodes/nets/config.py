"""Architecture families as params.yaml names them; the networks themselves are in the module of the same name."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from advcodes.core.schema import Count, Fraction, Model, Natural, NonNegative, Positive

AFFECTS_RESULTS = False  # these settings enter keys as values


class Family(Model):
    """What every family has.

    Attributes:
        value_range: of the images that its networks see, unless a variant says otherwise; None: the dataset's.
    """

    value_range: ClassVar[tuple[float, float] | None] = None


class SignedFamily(Family):
    """A family whose published networks see images on [-1, 1]."""

    value_range: ClassVar[tuple[float, float] | None] = (-1.0, 1.0)


class CodeNets(Model):
    """Code generator and code discriminator: ACL's "2-layer MLPs" (section 3.1; facts 5.9), or LPAAE's (facts 5.11)."""

    width: Count = Field(512, description="units of a hidden layer (assumed)")
    hidden_layers: Count = Field(1, description="hidden layers: ACL's '2-layer' can mean one or two (ACL-8)")
    slope: Fraction = Field(0.2, description="leaky ReLU in the code discriminator (assumed); 0: ReLU")
    dropout: Fraction = Field(0.0, description="after hidden layers of the code discriminator")
    generator_width: Count | Literal["double"] | None = Field(
        None, description="hidden units of the code generator: twice its input (LPAAE table A.2); null: `width`"
    )
    generator_batch_norm: bool = Field(
        False, description="batch norm after every layer of the code generator, the last one too (LPAAE table A.2)"
    )
    discriminator_widths: list[Count] | None = Field(
        None, description="hidden layers of the code discriminator (LPAAE table A.3: 1000, 500, 200); null: as above"
    )


class Infogan(Family):
    """InfoGAN-style convolutions for sides divisible by 4: the networks behind acl/table1 (facts 5.1)."""

    family: Literal["infogan"]
    width: Count = Field(64, description="channels of the first convolution; the paper's is 64")
    features: Count = Field(1024, description="units of the fully connected layer, Phi of ACL Eq. 4")
    slope: Fraction = Field(0.2, description="leaky ReLU")
    discriminator_batch_norm: bool = Field(True, description="batch norm in a GAN's discriminator (assumed)")
    encoder: Literal["discriminator", "convolutional"] = Field(
        "discriminator",
        description="encoder: the discriminator's layers (facts 5.10), or three convolutions (5.9); assumed",
    )
    init_std: Positive = Field(0.02, description="standard deviation of initial weights")
    bn_momentum: Annotated[Positive, Field(le=1)] = Field(0.001, description="weight of the newest batch")
    bn_eps: NonNegative = 1e-3
    code: CodeNets = CodeNets()


class Mlp(Family):
    """Fully connected networks, for 2-D points and small images (facts 5.9: the toy of acl/fig11)."""

    family: Literal["mlp"]
    width: Count = Field(128, description="units of a hidden layer (assumed)")
    hidden_layers: Count = Field(2, description="hidden layers")
    slope: Fraction = Field(0.2, description="leaky ReLU in discriminators; others use ReLU")
    dropout: Fraction = Field(0.0, description="after hidden layers of encoder and decoder")
    init: Literal["default", "xavier"] = Field(
        "default", description="initial weights: PyTorch's, or Xavier uniform with zero biases (facts 5.8)"
    )
    code: CodeNets = CodeNets(width=128)


class Residual(SignedFamily):
    """LPAAE's residual encoder and decoder and its image discriminator (LPAAE tables A.1 to A.3; facts 5.11)."""

    family: Literal["residual"]
    width: Count = Field(64, description="channels of the first convolution; the paper's is 64")
    features: Count = Field(1000, description="units of the image discriminator's fully connected layer")
    slope: Fraction = Field(0.2, description="leaky ReLU (assumed)")
    resblock_bn: Literal["none", "decoder", "all"] = Field(
        "decoder", description="batch norm inside residual blocks; table A.2 has none (assumed)"
    )
    bn_momentum: Annotated[Positive, Field(le=1)] = Field(0.1, description="weight of the newest batch")
    bn_eps: NonNegative = 1e-5
    code: CodeNets = CodeNets()


class Dcgan(SignedFamily):
    """The CIFAR networks of improved_wgan_training in its WGAN-GP and DCGAN modes (facts 5.2, 5.3)."""

    family: Literal["dcgan"]
    width: Count = Field(128, description="channels at the finest resolution; the official script's DIM is 128")
    slope: Fraction = Field(0.2, description="leaky ReLU")
    bn_momentum: Annotated[Positive, Field(le=1)] = Field(0.1, description="weight of the newest batch")
    bn_eps: NonNegative = 1e-5
    code: CodeNets = CodeNets()


class Resnet(SignedFamily):
    """The ResNet for CIFAR of improved_wgan_training, whose Inception Score is 7.86 (facts 5.2)."""

    family: Literal["resnet"]
    width: Count = Field(128, description="channels throughout; the official script's DIM is 128")
    slope: Fraction = Field(0.2, description="leaky ReLU of heads on the discriminator; inside it is ReLU")
    bn_momentum: Annotated[Positive, Field(le=1)] = Field(0.1, description="weight of the newest batch")
    bn_eps: NonNegative = 1e-5
    code: CodeNets = CodeNets()


class DeepCodeNets(Model):
    """Code generator and code discriminator of AAAE (AAAE table III, columns G_phi and D_gamma; facts 5.12)."""

    width: Count = Field(512, description="units of a hidden layer; the paper's is 512")
    hidden_layers: Count = Field(3, description="hidden layers; the paper has 3")


class Aaae(SignedFamily):
    """AAAE's encoder, decoder, patch discriminator and approximator (AAAE table III; facts 5.12)."""

    family: Literal["aaae"]
    width: Count = Field(64, description="channels of the first convolution; the paper's is 64")
    slope: Fraction = Field(0.1, description="leaky ReLU; the paper's is 0.1")
    init_std: Positive = Field(0.01, description="standard deviation of initial weights; the paper's is 0.01")
    bn_momentum: Annotated[Positive, Field(le=1)] = Field(0.1, description="weight of the newest batch (assumed)")
    bn_eps: NonNegative = Field(1e-5, description="added to variances (assumed)")
    code: DeepCodeNets = DeepCodeNets()


class WaeCodeNets(Model):
    """The code adversary of tolstikhin/wae (facts 5.13)."""

    width: Count = Field(1024, description="units of a hidden layer; the published one has 1024")
    hidden_layers: Count = Field(4, description="hidden layers; the published one has 4")


class Wae(SignedFamily):
    """Encoder, decoder and code adversary of tolstikhin/wae (facts 5.13)."""

    family: Literal["wae"]
    width: Count = Field(128, description="channels of the first convolution; the published one has 128")
    init_std: Positive = Field(0.01, description="standard deviation of initial weights; the published one is 0.01")
    bn_momentum: Annotated[Positive, Field(le=1)] = Field(0.1, description="weight of the newest batch")
    bn_eps: NonNegative = 1e-5
    code: WaeCodeNets = WaeCodeNets()


class Ali(SignedFamily):
    """ALI's encoder, generator and joint discriminator, and GALI's (facts 5.15): a table of layers for each side."""

    family: Literal["ali"]
    width: Count | None = Field(
        None,
        description="channels of the first convolution, the others in proportion; null: the table's, 32 for sides to "
        "32 and 64 above",
    )
    networks: Literal["svhn", "cifar10"] = Field(
        "svhn",
        description="for sides to 32: ALI's of SVHN, or of CIFAR-10 (slope 0.1; the discriminator with maxout of two, "
        "more dropout and no batch norm). Sides of 64 have those of its CelebA",
    )
    slope: Fraction | None = Field(None, description="leaky ReLU; null: the table's, 0.01, 0.1 (CIFAR-10), 0.02 (64)")
    discriminator_norm: Literal["batch", "spectral", "none"] | None = Field(
        None,
        description="batch norm in D_x but for its first layer (ALI), spectral norm of every layer (GALI), or none; "
        "null: `none` for CIFAR-10's networks, else `batch`",
    )
    dropout: Fraction | None = Field(
        None,
        description="before every layer of the discriminator, at most 0.2 on what enters it; null: 0.2, 0.5 with "
        "CIFAR-10's networks, none with spectral norm",
    )
    init_std: Positive = Field(0.01, description="standard deviation of initial weights")
    bn_momentum: Annotated[Positive, Field(le=1)] = Field(0.05, description="weight of the newest batch; ALI's is 0.05")
    bn_eps: NonNegative = Field(1e-4, description="added to variances (assumed: the default of ALI's framework)")


class Alice(SignedFamily):
    """ALICE's strided convolutions of 5x5, with noise joined to their inputs (facts 5.16)."""

    family: Literal["alice"]
    width: Count = Field(
        64, description="channels of the discriminator's first convolution, twice the encoder's; the original's is 64"
    )
    slope: Fraction = Field(0.2, description="leaky ReLU of the discriminator; elsewhere ReLU")
    noise_channels: Natural = Field(
        1, description="channels of noise, uniform on [-1, 1], joined to images that encoder and discriminator see"
    )
    noise_numbers: Natural = Field(20, description="numbers of it joined to codes that generator and discriminator see")
    bounded_codes: bool = Field(True, description="tanh on the encoder's codes, for the uniform prior on [-1, 1]")
    bn_momentum: Annotated[Positive, Field(le=1)] = Field(0.1, description="weight of the newest batch (assumed)")
    bn_eps: NonNegative = Field(1e-3, description="added to variances (assumed: the default of ALICE's framework)")


class Began(SignedFamily):
    """BEGAN's encoder and decoder, for all halves of Khan et al.'s model (facts 5.5, 5.7)."""

    family: Literal["began"]
    width: Count = Field(
        128, description="channels of the first convolution; the published code has 128, CIFAR-10's 64 is assumed"
    )
    pairs: Annotated[Count | None, Field(ge=2)] = Field(
        None,
        description="pairs of convolutions in each half, with a change of size between two: Khan et al. say three, for "
        "whatever size; null: as many as lead to maps of 8x8, three for 32 pixels, four for 64 (the published code)",
    )


Architecture = Annotated[
    Infogan | Mlp | Residual | Dcgan | Resnet | Aaae | Wae | Ali | Alice | Began, Field(discriminator="family")
]
