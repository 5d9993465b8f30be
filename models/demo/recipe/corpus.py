"""Gathers the open sentences from their sources into corpus.json.xz:

python3 corpus.py --wordnet DIR --jieba dict.txt --books FILE... --speeches FILE... --tatoeba cmn.txt

| source                                                                       | licence                          |
| ---------------------------------------------------------------------------- | -------------------------------- |
| WordNet 3.0, examples in the glosses (Debian wordnet-base, data.*)           | WordNet licence (like MIT)       |
| Project Gutenberg's books in plain text (GitHub GITenberg; Alice: NLTK)      | public domain                    |
| State of the Union addresses, 1790 to 2016 (GitHub S-KSM/StateofUnion)       | public domain (US government)    |
| Tatoeba's English-Mandarin pairs as manythings.org lists them (cmn.txt)      | CC BY 2.0 FR, authors in corpus  |
| words with frequency and part of speech (Debian python3-jieba, dict.txt)     | MIT                              |

CORPUS-LICENSES.md has the licences. Sentences become plain words (letters and apostrophes) of 2 to 14 words, with a period or question
mark. held-out.json gets the sentences of the open test sets, which are taken out of the corpus together with all that is much like them.
"""
import argparse
import collections
import json
import lzma
import pathlib
import random
import re

import grammar

RECIPE = pathlib.Path(__file__).resolve().parent
ABBREVIATIONS = re.compile(r'\b(?:Mr|Mrs|Ms|Dr|St|Rev|Hon|Co|No|Prof|Jr|Sr|etc|i\.e|e\.g|vs|viz)\b\.?|\b[A-Z]\.')
MONTHS_AND_DAYS = {w.lower(): w.capitalize() for w in grammar.MONTHS + grammar.DAYS if w not in ('march', 'may', 'august')}
WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)*")
MANDARIN_KINDS = {  # jieba's part of speech → slot of texts.py, and how many of the most frequent words
    'n': ('noun', 1300), 'v': ('verb', 900), 'a': ('adjective', 450), 'ns': ('place', 200),
    's': ('spot', 60), 'd': ('adverb', 160), 'i': ('idiom', 400), 'm': ('amount', 40), 'q': ('measure', 60),
}
HELD_OUT = {'open': (100, 20), 'open-development': (50, 10)}  # English, Mandarin


def plain(piece, mark):
    """The piece as a sentence of the corpus, or None where it has anything but plain words."""
    piece = re.sub(r'(?<=\w)-(?=\w)', ' ', piece).strip(" ,-'\"")
    words = piece.split()
    if not 2 <= len(words) <= 14 or len(piece) > 84:
        return None
    for n, word in enumerate(words):
        if not WORD.fullmatch(word) or len(word) > 15:
            return None
        if len(word) == 1 and word not in ('a', 'A', 'I'):
            return None
        if len(word) > 1 and word.isupper():
            return None
        words[n] = MONTHS_AND_DAYS.get(word, word)
    return words[0][0].upper() + words[0][1:] + ' '.join(['', *words[1:]]) + mark


def sentences(text):
    """Plain sentences of running text; those that are too long are cut at their commas."""
    text = text.replace('\u2019', "'").replace('\u2018', "'").replace('_', '')
    text = re.sub(r"(?<!\w)'|'(?!\w)|[\"\u201c\u201d*]", ' ', text)
    for piece, mark in re.findall(r'([^.?!;:()\[\]\u2014]+?)(?:--|([.?!;:()\[\]\u2014])|$)', re.sub(r'\s+', ' ', text)):
        if ABBREVIATIONS.search(piece) or re.search(r'\d', piece):
            continue
        end = '?' if mark == '?' else '.'
        whole = plain(re.sub(',', ' ', piece), end)
        if whole and piece.count(',') < 3:
            yield whole
            continue
        parts = piece.split(',')
        for n, part in enumerate(parts):
            if len(part.split()) >= 4:
                cut = plain(part, end if n == len(parts) - 1 else '.')
                if cut:
                    yield cut


