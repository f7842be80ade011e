/** What the door says, in both languages. */

const TEXTS = {
  title: { zh: '请稍候，即将进店', en: 'You will be let in soon' },
  unreachable_title: { zh: '暂时连不上商店', en: 'The shop cannot be reached now' },
  fair_before: {
    zh: '开抢前到的人，顺序由抽签决定：早一秒、刷新都不会靠前。请留在本页，到时自动进店。',
    en: 'Everybody who is here before the opening gets a place by lot. Coming earlier or reloading gains nothing. Stay on this page: it goes in by itself.',
  },
  fair_after: {
    zh: '已经开抢。为了让商店不拥堵，大家分批进店。请留在本页，到时自动进店。',
    en: 'The sale is open. People go in evenly, so that the shop stays quick. Stay on this page: it goes in by itself.',
  },
  unreachable: {
    zh: '本页会自己再试，不用刷新。您没有失去任何名额：名额在进店排队时才分配。',
    en: 'This page tries again by itself. You have lost nothing: places are given inside.',
  },
  in: { zh: '进店倒计时', en: 'You go in within' },
  opens: { zh: '{n} 开抢', en: 'opens {n}' },
  is_open: { zh: '已开抢', en: 'open now' },
  people: { zh: '{n} 人在排队', en: '{n} in line' },
  units: { zh: '剩 {n} 件', en: '{n} left' },
  going: { zh: '正在进店…', en: 'Going in…' },
  enter: { zh: '没有跳转？点这里进店', en: 'Still here? Go in' },
} as const

export type Word = keyof typeof TEXTS

export const language: 'zh' | 'en' = navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en'

export function say(word: Word, n: number | string = ''): string {
  return TEXTS[word][language].replace('{n}', n.toLocaleString(language))
}
