import { describe, expect, it } from 'vitest'
import { migrate } from './migrate.js'

const supervisor = Array.from({ length: 4 }, (_, index) => {
  const n = index + 1
  return `[program:asr-server-${n}]
command=/opt/asr/venv/bin/python /opt/asr/server.py --model /models/Qwen3-ASR-1.7B --port ${8000 + n} ; one of four
directory=/opt/asr
environment=CUDA_VISIBLE_DEVICES="${index % 2}",PYTHONUNBUFFERED="1",
    OMP_NUM_THREADS="4"
autostart=true
autorestart=true
startsecs=10
startretries=5
stopwaitsecs=20
stopasgroup=true
killasgroup=true
user=asr
stdout_logfile=/var/log/asr/server-${n}.log
stdout_logfile_maxbytes=50MB
stdout_logfile_backups=10
redirect_stderr=true
`
}).join('\n')

const nginx = `upstream asr_backend { # the four
  server 127.0.0.1:8001 weight=3 max_fails=3 fail_timeout=30s;
  server 127.0.0.1:8002 weight=3;
  server 127.0.0.1:8003 weight=2;
  server 127.0.0.1:8004 weight=2;
  keepalive 32;
}
server {
  listen 80;
  server_name _;
  client_max_body_size 100M;
  location / {
    proxy_pass http://asr_backend;
    proxy_set_header Host "$host";
    proxy_connect_timeout 5s;
    proxy_read_timeout 300;
    proxy_next_upstream_tries 2;
  }
  location ~ \\.php$ { deny all; }
}
`

const noFiles = () => []

const input = {
  supervisor: { text: supervisor, file: 'asr.conf' },
  nginx: { text: nginx, file: 'nginx.conf', find: noFiles },
  keepCommands: false,
  findModel: (model: string) => (model.startsWith('/models/') ? model : null),
}