def wordnet(folder):
    for path in sorted(folder.glob('data.*')):
        for line in path.read_text('latin-1').splitlines():
            for example in re.findall(r'"([^"]+)"', line.partition('|')[2]):
                yield from sentences(example)


def book(path):
    text = path.read_bytes().decode('utf-8', 'replace').replace('\r', '')
    start, end = re.search(r'\*\*\* ?START OF.*\n', text), re.search(r'\*\*\* ?END OF|End of (?:the )?Project Gutenberg', text)
    text = text[start.end() if start else 0 : end.start() if end else len(text)]
    for paragraph in re.split(r'\n\s*\n', text):
        yield from sentences(paragraph)


def mandarin_clauses(text):
    """Pieces of 3 to 18 simplified characters, with 。 or ？"""
    text = text.strip()
    mark = '？' if text.endswith(('？', '?')) else '。'
    parts = [p for p in re.split('[，。！？,.!?；：、“”"「」《》 …]+', text) if p]
    if len(parts) > 1 and (min(map(len, parts)) < 4 or len(''.join(parts)) <= 12):
        parts = [''.join(parts)]
    for n, part in enumerate(parts):
        if 3 <= len(part) <= 18 and re.fullmatch('[\u4e00-\u9fff]+', part) and simplified(part):
            yield part + (mark if n == len(parts) - 1 else '。')


def simplified(text):
    try:
        text.encode('gb2312')
    except UnicodeEncodeError:
        return False
    return True


def tatoeba(path):
    """English and Mandarin sentences, and the names of their authors."""
    english, mandarin, authors = {}, {}, set()
    for line in path.read_text('utf-8').splitlines():
        left, right, source = line.split('\t')
        taken = [dict.fromkeys(sentences(left)), dict.fromkeys(mandarin_clauses(right))]
        english.update(taken[0])
        mandarin.update(taken[1])
        names = re.findall(r'\(([^()]+)\)', source.partition('Attribution')[2])
        authors.update(name for name, used in zip(names, taken) if used)
    return english, mandarin, sorted(authors)


def jieba_words(path):
    found = collections.defaultdict(list)
    for line in path.read_text('utf-8').splitlines():
        word, count, kind = line.split(' ')
        least = 4 if kind == 'i' else 1
        if kind in MANDARIN_KINDS and least <= len(word) <= 4 and re.fullmatch('[\u4e00-\u9fff]+', word) and simplified(word):
            found[kind].append((int(count), word))
    return {name: [w for _, w in sorted(found[kind], reverse=True)[:most]] for kind, (name, most) in MANDARIN_KINDS.items()}


def key(text):
    """What two sentences have in common when they sound the same."""
    return re.sub(r"[^\w ]", '', text.lower().replace("'", ''))


def bag(text):
    return frozenset(key(text) if re.search('[\u4e00-\u9fff]', text) else key(text).split())


def alike(held, candidates):
    """The candidates that equal a held-out sentence, contain it or are contained in it, or share 60 % of the words with it."""
    bags, index = [(bag(t), key(t)) for t in held], collections.defaultdict(set)
    for n, (words, _) in enumerate(bags):
        for word in words:
            index[word].add(n)
    out = set()
    for text in candidates:
        words, plain_text = bag(text), key(text)
        shared = collections.Counter(n for word in words for n in index.get(word, ()))
        for n, count in shared.items():
            other, other_text = bags[n]
            inside = min(len(words), len(other)) >= 3 and (f' {plain_text} ' in f' {other_text} ' or f' {other_text} ' in f' {plain_text} ')
            if count >= 0.6 * len(words | other) or inside or plain_text == other_text:
                out.add(text)
                break
    return out


