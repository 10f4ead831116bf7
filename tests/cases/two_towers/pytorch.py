"""TwoTowers for PyTorch, compiled from model.neural.

    question (6), answer (5), image (4, 8) -> [question -> Embedding(20); answer ->
        Embedding(20); image -> Dense(8)] -> Concatenate -> TransformerEncoder ->
        GlobalAveragePooling1D -> Output(2)

Run this file for a summary and a forward pass: python pytorch.py
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """The mean over the valid positions: x (B, T, d), mask (B, T) to (B, d)."""
    valid = mask[:, :, None].to(x.dtype)  # (B, T, 1)
    return (x * valid).sum(dim=1) / valid.sum(dim=1).clamp(min=1)


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention in several heads (Vaswani et al., 2017)."""

    def __init__(self, d_model: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(d_model, d_model)
        self.key = nn.Linear(d_model, d_model)
        self.value = nn.Linear(d_model, d_model)
        self.projection = nn.Linear(d_model, d_model)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        q, k, v = (
            each.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for each in (self.query(x), self.key(x), self.value(x))
        )  # (B, H, T, d)
        allowed = mask[:, None, None, :]  # (B, 1, 1, T)
        context = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
        return self.projection(context.transpose(1, 2).flatten(2))  # (B, T, d_model)


class FeedForward(nn.Module):
    """Two dense layers, applied to each position alone."""

    def __init__(self, d_model: int, ff_dim: int):
        super().__init__()
        self.expand = nn.Linear(d_model, ff_dim)
        self.contract = nn.Linear(ff_dim, d_model)

    def forward(self, x: Tensor) -> Tensor:
        return self.contract(F.relu(self.expand(x)))


class TransformerEncoder(nn.Module):
    """Self-attention, then a feed-forward network; each adds, then normalises."""

    def __init__(self, d_model: int, num_heads: int, ff_dim: int):
        super().__init__()
        self.attention = MultiHeadAttention(d_model, num_heads)
        self.attention_norm = nn.LayerNorm(d_model)
        self.feed_forward = FeedForward(d_model, ff_dim)
        self.feed_forward_norm = nn.LayerNorm(d_model)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = self.attention_norm(x + self.attention(x, mask))
        return self.feed_forward_norm(x + self.feed_forward(x))


def init_weights(module: nn.Module) -> None:
    """Glorot-uniform weights and zero biases, embeddings from N(0, 0.02)."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)


class TwoTowers(nn.Module):
    """Inputs question (B, 6), answer (B, 5), image (B, 4, 8) to logits (B, 2)."""

    def __init__(self):
        super().__init__()
        self.embedding_0 = nn.Embedding(20, 8)
        self.embedding_1 = nn.Embedding(20, 8)
        self.dense = nn.Linear(8, 8)
        self.transformer_encoder = TransformerEncoder(d_model=8, num_heads=2, ff_dim=16)
        self.output = nn.Linear(8, 2)
        self.apply(init_weights)

    def forward(self, question: Tensor, answer: Tensor, image: Tensor) -> Tensor:
        question_mask = question != 0  # (B, T): True where a position is valid
        answer_mask = answer != 0  # (B, T): True where a position is valid
        unmasked = torch.ones(
            len(question), 4, dtype=torch.bool, device=question.device
        )  # (B, T): True where a position is valid
        # (B, T): True where a position is valid
        mask = torch.cat([question_mask, answer_mask, unmasked], dim=1)
        question = self.embedding_0(question)  # (B, 6, 8)
        answer = self.embedding_1(answer)  # (B, 5, 8)
        image = self.dense(image)
        x = torch.cat([question, answer, image], dim=-2)  # (B, 15, 8)
        x = self.transformer_encoder(x, mask)
        x = masked_mean(x, mask)  # (B, 8)
        return self.output(x)  # (B, 2): logits, softmax makes them probabilities


if __name__ == "__main__":
    torch.manual_seed(0)
    model = TwoTowers().eval()
    print(model)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    with torch.inference_mode():
        question = torch.randint(1, 20, (1, 6))
        answer = torch.randint(1, 20, (1, 5))
        image = torch.randn(1, 4, 8)
        probabilities = F.softmax(model(question, answer, image), dim=-1)
    print("probabilities:", probabilities.squeeze(0).tolist())
