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
const FORGER = { ...keyOf('forger'), id: KEY.id }
/** The key that takes over. */
export const NEXT_KEY = keyOf('next')

function signed(kind, payload, keys) {
  const text = JSON.stringify(payload)
  const signatures = keys.map((key) => ({ key: key.id, sig: crypto.sign(null, Buffer.from(PREFIX[kind] + text), key.secret).toString('hex') }))
  return JSON.stringify({ payload: text, signatures })
}

/** A root in which one key may sign everything. */
function rootOf(version, key, by) {
  const role = { keys: [key.id], threshold: 1 }
  return signed('root', { version, keys: { [key.id]: key.text }, roles: { root: role, manifest: role } }, by)
}

export const root = rootOf(1, KEY, [KEY])

/**
 * A model of one feature whose answer is always `bias`; with several tiers each answers a little more than the one before.
 * @param {number} bias @param {string} [space] @param {number} [tiers]
 */
export function bundleOf(bias, space = 'shop', tiers = 1) {
  const bits = (value) => Buffer.from(Float32Array.of(value).buffer)
  const hex = (value) => Buffer.from(bits(value)).reverse().toString('hex')
  const names = ['wide', 'light', 'prior'].slice(0, tiers)
  const biases = names.map((_, tier) => bias + tier / 8)
  const spec = {
    format: 1, space, schema: { fields: ['category'] },
    ranker: {
      blocks: names.map((name) => ({ block: 'wide', name, features: ['recent.likeness'] })),
      tiers: names.map((name) => ({ tasks: [{ label: 'click', of: [name] }] })),
    },
    probes: [{ dense: [hex(0)], logits: biases.map(hex) }],
  }
  const tensors = {}
  names.forEach((name, tier) => Object.assign(tensors, { [`${name}.weight`]: 0, [`${name}.mean`]: 0, [`${name}.scale`]: 1, [`${name}.bias`]: biases[tier] }))
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
  return new Uint8Array(Buffer.concat([length, Buffer.from(text), ...Object.values(tensors).map(bits)]))
}

/**
 * Puts the second root on the network: the next key takes over from the first.
 * @param {import('./phone.mjs').Phone} phone
 * @param {{forged?: boolean}} [how]
 */
export function rotate(phone, how = {}) {
  putRoot(phone, 2, rootOf(2, NEXT_KEY, [how.forged ? FORGER : KEY, NEXT_KEY]))
}

/** Puts roots on the network that change nothing but their version, up to the given one. */
export function renew(phone, last) {
  for (let version = 2; version <= last; version++) putRoot(phone, version, rootOf(version, KEY, [KEY]))
}

/** Whatever text, as a root on the network. */
export function putRoot(phone, version, text) {
  phone.network.set(`${ADDRESS}${version}.root.json`, new TextEncoder().encode(text))
}

/** The delta that makes one bundle of another: what both begin with is copied, the rest is told. */
export function deltaOf(base, bundle) {
  const varint = (n) => (n < 128 ? [n] : [(n & 127) | 128, ...varint(n >> 7)])
  let same = 0
  while (same < base.length && base[same] === bundle[same]) same++
  const rest = bundle.subarray(same)
  return Uint8Array.from([...Buffer.from('ZJD1'), ...varint(same * 2), 0, ...varint(rest.length * 2 + 1), ...rest])
}

/**
 * Puts a version on the network.
 * @param {import('./phone.mjs').Phone} phone
 * @param {{version?: number, bias?: number, bytes?: Uint8Array, tiers?: number, space?: string, manifest?: any, key?: object, forged?: boolean, bundle?: Uint8Array | number, from?: number, delta?: Uint8Array | number}} [how]
 *   `bytes` are those of a bundle of the caller's own; `space` is what the bundle says of itself; `from` is the bias of the bundle that a delta builds on, `delta` what is there instead of it
 */
export function publish(phone, how = {}) {
  const bundle = how.bytes || bundleOf(how.bias || 0.5, how.space, how.tiers)
  const path = `bundles/${sha256(bundle)}.safetensors`
  const nowMs = Math.floor(phone.clock.nowMs)
  const payload = Object.assign({
    space: 'shop', version: how.version || 1, createdMs: nowMs - 1000, expiresMs: nowMs + 30 * 86400000, minEngine: '0.1.0',
    bundles: [{ path, length: bundle.length, sha256: sha256(bundle), share: 1000, minEngine: '0.1.0' }],
  }, how.manifest)
  if (how.from !== undefined) {
    const base = bundleOf(how.from, how.space, how.tiers)
    Object.assign(payload.bundles[0], { deltas: [sha256(base)] })
    phone.network.set(`${ADDRESS}deltas/${sha256(base)}-${sha256(bundle)}.delta`, how.delta === undefined ? deltaOf(base, bundle) : how.delta)
  }
  phone.network.set(`${ADDRESS}manifest.json`, new TextEncoder().encode(signed('manifest', payload, [how.forged ? FORGER : how.key || KEY])))
  phone.network.set(ADDRESS + path, how.bundle === undefined ? bundle : how.bundle)
}

export const manifest = `${ADDRESS}manifest.json`
