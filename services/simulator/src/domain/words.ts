import type { RandomSequence } from './random.js';

/** Language of generated text. */
export type Language = 'english' | 'chinese';

// Every entry is exactly one token of the simulator's tokenizer: up to four letters, or two ideographs.
const ENGLISH = (
  'the and for with from that this when then over into each both once more most some very good well long far ' +
  'new old next last same true open full fast slow high low line path road tree lake wind rain snow salt fish ' +
  'boat tuna wave tide moon star day hour week year word name list page book note code test call data byte rate'
).split(' ');
const CHINESE =
  '今天 天气 我们 你们 可以 因为 所以 如果 但是 已经 开始 时间 世界 中国 问题 方法 系统 数据 模型 语言 学习 工作 生活 城市 大海 金枪 网络 计算 结果 简单 重要 需要 知道 看到 使用 得到'.split(
    ' ',
  );

const SENTENCE_MIN = 5;
const SENTENCE_SPREAD = 8;

const capitalised = (word: string): string => word[0]!.toUpperCase() + word.slice(1);

/**
 * Writes exactly `count` tokens of plain prose; joined they are the text, and tokenized again they are the same
 * tokens. Reproducible from the sequence's state.
 */
export const writeWords = (random: RandomSequence, count: number, language: Language): string[] => {
  const tokens: string[] = [];
  const words = language === 'english' ? ENGLISH : CHINESE;
  let left = SENTENCE_MIN + random.below(SENTENCE_SPREAD);
  let atStart = true;
  while (tokens.length < count) {
    if (left === 0) {
      tokens.push(language === 'english' ? '.' : '。');
      left = SENTENCE_MIN + random.below(SENTENCE_SPREAD);
      atStart = true;
      continue;
    }
    const word = words[random.below(words.length)]!;
    if (language === 'chinese') tokens.push(word);
    else tokens.push((tokens.length === 0 ? '' : ' ') + (atStart ? capitalised(word) : word));
    left -= 1;
    atStart = false;
  }
  return tokens;
};
