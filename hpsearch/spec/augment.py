"""Augmentations: changes that leave a row's target alone, drawn anew for every batch.

Those of images work on maps [channels, height, width]; `noise` and `mixup` on any row.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from hpsearch.spec.language.family import Family, Kind
from hpsearch.spec.language.searchable import Integer, OneOf, Real


class AugmentationBase(Kind):
    """What every augmentation is."""

    needs_images: ClassVar[bool] = False
    """Whether rows must have the shape [channels, height, width]."""


class Shift(AugmentationBase):
    """Moves an image by up to `pixels` in each direction; what comes in is 0."""

    implementation = "hpsearch.training.tasks.augment:shift"
    needs_images = True

    kind: Literal["shift"]
    pixels: Annotated[int, Integer(ge=0)] = 1


class Flip(AugmentationBase):
    """Mirrors an image with a probability."""

    implementation = "hpsearch.training.tasks.augment:flip"
    needs_images = True

    kind: Literal["flip"]
    axis: OneOf[Literal["horizontal", "vertical"]] = "horizontal"
    """Horizontal swaps left and right."""
    probability: Annotated[float, Real(ge=0, le=1)] = 0.5


class Crop(AugmentationBase):
    """Cuts a window out, its sides a share U(scale, 1) of the image's, and resizes it back."""

    implementation = "hpsearch.training.tasks.augment:crop"
    needs_images = True

    kind: Literal["crop"]
    scale: Annotated[float, Real(gt=0, le=1)] = 0.8


class Cutout(AugmentationBase):
    """Sets a square to 0, centred on any pixel and cut at the border (DeVries & Taylor 2017)."""

    implementation = "hpsearch.training.tasks.augment:cutout"
    needs_images = True

    kind: Literal["cutout"]
    size: Annotated[int, Integer(ge=0)] = 2


class Noise(AugmentationBase):
    """Adds N(0, std²) to every standardised number."""

    implementation = "hpsearch.training.tasks.augment:noise"

    kind: Literal["noise"]
    std: Annotated[float, Real(ge=0)] = 0.1


class Mixup(AugmentationBase):
    """λ·row + (1 − λ)·another row of the batch, targets alike, λ ~ Beta(alpha, alpha).

    Zhang et al. 2018. One λ per batch.
    """

    kind: Literal["mixup"]
    alpha: Annotated[float, Real(gt=0)] = 0.2


AUGMENTATIONS: Family[AugmentationBase] = Family(Shift, Flip, Crop, Cutout, Noise, Mixup)
"""Where a new augmentation is entered."""

Augmentation: TypeAlias = Annotated[AugmentationBase, AUGMENTATIONS]
