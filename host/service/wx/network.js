// wx.request and image addresses. An https origin is answered by the host's own server, from the folder mapped to it; any
// other origin fails, as a domain missing from the mini-program's list does.
import { guarded, network, normalize, options, ownBytes, records, toBase64, view } from '../context.js'
import { NEVER } from './api.js'
import { bytesOf, kindOf, locate } from './disk.js'
import { faults } from './faults.js'

const fetchFromServer = view.fetch.bind(view)

/** Origins that the server answers for; set at start. */
export const origins = { mapped: [] }

const localAddress = (url) => {
  const match = /^https:\/\/([^/?#]+)(.*)$/.exec(url)
  return match && origins.mapped.includes(`https://${match[1]}`) ? `__origin/${match[1]}${match[2] || '/'}` : undefined
}

const wait = (ms) => new Promise((done) => setTimeout(done, ms))

const encodePairs = (data) => Object.entries(data)
  .map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(typeof value === 'object' ? JSON.stringify(value) : value)}`)
  .join('&')

function describe({ url, method = 'GET', header = {}, data }) {
  const upper = method.toUpperCase()
  const headers = { 'content-type': 'application/json' }
  for (const [name, value] of Object.entries(header)) headers[name.toLowerCase()] = String(value)
  let address = url
  let body
  if (data && typeof data === 'object' && !(data instanceof ArrayBuffer)) {
    const form = encodePairs(data)
    if (upper === 'GET') address += form && `${url.includes('?') ? '&' : '?'}${form}`
    else body = headers['content-type'].includes('x-www-form-urlencoded') ? form : JSON.stringify(data)
  } else body = data
  return { method: upper, url: address, headers, body }
}

async function perform(request, { responseType, dataType = 'json' }, signal) {
  if (!/^https:\/\//.test(request.url)) throw new Error(`invalid url "${request.url}"`)
  if (faults.dead) await NEVER
  if (network.delayMs) await wait(network.delayMs)
  if (!network.online) throw Object.assign(new Error('errcode:-106 cronet_error_code:-106 error_msg:net::ERR_INTERNET_DISCONNECTED'), { errno: 600001 })
  const local = localAddress(request.url)
  if (!local) throw Object.assign(new Error('url not in domain list'), { errno: 600002 })
  const { 'content-type': contentType, ...headers } = request.headers
  if (request.method !== 'GET') headers['content-type'] = contentType
  const answer = await fetchFromServer(local, { method: request.method, headers, body: request.body, signal, cache: 'no-store' })
  const bytes = ownBytes(new Uint8Array(await answer.arrayBuffer()))
  let data = bytes.buffer
  if (responseType !== 'arraybuffer') {
    data = new view.TextDecoder().decode(bytes)
    if (dataType === 'json') {
      try {
        data = JSON.parse(data)
      } catch {
        // What is not JSON stays text, as on the phone.
      }
    }
  }
  const header = {}
  answer.headers.forEach((value, name) => { header[name] = value })
  return { data, statusCode: answer.status, header, cookies: [], errMsg: 'request:ok' }
}

export function request(given) {
  const described = describe(given)
  const entry = { ...described, body: printable(described.body), atMs: Date.now(), status: undefined }
  records.requests.push(entry)
  const control = new view.AbortController()
  const timer = given.timeout ? setTimeout(() => control.abort(new Error('timeout')), given.timeout) : undefined
  const tell = (name, outcome) => {
    if (typeof given[name] === 'function') guarded(`wx.request ${name}`, () => given[name](outcome))
  }
  perform(described, given, control.signal).then((answer) => {
    entry.status = answer.statusCode
    tell('success', answer)
    tell('complete', answer)
  }, (error) => {
    entry.status = 'failed'
    const failed = { errMsg: `request:fail ${error.message || error}`, errno: error.errno ?? 5 }
    tell('fail', failed)
    tell('complete', failed)
  }).finally(() => clearTimeout(timer))
  return {
    abort: () => control.abort(new Error('abort')),
    onHeadersReceived() {},
    offHeadersReceived() {},
    onChunkReceived() {},
    offChunkReceived() {},
  }
}

function printable(body) {
  return body instanceof ArrayBuffer ? `base64:${toBase64(new Uint8Array(body))}` : body
}

/** What an <image> shows: a package file, a user file, a data URL, or a remote picture, which is recorded. */
export function resolveImage(src, folder) {
  if (!src || src.startsWith('data:')) return src || ''
  if (src.startsWith('wxfile://')) {
    const place = locate(src)
    return kindOf(place) === 'file' ? `data:;base64,${toBase64(bytesOf(place))}` : ''
  }
  if (/^[a-z]+:\/\//.test(src)) {
    records.images.push({ url: src, atMs: Date.now() })
    return localAddress(src) || src
  }
  return `pkg/${normalize(src.startsWith('/') ? src : `${folder}/${src}`)}`
}

// Randomness: real by default, repeatable with ?random=SEED, failing with ?random=off.
let state = 0
if (/^\d+$/.test(options.random)) state = Number(options.random) >>> 0

export function randomBytes(length) {
  const bytes = new Uint8Array(length)
  if (!/^\d+$/.test(options.random)) return ownBytes(view.crypto.getRandomValues(new view.Uint8Array(length)))
  for (let at = 0; at < length; at++) {
    // A Weyl sequence through MurmurHash3's finaliser: repeatable, and good enough for a test.
    state = (state + 0x9e3779b9) >>> 0
    let mixed = state
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
    bytes[at] = (mixed ^ (mixed >>> 16)) & 255
  }
  return bytes
}
