// The least that can be done with the proxy library: round robin over keep-alive connections, nothing else.
// node bare-proxy.mjs PORT UPSTREAM_PORT…
import { Agent, createServer } from 'node:http'
import httpProxy from 'http-proxy'

const [port, ...upstreams] = process.argv.slice(2)
const agent = new Agent({ keepAlive: true })
const proxy = httpProxy.createProxyServer({ agent })
proxy.on('error', (_, __, response) => {
  if (response.writeHead && !response.headersSent) response.writeHead(502)
  response.end()
})
let turn = 0
createServer((request, response) => {
  proxy.web(request, response, { target: `http://127.0.0.1:${upstreams[turn++ % upstreams.length]}` })
}).listen(Number(port), '127.0.0.1')
