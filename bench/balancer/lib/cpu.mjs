import { readdirSync, readFileSync } from 'node:fs'

/** User and system time of a process in seconds, from /proc; in steps of 10 ms. */
export function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

export const openFiles = (pid) => readdirSync(`/proc/${pid}/fd`).length
export const residentBytes = (pid) =>
  Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[1]) * 4096