describe('migrate', () => {
  it('makes one group of four programs, with the weights of nginx', () => {
    const { config } = migrate(input)
    expect(config).toEqual({
      balancer: {
        health: { fall: 3 },
        port: 80,
        maxBodySize: '100MiB',
        timeouts: { connect: '5s', response: '300s' },
        retry: { attempts: 2 },
      },
      groups: [
        {
          name: 'asr-server',
          model: '/models/Qwen3-ASR-1.7B',
          instances: 4,
          basePort: 8001,
          weights: [3, 3, 2, 2],
          gpus: [0, 1],
          env: { OMP_NUM_THREADS: '4' },
        },
      ],
      supervisor: {
        stopTimeout: '20s',
        startRetries: 5,
        user: 'asr',
        logs: { dir: '/var/log/asr', maxBytes: '50MiB', backups: 10 },
      },
    })
  })

  it('says with its place what could not be mapped', () => {
    const { unmapped, hints } = migrate(input)
    const texts = unmapped.map(({ file, line, setting }) => `${file}:${line} ${setting}`)
    expect(texts).toContain('nginx:2 server 127.0.0.1:8001 fail_timeout=30s')
    expect(texts).toContain('nginx:10 server_name _')
    expect(texts).toContain('nginx:19 location ~ \\.php$')
    expect(texts).toContain('nginx:19 deny all')
    expect(texts).toContain('supervisor:8 [program:asr-server-1] startsecs=10')
    expect(texts.some((text) => text.includes('proxy_set_header'))).toBe(false)
    expect(hints.join('\n')).toContain('Port 80 needs root')
  })

  it('takes port and limits from where nginx sends to the programs, as nginx inherits them', () => {
    const text = `stream {
  upstream db { server 127.0.0.1:5432 max_fails=9; }
  server { listen 5433; proxy_pass db; proxy_connect_timeout 99s; }
}
http {
  client_max_body_size 10m;
  upstream wiki { server 127.0.0.1:3000 max_fails=7; least_conn; }
  server { listen 8080; client_max_body_size 1m; location / { proxy_pass http://wiki; proxy_read_timeout 7s; } }
  upstream asr { server 127.0.0.1:8001 weight=2 max_fails=3; server 127.0.0.1:8002; }
  server {
    listen 9000;
    client_max_body_size 200m;
    proxy_read_timeout 60s;
    location /asr { proxy_pass http://asr; proxy_read_timeout 300s; }
    location /static { client_max_body_size 2m; proxy_read_timeout 1s; }
  }
  server { listen 8888; location / { proxy_pass http://127.0.0.1:3000/; proxy_connect_timeout 1s; } }
}
`
    const { config, unmapped, hints } = migrate({
      ...input,
      nginx: { text, file: 'nginx.conf', find: noFiles },
    })
    expect(config['balancer']).toEqual({
      health: { fall: 3 },
      port: 9000,
      maxBodySize: '200MiB',
      timeouts: { response: '300s' },
    })
    const said = unmapped
      .filter(({ file }) => file === 'nginx')
      .map(({ line, setting }) => `${line} ${setting}`)
    expect(said).toEqual(['1 stream', '7 upstream wiki', '8 server', '15 location /static', '17 server'])
    expect(hints.join('\n')).not.toContain('3000')
  })

  it('says when two ways to the programs have limits of their own, and when there is none', () => {
    const read = (text: string) => migrate({ ...input, nginx: { text, file: 'nginx.conf', find: noFiles } })
    const { config, unmapped } = read(`server {
  listen 443 ssl;
  location / { proxy_pass http://localhost:8001; proxy_read_timeout 9s; }
}
server {
  listen 8080;
  location / { proxy_pass http://localhost:8002; proxy_read_timeout 60s; }
}
`)
    expect(config['balancer']).toEqual({ port: 8080, timeouts: { response: '60s' } })
    expect(unmapped).toContainEqual({
      file: 'nginx',
      path: null,
      line: 3,
      setting: 'proxy_read_timeout 9s',
      message: 'one holds for all requests: that of line 7',
    })
    const none = read('server { listen 80; location / { proxy_pass http://localhost:3000; } }')
    expect(none.config['balancer']).toBeUndefined()
    expect(none.hints.join('\n')).toContain('nginx.conf sends nothing to the imported programs')
  })

  it('reads what nginx.conf includes, and notes what it does not find', () => {
    const files = new Map([
      ['sites/*', { file: '/n/sites/asr', text: 'include more;\n' + nginx }],
      ['more', { file: '/n/more', text: 'include sites/*;\n' }],
      ['secret', { file: '/n/secret', text: null }],
    ])
    const text = 'http {\n include mime.types;\n include none.conf;\n include secret;\n include sites/*;\n}\n'
    const find = (pattern: string) => [files.get(pattern)].filter((file) => file !== undefined)
    const { config, unmapped } = migrate({ ...input, nginx: { text, file: 'nginx.conf', find } })
    expect(config['balancer']).toMatchObject({ port: 80, maxBodySize: '100MiB' })
    const said = unmapped.map(({ path, line, setting, message }) => `${path} ${line} ${setting}: ${message}`)
    expect(said).toContain('null 3 include none.conf: not read: there is no such file')
    expect(said).toContain('null 4 include secret: not read: /n/secret cannot be opened')
    expect(said).toContain('/n/more 1 include sites/*: not read: /n/sites/asr includes itself')
    expect(said).toContain('/n/sites/asr 11 server_name _: every name is answered')
    expect(said.join()).not.toContain('mime')
  })

  it('says that it does not read what supervisord includes', () => {
    const text = `${supervisor}\n[include]\nfiles = conf.d/*.conf\n`
    const { unmapped } = migrate({ ...input, supervisor: { text, file: 's' }, nginx: undefined })
    expect(unmapped.find(({ setting }) => setting === '[include]')?.message).toContain('is not read')
  })

  it('brings numbers into our bounds, or leaves them out, with their place', () => {
    const text = `[program:a]
command=python a.py --port 8001
startretries=999
stopwaitsecs=abc
stdout_logfile_maxbytes=0
stdout_logfile_backups=5000
`
    const nginxText = `upstream u {
  server 127.0.0.1:8001 weight=5000 max_conns=0 max_fails=x;
}
server { location / { proxy_pass http://u; proxy_next_upstream_tries 50; } }
`
    const { config, unmapped } = migrate({
      ...input,
      supervisor: { text, file: 's' },
      nginx: { text: nginxText, file: 'n', find: noFiles },
    })
    expect(config).toEqual({
      balancer: { retry: { attempts: 10 } },
      groups: [{ name: 'a', command: ['python', 'a.py', '--port', '{port}'], instances: 1, basePort: 8001 }],
      supervisor: { startRetries: 100, logs: { backups: 1000 } },
    })
    expect(
      unmapped.map(({ file, line, setting, message }) => `${file}:${line} ${setting}: ${message}`),
    ).toEqual([
      'supervisor:4 stopwaitsecs=abc: not a whole number; the default is used',
      'supervisor:3 startretries=999: here it is at most 100, which is used',
      'supervisor:5 stdout_logfile_maxbytes=0: a limit is needed here; the default is used',
      'supervisor:6 stdout_logfile_backups=5000: here it is at most 1000, which is used',
      'nginx:2 server 127.0.0.1:8001 weight=5000: here it is at most 1000, which is used',
      'nginx:2 server 127.0.0.1:8001 max_fails=x: not a whole number; the default is used',
      'nginx:4 proxy_next_upstream_tries 50: here it is at most 10, which is used',
    ])
  })

  it("expands supervisord's values, and notes those that only supervisord knows", () => {
    const text = `[supervisord]
environment=HF_HOME="/data/hf",LANG="C",HOST="%(host_node_name)s"
[program:a]
command=python a.py --name 100%% --key %(ENV_KEY)s --port 8001
environment=LANG="de",RATE="5%%"
directory=/srv/%(program_name)s
stdout_logfile=/var/log/%(program_name)s/out.log
autostart=True
autorestart=No
`
    const { config, unmapped } = migrate({ ...input, supervisor: { text, file: 's' }, nginx: undefined })
    expect(config).toEqual({
      groups: [
        {
          name: 'a',
          command: [
            'env',
            '--chdir=/srv/a',
            'python',
            'a.py',
            '--name',
            '100%',
            '--key',
            '%(ENV_KEY)s',
            '--port',
            '{port}',
          ],
          instances: 1,
          basePort: 8001,
          env: { HF_HOME: '/data/hf', LANG: 'de', HOST: '%(host_node_name)s', RATE: '5%' },
        },
      ],
      supervisor: { logs: { dir: '/var/log/a' } },
    })
    expect(unmapped.map(({ line, setting }) => `${line} ${setting}`)).toEqual([
      '4 [program:a] command %(ENV_KEY)s',
      '9 [program:a] autorestart=No',
      '2 [supervisord] environment %(host_node_name)s',
    ])
  })

  it.each([
    'python3 -m pkg --model /models/a',
    'python3 -u -m pkg --model /models/a',
    'nice /opt/venv/bin/python3.12 -X dev -W ignore -m pkg -m /models/a',
    'python3 -u server.py -m /models/a',
    'serve -m /models/a',
  ])('finds the model of `%s`', (command) => {
    const text = `[program:a]\ncommand=${command} --port 8001\n`
    const { config } = migrate({ ...input, supervisor: { text, file: 's' }, nginx: undefined })
    expect(config['groups']).toMatchObject([{ model: '/models/a' }])
  })

  it('names the keys that limit what one address asks', () => {
    const text = `limit_req_zone $binary_remote_addr zone=asr:10m rate=2r/s;
limit_conn_zone $binary_remote_addr zone=addr:10m;
server {
  listen 8080;
  limit_req zone=asr burst=5;
  limit_conn addr 4;
  location / { proxy_pass http://127.0.0.1:8001; }
}
`
    const { unmapped } = migrate({ ...input, nginx: { text, file: 'nginx.conf', find: noFiles } })
    const said = unmapped
      .filter(({ file, setting }) => file === 'nginx' && setting.startsWith('limit_'))
      .map(({ line, message }) => `${line}: ${/balancer\.[\w.]+/.exec(message)?.[0]}`)
    expect(said).toEqual([
      '1: balancer.perAddress.requestsPerMinute',
      '2: balancer.perAddress.concurrency',
      '5: balancer.perAddress.requestsPerMinute',
      '6: balancer.perAddress.concurrency',
    ])
  })

  it('keeps a server whose model is not one of ours, in its folder and on its port', () => {
    const { config } = migrate({ ...input, keepCommands: true })
    expect((config['groups'] as { command: string[] }[])[0]?.command).toEqual([
      'env',
      '--chdir=/opt/asr',
      '/opt/asr/venv/bin/python',
      '/opt/asr/server.py',
      '--model',
      '/models/Qwen3-ASR-1.7B',
      '--port',
      '{port}',
    ])
  })

  it('understands numprocs, a bound address and a port in the environment', () => {
    const text = `[program:web]
command=gunicorn --bind 127.0.0.1:90%(process_num)02d 'my app:app' ; x
numprocs=3
[program:other]
command=python app.py
environment=PORT="7000",KEY='a,b'
autorestart=false
[program:cron]
command=cron -f
[eventlistener:x]
command=y
`
    const { config, unmapped } = migrate({ ...input, supervisor: { text, file: 's' }, nginx: undefined })
    expect(config['groups']).toEqual([
      {
        name: 'other',
        command: ['env', 'PORT={port}', 'python', 'app.py'],
        instances: 1,
        basePort: 7000,
        env: { KEY: 'a,b' },
      },
      {
        name: 'web-group2',
        command: ['gunicorn', '--bind', '127.0.0.1:{port}', 'my app:app'],
        instances: 3,
        basePort: 9000,
      },
    ])
    expect(unmapped.map(({ setting }) => setting)).toEqual([
      '[program:cron]',
      '[program:other] autorestart=false',
      '[eventlistener:x]',
    ])
  })

  it('names the place of what cannot be read', () => {
    const broken =
      (text: string, nginxText = '') =>
      () =>
        migrate({
          ...input,
          supervisor: { text, file: 's.conf' },
          nginx: { text: nginxText, file: 'n.conf', find: noFiles },
        })
    expect(broken('command=x')).toThrow('s.conf:1: expected [section] or key=value')
    expect(broken('[supervisord]\n')).toThrow('has no program with a port')
    expect(broken(supervisor, 'server {\n listen 80\n}')).toThrow('n.conf:2: `listen` has no `;`')
    expect(broken(supervisor, 'server {\n')).toThrow('n.conf:1: a `}` is missing')
    expect(broken(supervisor, '}\n')).toThrow('n.conf:1: a `}` too many')
  })
})
