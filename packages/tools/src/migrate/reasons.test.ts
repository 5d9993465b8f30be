import { expect, it } from 'vitest'
import { migrate } from './migrate.js'

it('gives the reason that is one for what is not mapped', () => {
  const program = (name: string, ...lines: string[]) => `[program:${name}]\n${lines.join('\n')}\n`
  const { config, unmapped, hints } = migrate({
    keepCommands: false,
    findModel: () => null,
    supervisor: {
      file: 'asr.conf',
      text: [
        program('a', 'command=a --port 80%(process_num)02d', 'numprocs=two', 'stdout_logfile=/var/log/a/x'),
        program('b', 'command=b --port 81%(process_num)02d', 'numprocs=100000000'),
        program('c', 'command=c --port 99999'),
        program('d', 'command=d', 'environment=PORT="%(ENV_X)s"'),
        program('e', 'environment=A="1"'),
        program('f', 'command=f --port 8300', 'stdout_logfile=/var/log/f/x', 'exitcodes=0'),
      ].join(''),
    },
    nginx: {
      file: 'nginx.conf',
      find: () => [],
      text: `upstream asr {
  server 127.0.0.1:8000 max_fails=0 slow_start=30s;
  server unix:/run/asr.sock;
  server localhost;
  server 10.0.0.9:8000;
}
server {
  listen unix:/run/front.sock;
  listen 10.0.0.5:8080;
  deny all;
  error_log /var/log/nginx/error.log;
  location /v1/audio/transcriptions { proxy_pass http://asr; }
  location = /v1/models { proxy_pass http://asr; }
  location /v2 { proxy_pass http://asr; }
}
`,
    },
  })
  const texts = unmapped.map(({ file, line, setting, message }) => `${file}:${line} ${setting}: ${message}`)
  expect(texts).toEqual([
    'supervisor:3 [program:a] numprocs=two: not a whole number; the default is used',
    'supervisor:7 [program:b] numprocs=100000000: here it is at most 64, which is used',
    'supervisor:13 [program:e]: it has no command',
    'supervisor:8 [program:c]: 99999 is no port; the last one is 65535',
    'supervisor:10 [program:d]: no port: PORT=%(ENV_X)s',
    'supervisor:18 [program:f] exitcodes=0: any end that nobody asked for is followed by a restart; only exit code 78 ends the tries',
    'supervisor:17 stdout_logfile: folders differ; /var/log/a is used for all',
    'nginx:2 server 127.0.0.1:8000 max_fails=0: probes always count; how many may fail is balancer.health.fall',
    'nginx:2 server 127.0.0.1:8000 slow_start=30s: an instance that is back gets its share little by little anyway',
    'nginx:3 server unix:/run/asr.sock: a Unix socket: instances have ports',
    'nginx:4 server localhost: without a port nginx takes 80, which no imported program has',
    'nginx:5 server 10.0.0.9:8000: not on this machine: `asr-balancer --upstream URL` serves upstreams of other machines',
    'nginx:8 listen unix:/run/front.sock: no TCP port: clients come to balancer.port',
    'nginx:10 deny all: who may ask is said by balancer.host, auth.apiKeys and a firewall',
    'nginx:11 error_log /var/log/nginx/error.log: the log of the balancer is balancer.log in the folder supervisor.logs.dir',
    'nginx:14 location /v2: the routes are fixed: see docs/api.md',
  ])
  expect(config['balancer']).toEqual({ port: 8080 })
  expect(hints.join('\n')).toContain(
    'nginx listened on 10.0.0.5 (listen 10.0.0.5:8080). Written is 127.0.0.1',
  )
  expect(hints.join('\n')).toContain('set balancer.host: 10.0.0.5, and auth.apiKeys')
})
