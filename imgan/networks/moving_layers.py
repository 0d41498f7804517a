"""Next frames from layers that move: what the last frame shows, taken apart and sent on its way."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pad, pixel_shuffle, pixel_unshuffle, silu

from .blocks import icnr_
from .u_shape import UShape

CELL = 4
"""Pixels to a side of the squares that move as one."""

BACK = (1, 4)
"""The last frame is matched with those so many before it."""

OFFSETS = 11
"""Places in each direction in which its parts are looked for, two pixels apart."""

WINDOW = 12
"""Pixels to a side of such a part."""

FASTEST = 8
"""Pixels that a cell moves at most from frame to frame, in each direction."""


class MovingLayers(UShape):
    """The last frame as a sum of layers, each cell of which is sent where it will be.

    For things that move over a dark ground and through one another, such as moving digits. In place
    of painting every next frame anew, the network takes the last one apart into layers (Wang &
    Adelson 1994), says how each cell of a layer moves from frame to frame and how sure that is, and
    adds up what arrives (forward warping, as in Niklaus & Liu 2020, by plain sums): what moves
    stays as sharp as it was seen, and its speed is said where it is. What the layers cannot say is
    added frame by frame. One U-shape of convolutions does all of this: it sees all past frames,
    folded into cells of 4x4 pixels, and how well parts of the last one match those before.

    Args:
        past, future: how many frames go in and come out.
        hidden: channels at a quarter of the size; twice as many at an eighth.
        blocks: residual blocks on each of the U-shape's three stages.
        layers: how many things may lie one over the other.

    Shape: ``[N, past, channels, H, W] in [0, 1] -> [N, future, channels, H, W]``, not clamped; H
    and W are multiples of 8.
    """

    def __init__(
        self,
        past: int = 10,
        future: int = 10,
        channels: int = 1,
        hidden: int = 64,
        blocks: int = 2,
        layers: int = 2,
    ) -> None:
        super().__init__()
        self.past, self.future, self.channels, self.layers = past, future, channels, layers
        self.size_multiple = 2 * CELL
        self.minimum = 16  # in bf16 maps of one pixel's width are no numbers now and then
        self.reach = CELL * (4 + 4 * blocks) + 2 * CELL * (1 + 2 * blocks) + 2 * CELL
        self.reach += FASTEST * future + 2 * OFFSETS + WINDOW
        """Pixels to each side that an output pixel can depend on."""
        pixels = channels * CELL**2
        self.back = [back for back in BACK if back < past]
        self.enter = nn.Conv2d(past * pixels + len(self.back) * OFFSETS**2, hidden, 3, 1, 1)
        self._make_u_shape(hidden, blocks)
        # Speed right and down, and sureness: for all frames ahead, then what departs from it.
        self.motion = nn.Conv2d(hidden, (1 + future) * layers * 3, 3, 1, 1)
        self.content = nn.Conv2d(hidden, 2 * layers * pixels, 3, 1, 1)
        self.leave = nn.Conv2d(hidden, future * pixels, 3, 1, 1)
        for conv in (self.motion, self.leave):  # begin at rest, with nothing added
            nn.init.normal_(conv.weight, std=1e-3)
            assert conv.bias is not None
            nn.init.zeros_(conv.bias)
        icnr_(self.leave, CELL)

    def forward(self, past: Tensor) -> Tensor:
        n, height, width = len(past), past.shape[-2] // CELL, past.shape[-1] // CELL
        with torch.no_grad():
            found = [matched(past[:, -1], past[:, -1 - back]) for back in self.back]
        x = torch.cat([pixel_unshuffle(past.flatten(1, 2), CELL), *found], dim=1)
        if past.device.type == "cpu":
            x = x.contiguous(memory_format=torch.channels_last)
        x = silu(self.translated(silu(self.enter(x))))
        added = pixel_shuffle(self.leave(x), CELL).float()
        motion = self.motion(x).float().reshape(n, 1 + self.future, self.layers, 3, height, width)
        motion = motion[:, :1] + motion[:, 1:]  # [N, F, L, 3, h, w]
        shift = (FASTEST * (motion[:, :, :, :2] / 4).tanh()).cumsum(1)
        layers = self._layers(self.content(x), past[:, -1].float())
        arrived = sent(layers, shift, motion[:, :, :, 2].sigmoid())
        return added.reshape(arrived.shape) + arrived

    def _layers(self, content: Tensor, last: Tensor) -> Tensor:
        """The last frame shared out among the layers, and what each adds: ``[N, L, C, H, W]``."""
        content = pixel_shuffle(content.float(), CELL)  # [N, 2*L*C, H, W]
        both = torch.unflatten(content, 1, (2, self.layers, self.channels))
        return both[:, 0].softmax(1) * last[:, None] + 0.1 * both[:, 1]


def matched(last: Tensor, before: Tensor) -> Tensor:
    """How alike what lies about each cell is to what lay around it in a frame before.

    Of windows a and b it is ``2 sum(a b) / (sum(a^2) + sum(b^2))``: 1 if they are equal, 0 where
    nothing of one is in the other. It is block matching as a cost volume, at half the size.

    Shape: ``[N, C, H, W] twice -> [N, OFFSETS**2, H/4, W/4]``, rows of offsets downward.
    """
    last, before = avg_pool2d(last, 2), avg_pool2d(before, 2)
    height, width = last.shape[-2:]
    wide = pad(before, (OFFSETS // 2,) * 4)
    moved = [
        wide[..., down : down + height, right : right + width]
        for down in range(OFFSETS)
        for right in range(OFFSETS)
    ]
    there = torch.stack(moved, dim=1)  # [N, OFFSETS**2, C, H/2, W/2]
    both = _about((last[:, None] * there).sum(2))
    energy = _about(last.square().sum(1, keepdim=True)) + _about(there.square().sum(2))
    return 2 * both / (energy + 1e-3)


def _about(image: Tensor) -> Tensor:
    """The mean over the window about each cell, of an image of half the size."""
    side, step = WINDOW // 2, CELL // 2
    return avg_pool2d(image, side, step, padding=(side - step) // 2)


def sent(layers: Tensor, shift: Tensor, share: Tensor) -> Tensor:
    """The sum of all cells where they arrive, between pixels bilinearly; what leaves is gone.

    Args:
        layers: ``[N, L, C, H, W]``.
        shift: ``[N, F, L, 2, H/4, W/4]``, of each cell for each frame, to the right and down, in
            pixels.
        share: ``[N, F, L, H/4, W/4]``, how much of each cell arrives.

    Shape: ``-> [N, F, C, H, W]``.
    """
    n, count, channels, height, width = layers.shape
    frames, rows, columns = shift.shape[1], height // CELL, width // CELL
    # Cells come last: what they share is small, and a processor goes along them.
    cells = pixel_unshuffle(layers.flatten(1, 2), CELL).reshape(
        n, 1, count, channels, CELL, CELL, rows * columns
    )
    wide = pad(cells, (0, 0, 1, 1, 1, 1)) * share.flatten(-2)[:, :, :, None, None, None]
    shift = shift.flatten(-2)[:, :, :, :, None, None, None]  # [N, F, L, 2, 1, 1, 1, h*w]
    whole = shift.detach().floor()
    right, down = (shift - whole).unbind(3)
    wide = wide[..., 1:, :] * (1 - right) + wide[..., :-1, :] * right
    wide = wide[..., 1:, :, :] * (1 - down) + wide[..., :-1, :, :] * down
    across, along = whole[:, :, :, :, 0].long().unbind(3)  # [N, F, L, 1, 1, h*w]
    own = torch.arange(CELL + 1, device=shift.device)[:, None]
    left = CELL * torch.arange(columns, device=shift.device).repeat(rows)
    top = CELL * torch.arange(rows, device=shift.device).repeat_interleave(columns)
    # A border of one pixel takes up what leaves the frame.
    x = (across + left + own).clamp(-1, width) + 1  # [N, F, L, 1, 5, h*w]
    y = (along + top + own[:, None]).clamp(-1, height) + 1  # [N, F, L, 5, 1, h*w]
    place = (y * (width + 2) + x)[:, :, None].expand(-1, -1, channels, -1, -1, -1, -1)
    canvas = layers.new_zeros(n, frames, channels, (height + 2) * (width + 2))
    canvas = canvas.scatter_add(3, place.flatten(3), wide.transpose(2, 3).flatten(3))
    return torch.unflatten(canvas, 3, (height + 2, width + 2))[..., 1:-1, 1:-1]
