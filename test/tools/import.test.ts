import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { parse } from 'yaml'
import { sendClip, spokenClips } from '../cluster/clients.ts'
import { binOf, fixtures, repositoryRoot, runProgram, startCluster } from '../harness/index.js'

/** The usual set-up: four programs, an upstream with weights. `command` gets `--port N` behind it. */
function usualFiles(
  command: string,
  basePort: number,
  listen: number,
): { supervisor: string; nginx: string } {
  const programs = [1, 2, 3, 4].map(
    (n) => `[program:asr-${n}]
command=${command} --port ${basePort + n}
directory=${repositoryRoot}
environment=CUDA_VISIBLE_DEVICES="-1",GREETING="hello"
autostart=true
autorestart=true
startsecs=5
startretries=3
stopwaitsecs=10
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=5
`,
  )
  const servers = [3, 3, 2, 2].map(
    (weight, index) =>
      `    server 127.0.0.1:${basePort + index + 1} weight=${weight} max_fails=3 fail_timeout=30s;`,
  )
  return {
    supervisor: `[supervisord]\nnodaemon=true\n\n${programs.join('\n')}`,
    nginx: `upstream asr_backend {
${servers.join('\n')}
    keepalive 32;
}
server {
    listen ${listen};
    client_max_body_size 100M;
    location / {
        proxy_pass http://asr_backend;
        proxy_set_header Host $host;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_connect_timeout 5s;
        proxy_read_timeout 300s;
        proxy_next_upstream error timeout;
    }
}
`,
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function importInto(
  command: string,
  ...flags: string[]
): Promise<{ file: string; stderr: string; port: number }> {
  const dir = mkdtempSync(join(tmpdir(), 'asr-import-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  const port = await freePort()
  const files = usualFiles(command, 8000, port)
  writeFileSync(join(dir, 'asr.conf'), files.supervisor)
  writeFileSync(join(dir, 'nginx.conf'), files.nginx)
  const args = [
    'import',
    '--supervisor',
    'asr.conf',
    '--nginx',
    'nginx.conf',
    '-o',
    'asr-cluster.yaml',
    ...flags,
  ]
  const result = await runProgram(binOf('asr-cluster'), { args, cwd: dir })
  expect(result, result.stderr).toMatchObject({ code: 0 })
  expect(await runProgram(binOf('asr-cluster'), { args, cwd: dir })).toMatchObject({ code: 1 })
  return { file: join(dir, 'asr-cluster.yaml'), stderr: result.stderr, port }
}

async function answersOf(
  url: string,
  count: number,
): Promise<{ texts: Set<string>; per: Record<string, number> }> {
  const [clip] = await spokenClips()
  const texts = new Set<string>()
  const per: Record<string, number> = {}
  for (let i = 0; i < count; i++) {
    const { instance, text } = await sendClip(url, clip!)
    per[instance!] = (per[instance!] ?? 0) + 1
    texts.add(text ?? '')
  }
  return { texts, per }
}

it('writes a configuration that runs four of our instances with the weights of nginx', async () => {
  const { file, stderr, port } = await importInto(
    `/opt/asr/bin/python server.py --model ${repositoryRoot}models/demo`,
  )
  expect(stderr).toContain('nginx.conf:2: server 127.0.0.1:8001 fail_timeout=30s: probes, not a time')
  expect(stderr).toContain('asr.conf:10: [program:asr-1] startsecs=5')
  await using cluster = await startCluster({ flags: ['-c', file] })
  expect(cluster.port).toBe(port)
  const { per } = await answersOf(cluster.url, 10)
  expect(per).toEqual({ 'asr-0': 3, 'asr-1': 3, 'asr-2': 2, 'asr-3': 2 })
})

it('runs their own servers too, each in its folder with its environment', async () => {
  const { file } = await importInto(`${process.execPath} ${fixtures}flask-like.js`, '--keep-commands')
  expect(parse(readFileSync(file, 'utf8'))).toMatchObject({
    groups: [{ instances: 4, basePort: 8001, weights: [3, 3, 2, 2], gpus: 'none' }],
  })
  await using cluster = await startCluster({ flags: ['-c', file] })
  const { texts, per } = await answersOf(cluster.url, 10)
  expect([...texts]).toEqual([`hello from ${repositoryRoot.replace(/\/$/, '')}`])
  expect(Object.values(per).toSorted((a, b) => a - b)).toEqual([2, 2, 3, 3])
})
