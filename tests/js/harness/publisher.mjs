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

const bytesOf = (numbers) => Buffer.from(numbers.buffer, numbers.byteOffset, numbers.byteLength)

/**
 * A safetensors file with the spec of a ranker, in tiers of one task each, in its metadata.
 * @param {{space?: string, blocks: object[], tiers: object[], probe: object}} of
 * @param {Record<string, [dtype: string, shape: number[], numbers: ArrayBufferView]>} tensors those of the widest numbers first
 */
function bundleWith(of, tensors) {
  const spec = {
    format: 1, space: of.space || 'shop', schema: { fields: ['category'] },
    ranker: { blocks: of.blocks, tiers: of.tiers.map((task) => ({ tasks: [task] })) }, probes: [of.probe],
  }
  const header = { __metadata__: { zhiji: JSON.stringify(spec) } }
  let offset = 0
  for (const [name, [dtype, shape, numbers]] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + numbers.byteLength] }
    offset += numbers.byteLength
  }
  let text = JSON.stringify(header)
  text = text.padEnd(Math.ceil(text.length / 8) * 8, ' ')
  const length = Buffer.alloc(8)
  length.writeUInt32LE(text.length)
  return new Uint8Array(Buffer.concat([length, Buffer.from(text), ...Object.values(tensors).map(([,, numbers]) => bytesOf(numbers))]))
}

/**
 * A model of one feature whose answer is always `bias`; with several tiers each answers a little more than the one before.
 * @param {number} bias @param {string} [space] @param {number} [tiers]
 */
export function bundleOf(bias, space = 'shop', tiers = 1) {
  const hex = (value) => bytesOf(Float32Array.of(value)).reverse().toString('hex')
  const names = ['wide', 'light', 'prior'].slice(0, tiers)
  const biases = names.map((_, tier) => bias + tier / 8)
  const tensors = {}
  names.forEach((name, tier) => {
    for (const [part, number] of Object.entries({ weight: 0, mean: 0, scale: 1, bias: biases[tier] })) tensors[`${name}.${part}`] = ['F32', [1], Float32Array.of(number)]
  })
  return bundleWith({
    space, blocks: names.map((name) => ({ block: 'wide', name, features: ['recent.likeness'] })),
    tiers: names.map((name) => ({ label: 'click', of: [name] })), probe: { dense: [hex(0)], logits: biases.map(hex) },
  }, tensors)
}

/** The hash of an id, see docs/bundle.md. */
function hash64(id) {
  const mask = (1n << 64n) - 1n
  let h = 0xCBF29CE484222325n
  for (const byte of Buffer.from(id)) h = ((h ^ BigInt(byte)) * 0x100000001B3n) & mask
  h = ((h ^ (h >> 33n)) * 0xFF51AFD7ED558CCDn) & mask
  h = ((h ^ (h >> 33n)) * 0xC4CEB9FE1A85EC53n) & mask
  return h ^ (h >> 33n)
}

/**
 * A model that knows a catalogue, in which every item goes well with the user to the degree of its number; an item's vector is the one of its
 * last digit, so that who chose it meets its like.
 * @param {string[]} ids
 */
export function catalogueOf(ids) {
  const n = ids.length
  const digit = (id) => Number(id.slice(-1))
  const text = Buffer.from(ids.join('\n'))
  return bundleWith({
    blocks: [{ block: 'item' }, { block: 'recent', of: ['item'], decay: 0.5 }, { block: 'vector', of: ['recent', 'item'] }],
    tiers: [{ label: 'click', of: ['vector'] }], probe: { dense: [], logits: [0] },
  }, {
    'items.ids': ['U64', [n], BigUint64Array.from(ids, hash64)],
    'item.vectors': ['F32', [n, 10], Float32Array.from({ length: 10 * n }, (_, at) => (at % 10 === digit(ids[Math.floor(at / 10)]) ? 1 : 0))],
    'item.bias': ['F32', [n], Float32Array.from(ids, (_, row) => -row / (2 * n))],
    'items.names': ['U8', [text.length], text],
  })
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
