"""A start that learns: every convolution begins at unit variance.

With torch's defaults the position embedding drowns the sound, and nothing is learned for thousands of steps.
"""
import torch
import torch.nn.functional as F

from model import CHUNK_FRAMES


@torch.no_grad()
def unit_variance(model, mel):
    """mel: a batch of real features [batch, 128, frames]."""
    tower = model.audio_tower
    x = torch.cat(mel.split(CHUNK_FRAMES, 2))[:, None]
    for conv in (tower.conv2d1, tower.conv2d2, tower.conv2d3):
        torch.nn.init.kaiming_normal_(conv.weight)
        torch.nn.init.zeros_(conv.bias)
        conv.weight.div_(conv(x).std())
        x = F.gelu(conv(x))
    y = tower.conv_out(x.permute(0, 3, 1, 2).flatten(2))
    tower.conv_out.weight.mul_(2 / (y - y.mean((0, 1))).std())
    for layer in tower.layers:
        for linear in (layer.q_proj, layer.k_proj, layer.v_proj, layer.fc1, layer.out_proj, layer.fc2):
            gain = 0.5 if linear in (layer.out_proj, layer.fc2) else 1
            torch.nn.init.xavier_uniform_(linear.weight, gain=gain)
            torch.nn.init.zeros_(linear.bias)
    for linear in (tower.proj1, tower.proj2):
        torch.nn.init.xavier_uniform_(linear.weight)
        torch.nn.init.zeros_(linear.bias)
    torch.nn.init.normal_(model.embed_tokens.weight, std=0.02)
    for layer in model.layers:
        for name, weight in layer.named_parameters():
            if weight.dim() == 2:
                small = name.startswith(('o_proj', 'down_proj'))
                torch.nn.init.normal_(weight, std=0.02 / (2 * len(model.layers)) ** 0.5 if small else 0.02)
