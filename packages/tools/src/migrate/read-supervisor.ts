import type { Notes } from './notes.js'
import { programsOf, unexpanded, type TheirProgram } from './programs.js'
import { parseSupervisor, type IniEntry, type IniSection } from './parse-supervisor.js'
import { boundedInteger, supervisorSize } from './units.js'

/** What a supervisord file says about the processes as a whole. */
export interface TheirProcesses {
  /** By port. */
  programs: TheirProgram[]
  /** The `supervisor:` section of our configuration. */
  settings: Record<string, unknown>
}

/** What supervisord has a switch for and this cluster always does, or has no need of. */
const alwaysSo = new Set([
  'command',
  'directory',
  'environment',
  'numprocs',
  'numprocs_start',
  'process_name',
  'stopasgroup',
  'killasgroup',
  'redirect_stderr',
  'stderr_logfile',
  'stderr_logfile_maxbytes',
  'stderr_logfile_backups',
  'stdout_logfile',
  'stdout_logfile_maxbytes',
  'stdout_logfile_backups',
  'startretries',
  'stopwaitsecs',
  'user',
])

const reasons: Record<string, string> = {
  startsecs: 'an instance counts as ready when a probe of it succeeds, not after a time',
  priority: 'instances start side by side, on one GPU one after the other',
  exitcodes: 'any end that nobody asked for is followed by a restart; only exit code 78 ends the tries',
  umask: 'set it where asr-cluster is started, for example UMask= of the systemd unit',
}

export function readSupervisor(text: string, file: string, notes: Notes): TheirProcesses {
  const sections = parseSupervisor(text, file)
  const withPort: TheirProgram[] = []
  for (const program of programsOf(sections, notes)) {
    const { name, port, portVariable, environment } = program
    if (port !== null && port >= 0 && port <= 65_535 && Number.isInteger(port)) withPort.push(program)
    else notes.unmapped('supervisor', program.line, `[program:${name}]`, whyNoPort())

    function whyNoPort(): string {
      if (portVariable !== null) return `no port: ${portVariable}=${environment[portVariable]}`
      return port === null
        ? `no port found in \`${program.command.join(' ').slice(0, 80)}\``
        : `${port} is no port; the last one is 65535`
    }
  }
  for (const section of new Set(withPort.map((program) => program.section))) checkKeys(section, notes)
  const inherited = sections.find(({ name }) => name === 'supervisord')?.entries.get('environment')
  if (inherited) noteUnexpanded('[supervisord] environment', inherited, notes)
  for (const section of sections) {
    if (/^(unix_http_server|inet_http_server|rpcinterface|supervisorctl|group)/.test(section.name)) continue
    if (section.name.startsWith('program:') || section.name === 'supervisord') continue
    const reason =
      section.name === 'include'
        ? 'what it names is not read: give --supervisor the file that has the programs'
        : 'there is nothing like it here'
    notes.unmapped('supervisor', section.line, `[${section.name}]`, reason)
  }
  return {
    programs: withPort.toSorted((a, b) => (a.port as number) - (b.port as number)),
    settings: settingsOf(withPort, notes),
  }
}

const readValues = new Set(['command', 'directory', 'environment', 'stdout_logfile'])

function noteUnexpanded(setting: string, { value, line }: IniEntry, notes: Notes): void {
  for (const text of new Set(unexpanded(value))) {
    const message = 'not known here: write in its place what supervisord puts there'
    notes.unmapped('supervisor', line, `${setting} ${text}`, message)
  }
}

function checkKeys({ name, entries }: IniSection, notes: Notes): void {
  for (const [key, entry] of entries) {
    const { value, line } = entry
    if (readValues.has(key)) noteUnexpanded(`[${name}] ${key}`, entry, notes)
    if (alwaysSo.has(key)) continue
    if (key === 'autostart' && /^(true|yes|on|1)$/i.test(value)) continue
    if (key === 'autorestart' && !/^(false|no|off|0)$/i.test(value)) continue
    if (key === 'stopsignal' && /^(SIG)?TERM$/i.test(value)) continue
    const reason =
      key === 'stopsignal' || key === 'autostart' || key === 'autorestart'
        ? 'instances are started, restarted after any death, and stopped with SIGTERM'
        : (reasons[key] ?? 'there is nothing like it here')
    notes.unmapped('supervisor', line, `[${name}] ${key}=${value}`, reason)
  }
}

function settingsOf(programs: readonly TheirProgram[], notes: Notes): Record<string, unknown> {
  const settings: Record<string, unknown> = {}
  const entry = (key: string): IniEntry | undefined => {
    const found = programs.flatMap((program) => program.section.entries.get(key) ?? [])
    const other = found.find(({ value }) => value !== found[0]?.value)
    if (other && key !== 'stdout_logfile') {
      notes.unmapped('supervisor', other.line, key, `programs differ; ${found[0]?.value} is used for all`)
    }
    return found[0]
  }
  const whole = (key: string, max: number): number | null => {
    const found = entry(key)
    if (!found) return null
    const { value, problem } = boundedInteger(found.value, 0, max)
    if (problem !== null) notes.unmapped('supervisor', found.line, `${key}=${found.value}`, problem)
    return value
  }
  const stopWait = whole('stopwaitsecs', Number.MAX_SAFE_INTEGER)
  if (stopWait !== null) settings['stopTimeout'] = `${stopWait}s`
  const retries = whole('startretries', 100)
  if (retries !== null) settings['startRetries'] = retries
  const user = entry('user')?.value
  if (user) {
    settings['user'] = user
    notes.hint(`supervisor.user: ${user} works only when root starts asr-cluster; else take the line out.`)
  }
  const logs: Record<string, unknown> = {}
  const folders = programs.flatMap(({ logfile }) => folderOf(logfile) ?? [])
  if (folders[0] !== undefined) logs['dir'] = folders[0]
  if (new Set(folders).size > 1) {
    const other = programs.find(({ logfile }) => ![null, folders[0]].includes(folderOf(logfile)))
    const line = other?.section.entries.get('stdout_logfile')?.line ?? 1
    notes.unmapped('supervisor', line, 'stdout_logfile', `folders differ; ${folders[0]} is used for all`)
  }
  const maxBytes = entry('stdout_logfile_maxbytes')
  const size = supervisorSize(maxBytes?.value ?? '')
  if (size !== null && size !== '0B') logs['maxBytes'] = size
  else if (maxBytes) {
    const reason = size === null ? 'not understood' : 'a limit is needed here; the default is used'
    notes.unmapped('supervisor', maxBytes.line, `stdout_logfile_maxbytes=${maxBytes.value}`, reason)
  }
  const backups = whole('stdout_logfile_backups', 1_000)
  if (backups !== null) logs['backups'] = backups
  if (Object.keys(logs).length > 0) settings['logs'] = logs
  return settings
}

/** Null for a device, a path that is not absolute, and one with something that is not known here. */
function folderOf(logfile: string | null): string | null {
  if (!logfile?.startsWith('/') || logfile.startsWith('/dev/')) return null
  const folder = logfile.slice(0, logfile.lastIndexOf('/')) || '/'
  return unexpanded(folder).length > 0 ? null : folder
}
