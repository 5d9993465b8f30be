/** Evaluated in the page: texts whose contrast with what is behind them is below WCAG's AA, as `ratio text`. */
;(() => {
  const leastRatio = 4.5
  const parse = (text) => {
    const [r = 0, g = 0, b = 0, a = 1] = (text.match(/[\d.]+/g) ?? []).map(Number)
    return { rgb: [r, g, b], a }
  }
  const luminance = ({ rgb }) => {
    const [r, g, b] = rgb.map((channel) => {
      const share = channel / 255
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = parse(getComputedStyle(each).backgroundColor)
      if (color.a > 0) return color
    }
    return parse('rgb(255, 255, 255)')
  }
  const ownText = (element) =>
    [...element.childNodes]
      .filter((node) => node.nodeType === Node.TEXT_NODE)
      .map((node) => node.textContent)
      .join('')
      .trim()
  return [...document.querySelectorAll('body *')].flatMap((element) => {
    if (ownText(element) === '' || element.getClientRects().length === 0) return []
    const lights = [luminance(parse(getComputedStyle(element).color)), luminance(behind(element))]
    const ratio = (Math.max(...lights) + 0.05) / (Math.min(...lights) + 0.05)
    return ratio < leastRatio ? [`${ratio.toFixed(2)} ${ownText(element)}`] : []
  })
})()
