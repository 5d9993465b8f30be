import { execFileSync } from 'node:child_process'

function output(...args: string[]): string {
  try {
    return execFileSync('ffmpeg', ['-hide_banner', ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
  } catch {
    return ''
  }
}

const encoders = output('-encoders')

export const hasFfmpeg = encoders !== ''

export function hasEncoder(name: string): boolean {
  return new RegExp(`^ A\\S+ ${name} `, 'm').test(encoders)
}
