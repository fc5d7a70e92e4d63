// What a shop publishes: a root, a signed manifest, and the smallest model that a phone accepts.

import crypto from 'node:crypto'

const sha256 = (bytes) => crypto.createHash('sha256').update(bytes).digest('hex')
const PREFIX = { root: 'zhiji-root-v1\n', manifest: 'zhiji-manifest-v1\n' }
const SPKI_HEADER_BYTES = 12
const ADDRESS = 'https://cdn.example.com/shop/'

/** A key that is the same in every run. */
function keyOf(name) {
  const header = Buffer.from('302e020100300506032b657004220420', 'hex')
  const secret = crypto.createPrivateKey({ key: Buffer.concat([header, crypto.createHash('sha256').update(name).digest()]), format: 'der', type: 'pkcs8' })
  const open = crypto.createPublicKey(secret).export({ format: 'der', type: 'spki' }).subarray(SPKI_HEADER_BYTES)
  return { secret, id: sha256(open).slice(0, 32), text: open.toString('hex') }
}

const KEY = keyOf('tests')
const FORGER = keyOf('forger')

function signed(kind, payload, key = KEY) {
  const text = JSON.stringify(payload)
  const sig = crypto.sign(null, Buffer.from(PREFIX[kind] + text), key.secret).toString('hex')
  return JSON.stringify({ payload: text, signatures: [{ key: KEY.id, sig }] })
}

const role = { keys: [KEY.id], threshold: 1 }
export const root = signed('root', { version: 1, keys: { [KEY.id]: KEY.text }, roles: { root: role, manifest: role } })

/** A model of one feature whose answer is always `bias`. */
export function bundleOf(bias, space = 'shop') {
  const bits = (value) => Buffer.from(Float32Array.of(value).buffer)
  const hex = (value) => Buffer.from(bits(value)).reverse().toString('hex')
  const spec = {
    format: 1, space, schema: { fields: ['category'] },
    ranker: { blocks: [{ block: 'wide', label: 'click', features: ['recent.likeness'], hashed: [], buckets: 0 }] },
    probes: [{ dense: [hex(0)], hashed: [], logit: hex(bias) }],
  }
  const tensors = { 'wide.weight': [0], 'wide.mean': [0], 'wide.scale': [1], 'wide.bias': [bias] }
  const header = { __metadata__: { zhiji: JSON.stringify(spec) } }
  let offset = 0
  for (const name of Object.keys(tensors)) {
    header[name] = { dtype: 'F32', shape: [1], data_offsets: [offset, offset + 4] }
    offset += 4
  }
  let text = JSON.stringify(header)
  text = text.padEnd(Math.ceil(text.length / 8) * 8, ' ')
  const length = Buffer.alloc(8)
  length.writeUInt32LE(text.length)
  return new Uint8Array(Buffer.concat([length, Buffer.from(text), ...Object.values(tensors).map(([value]) => bits(value))]))
}

/**
 * Puts a version on the network.
 * @param {import('./phone.mjs').Phone} phone
 * @param {{version?: number, bias?: number, manifest?: any, forged?: boolean, bundle?: Uint8Array | number}} [how]
 */
export function publish(phone, how = {}) {
  const bundle = bundleOf(how.bias || 0.5)
  const path = `bundles/${sha256(bundle)}.safetensors`
  const nowMs = phone.clock.nowMs
  const payload = Object.assign({
    space: 'shop', version: how.version || 1, createdMs: nowMs - 1000, expiresMs: nowMs + 30 * 86400000, minEngine: '0.1.0',
    bundles: [{ path, length: bundle.length, sha256: sha256(bundle), share: 1000, minEngine: '0.1.0' }],
  }, how.manifest)
  phone.network.set(`${ADDRESS}manifest.json`, new TextEncoder().encode(signed('manifest', payload, how.forged ? FORGER : KEY)))
  phone.network.set(ADDRESS + path, how.bundle === undefined ? bundle : how.bundle)
}

export const manifest = `${ADDRESS}manifest.json`
