const unspacedScript =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\u3000-\u303F\uFF00-\uFFEF]/u

/** What stands between two pieces of one text: a space, except where the script on either side uses none. */
export function separatorBetween(before: string, after: string): string {
  if (before === '' || after === '') return ''
  const last = Array.from(before.slice(-2)).at(-1) ?? ''
  const first = Array.from(after.slice(0, 2))[0] ?? ''
  if (/\s/u.test(last) || /\s/u.test(first)) return ''
  return unspacedScript.test(last) || unspacedScript.test(first) ? '' : ' '
}
