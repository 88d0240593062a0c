"""Architecture families as params.yaml names them; the networks themselves are in the module of the same name."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from advcodes.schema import Count, Fraction, Model, NonNegative, Positive

AFFECTS_RESULTS = False  # these settings enter keys as values


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


class Infogan(Model):
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


class Mlp(Model):
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


class Residual(Model):
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


class Dcgan(Model):
    """The CIFAR networks of improved_wgan_training in its WGAN-GP and DCGAN modes (facts 5.2, 5.3)."""

    family: Literal["dcgan"]
    width: Count = Field(128, description="channels at the finest resolution; the official script's DIM is 128")
    slope: Fraction = Field(0.2, description="leaky ReLU")
    bn_momentum: Annotated[Positive, Field(le=1)] = Field(0.1, description="weight of the newest batch")
    bn_eps: NonNegative = 1e-5
    code: CodeNets = CodeNets()


class Resnet(Model):
    """The ResNet for CIFAR of improved_wgan_training, whose Inception Score is 7.86 (facts 5.2)."""

    family: Literal["resnet"]
    width: Count = Field(128, description="channels throughout; the official script's DIM is 128")
    slope: Fraction = Field(0.2, description="leaky ReLU of heads on the discriminator; inside it is ReLU")
    bn_momentum: Annotated[Positive, Field(le=1)] = Field(0.1, description="weight of the newest batch")
    bn_eps: NonNegative = 1e-5
    code: CodeNets = CodeNets()


Architecture = Annotated[Infogan | Mlp | Residual | Dcgan | Resnet, Field(discriminator="family")]
