// A static server for one built mini-program, and for the https origins that it asks.
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'

const TYPES = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8',
  '.json': 'application/json', '.wasm': 'application/wasm', '.svg': 'image/svg+xml', '.png': 'image/png', '.jpg': 'image/jpeg',
  '.gif': 'image/gif', '.webp': 'image/webp',
}

// Page code may run scripts of the package and nothing else: no network, no eval, no Function constructor.
const LOGIC_POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'"
// The framework puts the pages' styles into <style> elements, so the view allows them.
const VIEW_POLICY = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-src 'self'"

/**
 * Serves a directory that buildMiniProgram wrote.
 *
 * @param {string} dir
 * @param {object} [options]
 * @param {number} [options.port] 0, the default, takes a free one
 * @param {string} [options.host] address to listen on, default 127.0.0.1
 * @param {Record<string, string | ((request: {method: string, path: string, headers: object, body: Buffer}) => any)>} [options.origins]
 *   `https://cdn.example.com` → a folder, whose files answer plain GETs, or a function that gives
 *   {status?, headers?, body?} (or nothing: 404)
 * @returns {Promise<{url: string, requests: object[], setOrigin(origin: string, answer: any): void, close(): Promise<void>}>}
 *   `requests` lists what the mapped origins were asked: {method, url, headers, status, atMs}
 */
export async function serveHost(dir, { port = 0, host = '127.0.0.1', origins = {} } = {}) {
  const mapped = { ...origins }
  const requests = []
  const server = http.createServer((request, response) => {
    answer(request, response).catch((error) => send(response, 500, {}, String(error.stack)))
  })

  async function answer(request, response) {
    const url = new URL(request.url, 'http://host')
    const name = decodeURIComponent(url.pathname)
    if (name === '/__origins') return send(response, 200, { 'content-type': TYPES['.json'] }, JSON.stringify(Object.keys(mapped)))
    if (name.startsWith('/__origin/')) return answerOrigin(request, response, url)
    if (request.method !== 'GET') return send(response, 405, {}, 'only GET')
    const page = name === '/' ? (url.searchParams.get('frame') === '0' ? '/screen.html' : '/phone.html') : name
    const headers = {}
    if (page.endsWith('.html')) headers['content-security-policy'] = page === '/service.html' ? LOGIC_POLICY : VIEW_POLICY
    return sendFile(response, dir, page, headers)
  }

  async function answerOrigin(request, response, url) {
    const [, , domain, ...rest] = url.pathname.split('/')
    const origin = `https://${domain}`
    const asked = { method: request.method, url: `${origin}/${rest.join('/')}${url.search}`, headers: request.headers, atMs: Date.now() }
    requests.push(asked)
    response.once('finish', () => { asked.status = response.statusCode })
    const target = mapped[origin]
    if (target === undefined) return send(response, 404, {}, 'no such origin')
    if (typeof target === 'function') {
      const chunks = []
      for await (const chunk of request) chunks.push(chunk)
      const given = await target({ method: request.method, path: `/${rest.join('/')}${url.search}`, headers: request.headers, body: Buffer.concat(chunks) })
      if (!given) return send(response, 404, {}, 'not found')
      return send(response, given.status || 200, given.headers || {}, given.body ?? '')
    }
    if (request.method !== 'GET') return send(response, 405, {}, 'only GET')
    return sendFile(response, target, `/${decodeURIComponent(rest.join('/'))}`, {})
  }

  await new Promise((listening, failed) => server.once('error', failed).listen(port, host, listening))
  return {
    url: `http://${host}:${server.address().port}`,
    requests,
    setOrigin(origin, target) {
      mapped[origin] = target
    },
    close: () => new Promise((closed) => {
      server.closeAllConnections()
      server.close(() => closed())
    }),
  }
}

// No validators and no caching: every GET is answered whole, so that a request log shows what was really asked.
function send(response, status, headers, body) {
  response.writeHead(status, { 'cache-control': 'no-store', ...headers })
  response.end(body)
}

function sendFile(response, dir, name, headers) {
  const root = path.resolve(dir)
  const file = path.join(root, path.normalize(name))
  if (!file.startsWith(root + path.sep) || !fs.existsSync(file) || !fs.statSync(file).isFile()) return send(response, 404, {}, 'not found')
  return send(response, 200, { 'content-type': TYPES[path.extname(file)] || 'application/octet-stream', ...headers }, fs.readFileSync(file))
}
