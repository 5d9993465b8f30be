"""Sentences to speak: the closed grammar's and open ones from corpus.json.xz (see corpus.py for the sources).

Sentences(corpus_path, random, exclude).next() → ('English' | 'Chinese', text)
"""
import functools
import json
import lzma
import re

import grammar

MANDARIN_SHARE = 0.23
GRAMMAR_SHARE = {'English': 35 / 77, 'Chinese': 8 / 23}
ENGLISH = {'wordnet': 36, 'tatoeba': 22, 'prose': 22, 'speeches': 10, 'words': 10}
REAL_MANDARIN = 0.55  # of the open Mandarin; the rest are templates

PERSONS = (
    '我 你 他 我们 你们 他们 大家 小王 小李 老张 小明 王先生 李小姐 张老师 刘医生 爸爸 妈妈 哥哥 姐姐 弟弟 妹妹 爷爷 奶奶 朋友 同学 老师 医生 '
    '司机 警察 经理 客人 邻居 孩子 老人 学生 工人 农民 记者 作家 科学家'
).split()
TIMES = (
    '今天 明天 昨天 后天 前天 早上 中午 下午 晚上 今天早上 明天下午 昨天晚上 现在 刚才 以后 以前 最近 将来 周末 星期一 星期二 星期三 星期四 星期五 '
    '星期六 星期天 上个月 下个月 这个月 去年 今年 明年 春天 夏天 秋天 冬天 每天 每年 半夜 平时 有时候'
).split()
SPOTS = (
    '家里 学校 公司 医院 商店 超市 饭店 公园 车站 机场 图书馆 银行 邮局 电影院 教室 办公室 厨房 客厅 卧室 门口 楼上 楼下 路上 街上 山上 海边 河边 '
    '城里 村子里 桌子上 床上 车上 火车上 飞机上 外面 里面 前面 后面 左边 右边 旁边 中间 对面 附近 北京 上海 广州 深圳 南京 杭州 成都 重庆 天津 西安 '
    '武汉 香港 台湾 中国 美国 日本 英国 法国 德国 东莞'
).split()
FRAMES = [
    '{person}{time}{在{spot}|}{verb}{noun}。', '{time}{person}{verb}了{noun}。', '{person}{adverb}{verb}{noun}。', '{noun}很{adjective}。',
    '{noun}{adverb}{adjective}。', '这{measure}{noun}{很|非常|太|不|比较|有点}{adjective}。', '{person}的{noun}{在{spot}|{adverb}{adjective}}。',
    '{adjective}的{noun}{verb}{adjective}的{noun}。', '{person}{想|要|会|能|应该|可以|不想|不能|必须|喜欢}{verb}{noun}。',
    '{person}{正在|已经|还没有|从来没有|总是|经常|马上就}{verb}{noun}。', '{spot}有{一|两|三|几|很多|五|十}{measure}{noun}。',
    '{person}把{noun}{verb}{了|到{spot}|给{person}}。', '{noun}被{person}{verb}了。', '{person}和{person}{time}去{spot}{verb}。',
    '你{知道|喜欢|想要|看见|认识|明白}{noun}吗？', '{person}{为什么|怎么|什么时候|在哪里}{verb}{noun}？', '谁{verb}了{person}的{noun}？',
    '{noun}比{noun}{更|还|}{adjective}。', '因为{noun}{adjective}所以{person}{verb}{noun}。', '如果{person}{verb}{person}就{verb}。',
    '请{帮我|给我|告诉我|不要}{verb}{noun}。', '{person}觉得{noun}{很|太|不}{adjective}。', '从{spot}到{spot}要{number}{分钟|小时|天|公里|块钱}。',
    '{person}买了{number}{measure}{noun}。', '{noun}和{noun}都{很|不}{adjective}。', '{person}说{noun}{adverb}{verb}。',
    '{noun}{noun}{verb}{noun}。', '{spot}的{noun}{很|真|最}{adjective}。', '{time}{spot}{很|非常|不}{adjective}。', '{idiom}。',
    '{person}{adverb}{idiom}。', '{place}的{noun}{idiom}。', '{person}在{place}{verb}{noun}。', '{any}。',
]


def key(text):
    """Equal for texts that sound the same."""
    return re.sub(r"[^\w ]", '', text.lower().replace("'", ''))


@functools.cache
def read(path):
    return json.loads(lzma.open(path).read())


class Sentences:
    def __init__(self, corpus_path, random, exclude=frozenset()):
        """random: a random.Random, that the grammar draws from as well; exclude: texts that are never to be given."""
        self.corpus = read(corpus_path)
        self.random = grammar.random = random
        self.exclude = {key(text) for text in exclude}
        words = self.corpus['words']
        self.common, self.words = words[:3000], words
        slots = self.corpus['mandarin_words']
        any_word = [w for name in ('noun', 'verb', 'adjective', 'adverb', 'spot') for w in slots[name]]
        self.slots = {
            **slots, 'person': PERSONS, 'time': TIMES, 'spot': SPOTS, 'number': grammar.mandarin_number,
            'any': lambda: ''.join(random.choice(any_word) for _ in range(random.randint(1, 5))),
        }

    def next(self, language=None):
        """(language, text); of the named language if there is one."""
        r = self.random
        while True:
            chosen = language or ('Chinese' if r.random() < MANDARIN_SHARE else 'English')
            closed = r.random() < GRAMMAR_SHARE[chosen]
            if chosen == 'Chinese':
                text = grammar.mandarin_sentence() if closed else self.mandarin()
            else:
                text = grammar.english_sentence() if closed else self.english()
            if key(text) not in self.exclude:
                return chosen, text

    def english(self):
        r = self.random
        kind = r.choices(list(ENGLISH), ENGLISH.values())[0]
        if kind != 'words':
            return r.choice(self.corpus['english'][kind])
        # Rare words are heard too, among frequent ones.
        text = ' '.join(r.choice(self.common if r.random() < 0.3 else self.words) for _ in range(r.randint(2, 6)))
        return text[0].upper() + text[1:] + '.'

    def mandarin(self):
        if self.random.random() < REAL_MANDARIN:
            return self.random.choice(self.corpus['mandarin'])
        return grammar.fill(self.random.choice(FRAMES), self.slots)
