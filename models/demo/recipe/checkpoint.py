"""Reads and writes the official checkpoint format (safetensors, bf16), with the official tensor names."""
import json
import struct

import torch

ATTENTION = ('q_proj', 'k_proj', 'v_proj', 'o_proj', 'out_proj', 'q_norm', 'k_norm')
MLP = ('gate_proj', 'up_proj', 'down_proj')


def official_name(name):
    parts = name.split('.')
    if 'layers' in parts:
        if parts[-2] in ATTENTION:
            parts.insert(-2, 'self_attn')
        elif parts[-2] in MLP:
            parts.insert(-2, 'mlp')
    prefix = ['thinker'] if parts[0] == 'audio_tower' else ['thinker', 'model']
    return '.'.join(prefix + parts)


def trained(model):
    """The parameters that belong into the checkpoint, by their training name."""
    return {n: p for n, p in model.named_parameters() if not n.startswith('ctc')}


def read_safetensors(path):
    with open(path, 'rb') as file:
        (size,) = struct.unpack('<Q', file.read(8))
        header = json.loads(file.read(size))
        data = bytearray(file.read())
    tensors = {}
    for name, entry in header.items():
        if name == '__metadata__':
            continue
        begin, end = entry['data_offsets']
        kind = {'BF16': torch.bfloat16, 'F32': torch.float32}[entry['dtype']]
        tensors[name] = torch.frombuffer(data[begin:end], dtype=kind).reshape(entry['shape']).float()
    return tensors


def load(model, path):
    tensors = read_safetensors(path)
    with torch.no_grad():
        for name, parameter in trained(model).items():
            parameter.copy_(tensors.pop(official_name(name)))
    if tensors:
        raise ValueError(f'tensors without a place in the model: {sorted(tensors)}')


def save(model, path):
    header, blobs, offset = {'__metadata__': {'format': 'pt'}}, [], 0
    for name, parameter in sorted((official_name(n), p) for n, p in trained(model).items()):
        blob = parameter.detach().to(torch.bfloat16).contiguous().cpu().view(torch.int16).numpy().tobytes()
        header[name] = {
            'dtype': 'BF16',
            'shape': list(parameter.shape),
            'data_offsets': [offset, offset + len(blob)],
        }
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as file:
        file.write(struct.pack('<Q', len(text)) + text + b''.join(blobs))
