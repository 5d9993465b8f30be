"""The vocabulary and the configuration of a new model: python3 make_tokenizer.py corpus.json.xz OLD_MODEL OUT

Trains a byte-level BPE on sentences of texts.py (needs the package `tokenizers`) and writes vocab.json, merges.txt,
tokenizer_config.json, config.json, generation_config.json and preprocessor_config.json into OUT, after those of OLD_MODEL.
"""
import argparse
import json
import pathlib
import random
import shutil

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from texts import Sentences

ORDINARY = 3960
SENTENCES = 200_000
# Qwen2's, as tokenizer.py has it in Python's syntax.
WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
AUDIO = {'d_model': 256, 'encoder_layers': 7, 'encoder_attention_heads': 4, 'encoder_ffn_dim': 1024, 'output_dim': 256}
# The MLP is 8/3 of the width as before, in whole groups of 32 for the quantization.
TEXT = {'hidden_size': 256, 'intermediate_size': 704, 'num_hidden_layers': 4, 'num_attention_heads': 4, 'num_key_value_heads': 2, 'head_dim': 64}


def train(lines):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(WORDS), 'isolated'), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=ORDINARY, initial_alphabet=alphabet, show_progress=False, min_frequency=2)
    tokenizer.train_from_iterator(lines, trainer)
    return tokenizer


def lines(corpus):
    """The answers, and what the prompt has, as often as a frequent word."""
    sentences = Sentences(corpus, random.Random(4))
    for n in range(SENTENCES):
        language, text = sentences.next()
        yield f'language {language}'
        yield text
        if n % 100 == 0:
            yield from ('language None', 'system\n', 'user\n', 'assistant\n')


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + '\n', 'utf-8')


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('corpus', type=pathlib.Path)
    parser.add_argument('old', type=pathlib.Path)
    parser.add_argument('out', type=pathlib.Path)
    options = parser.parse_args()
    out, old = options.out, options.old
    out.mkdir(parents=True, exist_ok=True)
    state = json.loads(train(lines(options.corpus)).to_str())['model']
    vocabulary = dict(sorted(state['vocab'].items(), key=lambda entry: entry[1]))
    assert len(vocabulary) == ORDINARY and list(vocabulary.values()) == list(range(ORDINARY))
    (out / 'vocab.json').write_text(json.dumps(vocabulary, ensure_ascii=False), 'utf-8')
    merges = [' '.join(m) if isinstance(m, list) else m for m in state['merges']]
    (out / 'merges.txt').write_text('\n'.join(['#version: 0.2', *merges]) + '\n', 'utf-8')

    tokens = json.loads((old / 'tokenizer_config.json').read_text('utf-8'))
    added = sorted((int(i), token) for i, token in tokens['added_tokens_decoder'].items())
    tokens['added_tokens_decoder'] = {str(ORDINARY + n): token for n, (_, token) in enumerate(added)}
    identity = {token['content']: ORDINARY + n for n, (_, token) in enumerate(added)}
    write_json(out / 'tokenizer_config.json', tokens)

    config = json.loads((old / 'config.json').read_text('utf-8'))
    thinker = config['thinker_config']
    thinker['audio_config'].update(AUDIO)
    thinker['text_config'].update(TEXT, vocab_size=ORDINARY + len(added))
    thinker.update(
        audio_token_id=identity['<|audio_pad|>'], audio_start_token_id=identity['<|audio_start|>'],
        audio_end_token_id=identity['<|audio_end|>'], user_token_id=vocabulary['user'],
    )
    write_json(out / 'config.json', config)
    generation = json.loads((old / 'generation_config.json').read_text('utf-8'))
    generation.update(eos_token_id=[identity['<|endoftext|>'], identity['<|im_end|>']], pad_token_id=identity['<|endoftext|>'])
    write_json(out / 'generation_config.json', generation)
    shutil.copy(old / 'preprocessor_config.json', out)


if __name__ == '__main__':
    main()
