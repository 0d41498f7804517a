"""A pool of earlier fakes, so that the critic does not forget what it has seen through."""

import random
from typing import Any

import torch
from torch import Tensor


class ImageHistory:
    """The image pool of Shrivastava et al. 2017, section 2.3, in CycleGAN's form.

    While the pool fills, images pass through. Once it holds ``size`` images, each new one is, with
    probability 1/2, exchanged for a random one of the pool. ``size=0`` turns it off. For a
    conditional critic query the concatenated pair.

    Its random numbers are its own: it neither disturbs nor follows the global state, and
    ``state_dict`` saves them with the images.
    """

    def __init__(self, size: int = 50, seed: int = 0) -> None:
        if size < 0:
            raise ValueError(f"the history's size must be 0 or more, got {size}")
        self.size = size
        self._random = random.Random(seed)
        self._images: list[Tensor] = []  # each [C, H, W]

    def __len__(self) -> int:
        """How many images the pool holds."""
        return len(self._images)

    def query(self, images: Tensor) -> Tensor:
        """Detached images of the same shape ``[N, C, H, W]``, some of them from earlier calls.

        Raises:
            ValueError: the images' shape differs from that of the pool.
        """
        images = images.detach()
        if self._images and self._images[0].shape != images.shape[1:]:
            pool, new = tuple(self._images[0].shape), tuple(images.shape[1:])
            raise ValueError(f"the history holds images of shape {pool}, got {new}")
        if self.size == 0:
            return images
        return torch.stack([self._exchange(image) for image in images])

    def _exchange(self, image: Tensor) -> Tensor:
        if len(self._images) < self.size:
            self._images.append(image.clone())  # a clone, or the slice would keep the whole batch
            return image
        if self._random.random() < 0.5:
            return image
        index = self._random.randrange(self.size)
        earlier, self._images[index] = self._images[index], image.clone()
        return earlier.to(image)  # the pool may come from another device

    def state_dict(self) -> dict[str, Any]:
        """The images ``[M, C, H, W]`` (None when empty) and the state of the random source."""
        # On the CPU: after a resume the pool may lie on two devices.
        images = torch.stack([image.cpu() for image in self._images]) if self._images else None
        return {"images": images, "random": self._random.getstate()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on exactly where `state_dict` was taken.

        Raises:
            ValueError: the saved pool holds more images than this one's size.
        """
        images = [] if state["images"] is None else [image.clone() for image in state["images"]]
        if len(images) > self.size:
            raise ValueError(f"{len(images)} saved images do not fit a history of {self.size}")
        self._images = images
        self._random.setstate(state["random"])