def hold_out(random, pools, count, outside):
    """`count` sentences of the pools in turn, each with a word that `outside` does not have, of 3 to 11 words."""
    taken = []
    while len(taken) < count:
        text = random.choice(pools[len(taken) % len(pools)])
        words = key(text).split()
        if text not in taken and (not outside or (3 <= len(words) <= 11 and set(words) - outside)):
            taken.append(text)
    return taken


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', type=pathlib.Path, default=RECIPE / 'corpus.json.xz')
    parser.add_argument('--held-out', type=pathlib.Path, default=RECIPE / 'held-out.json')
    parser.add_argument('--wordnet', type=pathlib.Path, required=True)
    parser.add_argument('--jieba', type=pathlib.Path, required=True)
    parser.add_argument('--books', type=pathlib.Path, nargs='+', required=True)
    parser.add_argument('--speeches', type=pathlib.Path, nargs='+', required=True)
    parser.add_argument('--tatoeba', type=pathlib.Path, required=True)
    parser.add_argument('--prose', type=int, default=70000, help='sentences of books at most')
    parser.add_argument('--speech', type=int, default=30000, help='sentences of speeches at most')
    options = parser.parse_args()
    r = random.Random(20)
    english, mandarin, authors = tatoeba(options.tatoeba)
    english = {
        'wordnet': dict.fromkeys(wordnet(options.wordnet)), 'tatoeba': english,
        'prose': dict.fromkeys(s for path in options.books for s in book(path)),
        'speeches': dict.fromkeys(s for path in options.speeches for s in book(path)),
    }
    print({name: len(texts) for name, texts in english.items()}, len(mandarin), 'Mandarin')
    # Words are counted in lower case where they stand inside a sentence, so that most names are left out.
    counts = collections.Counter(w for texts in english.values() for t in texts for w in t[:-1].split()[1:] if w.islower() and "'" not in w)
    words = [w for w, _ in counts.most_common(25000)]
    for name, most in (('prose', options.prose), ('speeches', options.speech)):
        kept = sorted(english[name])
        r.shuffle(kept)
        english[name] = kept[:most]
    english = {name: sorted(texts) for name, texts in english.items()}
    mandarin = sorted(mandarin)
    outside = {w.lower() for line in grammar.ANY_WORD for w in line.split()}
    held = {}
    for name, (count, count_mandarin) in HELD_OUT.items():
        used = [t for texts in held.values() for t in texts]
        pools = [[t for t in texts if t not in used] for texts in english.values()]
        pools_mandarin = [[t for t in mandarin if t not in used and len(t) <= 13]]
        held[name] = hold_out(r, pools, count, outside) + hold_out(r, pools_mandarin, count_mandarin, set())
    every = [t for texts in held.values() for t in texts]
    if alike(held['open'], held['open-development']):
        print('open and open-development share', alike(held['open'], held['open-development']))
    for name in english:
        near = alike(every, english[name])
        near |= {t for t in english[name] if re.search(r'Project Gutenberg|\betexts?\b', t)}  # on those who made the files
        english[name] = [t for t in english[name] if t not in near]
        print(name, len(english[name]), 'left,', len(near), 'like held-out ones taken out')
    near = alike(every, mandarin)
    mandarin = [t for t in mandarin if t not in near]
    print('Mandarin', len(mandarin), 'left,', len(near), 'taken out')
    options.held_out.write_text(json.dumps(held, ensure_ascii=False, indent=1) + '\n', 'utf-8')
    corpus = {
        'sources': {'tatoeba': 'Tatoeba (tatoeba.org), CC BY 2.0 FR, by ' + ', '.join(authors), 'wordnet': 'WordNet 3.0, Princeton University'},
        'english': english, 'words': words, 'mandarin': mandarin, 'mandarin_words': jieba_words(options.jieba),
    }
    text = json.dumps(corpus, ensure_ascii=False, separators=(',', ':'))
    options.out.write_bytes(lzma.compress(text.encode(), preset=6))
    print(f'{options.out.stat().st_size / 1e6:.2f} MB')


if __name__ == '__main__':
    main()
