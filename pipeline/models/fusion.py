"""How the features of picture and sound meet.

Conventions
-----------
Maps of features are [batch, channels, height, width]; tokens are [token, batch, features].
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

HEADS, LAYERS = 4, 3


def join(picture: Tensor, sound: Tensor, fusion: str) -> Tensor:
    """Two streams of features as one: "concat" (along channels, the picture first), "product" or "sum"."""
    if fusion == "concat":
        return torch.cat((picture, sound), dim=1)
    return picture * sound if fusion == "product" else picture + sound


class Places(nn.Module):
    """Adds sines and cosines of a token's place to it (Vaswani et al. 2017, sec. 3.5)."""

    pe: Tensor

    def __init__(self, features: int, tokens: int):
        super().__init__()
        place = torch.arange(tokens, dtype=torch.float32)[:, None]
        slower = torch.exp(torch.arange(0, features, 2, dtype=torch.float32) * (-math.log(10000.0) / features))
        waves = torch.stack((torch.sin(place * slower), torch.cos(place * slower)), dim=-1)
        self.register_buffer("pe", waves.flatten(1)[:, None])  # published name; [token, 1, features]

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens + self.pe


class TokenTransformer(nn.Module):
    """A transformer encoder over a fixed number of tokens: three layers of four heads.

    Parameters
    ----------
    features : int
        Numbers of a token, and of the hidden layer; a multiple of 4.
    tokens : int
        How many there are.
    """

    def __init__(self, features: int, tokens: int):
        super().__init__()
        self.pos_encoder = Places(features, tokens)  # published names
        layer = nn.TransformerEncoderLayer(features, HEADS, dim_feedforward=features)
        self.transformer_encoder = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens [token, batch, features] that have looked at one another; the same shape."""
        return self.transformer_encoder(self.pos_encoder(tokens))
