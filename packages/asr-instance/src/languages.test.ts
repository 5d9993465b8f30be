import { describe, expect, it } from 'vitest'
import { languageCodes, parseLanguage } from './languages.js'

describe('parseLanguage', () => {
  it.each(['en', 'EN', 'english', 'English', 'en-US', 'en_GB', ' en '])('takes %j for English', (text) => {
    expect(parseLanguage(text)).toBe('English')
  })

  it.each(['', 'auto', 'Auto', ' '])('takes %j for no choice', (text) => {
    expect(parseLanguage(text)).toBeNull()
  })

  it('knows 30 languages by name and by code', () => {
    expect(Object.keys(languageCodes)).toHaveLength(30)
    for (const [name, code] of Object.entries(languageCodes)) {
      expect(parseLanguage(name)).toBe(name)
      expect(parseLanguage(code)).toBe(name)
    }
  })

  it('keeps Cantonese and Chinese apart', () => {
    expect(parseLanguage('yue-HK')).toBe('Cantonese')
    expect(parseLanguage('zh-Hant-TW')).toBe('Chinese')
  })

  it.each(['xx', 'klingon', 'constructor', '__proto__', 'english please', 'x'.repeat(10_000)])(
    'refuses %j with the list of what it takes',
    (text) => {
      expect(() => parseLanguage(text)).toThrowError(
        expect.objectContaining({
          code: 'invalid_language',
          param: 'language',
          message: expect.stringMatching(/^.{1,80}Accepted: auto, Chinese \(zh\), English \(en\)/),
        }),
      )
    },
  )

  it('refuses a language that the model does not declare', () => {
    expect(parseLanguage('en', ['English'])).toBe('English')
    expect(() => parseLanguage('de', ['English'])).toThrowError(/Accepted: auto, English \(en\)\./)
  })
})
