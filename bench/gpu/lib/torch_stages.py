"""Times the stages of transformers' own Qwen3-ASR (5.13 or newer) on one GPU; random weights, only shapes matter.

    python torch_stages.py --config FOLDER/config.json --seconds 11 --batches 1,8,32,128

The last line of the output is JSON: encoderMs, prefillMs, decode {rows: ms or null}. bench/gpu/run.mjs --python calls it.
"""

import argparse
import json
import time

import torch
from transformers import Qwen3ASRConfig, Qwen3ASRForConditionalGeneration
from transformers.cache_utils import DynamicCache

PROMPT_TOKENS = 158
PAST_TOKENS = 192

parser = argparse.ArgumentParser()
parser.add_argument("--config", required=True)
parser.add_argument("--seconds", type=int, default=11)
parser.add_argument("--batches", default="1,8,32,128")
parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
options = parser.parse_args()


def native_config(path):
    """The official config.json in the names of transformers."""
    with open(path, encoding="utf8") as file:
        thinker = json.load(file)["thinker_config"]
    audio = dict(thinker["audio_config"])
    audio["num_attention_heads"] = audio.pop("encoder_attention_heads")
    audio.pop("model_type", None)
    text = dict(thinker["text_config"])
    text["model_type"] = "qwen3"
    text["rope_parameters"] = {"rope_type": "default", "rope_theta": text.pop("rope_theta", 1e6)}
    text.pop("rope_scaling", None)
    return Qwen3ASRConfig(
        audio_config=audio, text_config=text, audio_token_id=thinker["audio_token_id"]
    )


def median_ms(count, run):
    times = []
    for i in range(-2, count):
        if options.device == "cuda":
            torch.cuda.synchronize()
        started = time.perf_counter()
        run()
        if options.device == "cuda":
            torch.cuda.synchronize()
        if i >= 0:
            times.append(1000 * (time.perf_counter() - started))
    return sorted(times)[len(times) // 2]


dtype = torch.float16 if options.device == "cuda" else torch.float32
torch.set_default_dtype(dtype)
with torch.device(options.device):
    model = Qwen3ASRForConditionalGeneration(native_config(options.config)).eval()
torch.set_default_dtype(torch.float32)
text = model.config.text_config
language_model = model.model.language_model


def embeds(rows, tokens):
    return torch.randn(rows, tokens, text.hidden_size, device=options.device, dtype=dtype) / 10


def step(x, cache):
    out = language_model(inputs_embeds=x, past_key_values=cache, use_cache=True)
    return model.lm_head(out.last_hidden_state[:, -1]).argmax(-1).cpu()


@torch.inference_mode()
def main():
    frames = 100 * options.seconds
    mel = torch.randn(1, 128, frames, device=options.device, dtype=dtype)
    seen = torch.ones(1, frames, dtype=torch.long, device=options.device)
    result = {"decode": {}}
    try:
        result["encoderMs"] = median_ms(
            5, lambda: model.get_audio_features(input_features=mel, input_features_mask=seen)
        )
    except (TypeError, ValueError, RuntimeError) as error:
        print(f"encoder not timed: {error}")
        result["encoderMs"] = None
    result["prefillMs"] = median_ms(5, lambda: step(embeds(1, PROMPT_TOKENS), DynamicCache()))
    for rows in map(int, options.batches.split(",")):
        try:
            cache = DynamicCache()
            step(embeds(rows, PAST_TOKENS), cache)
            x = embeds(rows, 1)
            result["decode"][rows] = median_ms(16, lambda: step(x, cache))
        except torch.cuda.OutOfMemoryError:
            result["decode"][rows] = None
    print(json.dumps(result))


main()
