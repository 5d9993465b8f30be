import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodeArguments } from '../../../packages/balancer/dist/index.js'
import { balancerBin, freePort, pathOf, start, untilListening } from './processes.mjs'

const dir = mkdtempSync(join(tmpdir(), 'asr-balancer-bench-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))

/** The usual nginx configuration for this job, with connections to the upstreams kept open. One process, as ours. */
function nginx(port, members) {
  const conf = join(dir, `nginx-${port}.conf`)
  const servers = members.map(({ port: target, weight }) => `server 127.0.0.1:${target} weight=${weight};`)
  writeFileSync(
    conf,
    `daemon off; master_process off; pid ${dir}/nginx-${port}.pid; error_log ${dir}/nginx.log;
    events { worker_connections 1024; }
    http {
      access_log off; client_body_temp_path ${dir}/body; proxy_temp_path ${dir}/proxy; keepalive_requests 1000000;
      fastcgi_temp_path ${dir}/f; uwsgi_temp_path ${dir}/u; scgi_temp_path ${dir}/s;
      upstream asr { ${servers.join(' ')} keepalive 64; }
      server {
        listen 127.0.0.1:${port}; client_max_body_size 100M;
        location / {
          proxy_pass http://asr; proxy_http_version 1.1; proxy_set_header Connection "";
          proxy_set_header X-Real-IP $remote_addr; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
          proxy_connect_timeout 5s; proxy_send_timeout 300s; proxy_read_timeout 300s;
        }
      }
    }`,
  )
  return start('nginx', ['-c', conf, '-e', `${dir}/nginx.log`])
}

function haproxy(port, members) {
  const conf = join(dir, `haproxy-${port}.cfg`)
  const servers = members.map(
    ({ id, port: target, weight }) =>
      `  server ${id} 127.0.0.1:${target} weight ${weight} check inter 2s fall 3 rise 1`,
  )
  writeFileSync(
    conf,
    `global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 300s
  timeout server 300s
  timeout queue 60s
  option forwardfor
  http-reuse always
frontend f
  bind 127.0.0.1:${port}
  default_backend b
backend b
  balance leastconn
${servers.join('\n')}
`,
  )
  return start('haproxy', ['-db', '-q', '-f', conf])
}

const bare = (port, members) =>
  start(process.execPath, [pathOf('bare-proxy.mjs'), port, ...members.map((member) => member.port)])

function ours(port, members, options = {}) {
  const upstreams = members.flatMap(({ id, port: target, weight, slots }) => [
    '--upstream',
    `http://127.0.0.1:${target};id=${id};weight=${weight};slots=${slots};native=true`,
  ])
  const extra = Object.entries(options).flatMap(([flag, value]) => [`--${flag}`, value])
  return start(process.execPath, [
    ...nodeArguments,
    balancerBin,
    '--port',
    port,
    '--log-level',
    'error',
    ...upstreams,
    ...extra,
  ])
}

export const proxies = { 'asr-balancer': ours, nginx, 'haproxy leastconn': haproxy, 'http-proxy-3': bare }

/** Starts a proxy before the members; resolves when it listens. */
export async function startProxy(name, members, options) {
  const port = await freePort()
  const child = proxies[name](port, members, options)
  await untilListening(port)
  return { name, port, child }
}

/** Starts one worker for each weight. */
export async function startWorkers(weights, slots, serviceMs = 0) {
  return Promise.all(
    weights.map(async (weight, index) => {
      const port = await freePort()
      const id = `w${index}`
      const launch = () => start(process.execPath, [pathOf('worker.mjs'), port, id, slots, serviceMs])
      const member = { id, port, weight, slots, child: launch(), restart: () => (member.child = launch()) }
      await untilListening(port)
      return member
    }),
  )
}
