// Bundles for the shop of the package's tests, one for each kind of model that a page may rank by. Their weights are noise: what they cost does
// not depend on what they know.
import { bundle } from './bundle.mjs'
import * as data from './data.mjs'

const FEATURES = [
  ...['category', 'brand', 'tags'].flatMap((field) => [
    `${field}.rate@1d`, `${field}.rate@30d`, ...(field === 'tags' ? ['tags.best', 'tags.worst'] : []), `${field}.seen`, `${field}.weight`,
  ]),
  'item.unanswered', 'item.acts', 'item.weight', 'price.offset', 'price.distance', 'recent.likeness', 'prior.score', 'prior.given',
]
const HASHED = ['id', 'category', 'brand', 'tags']
const BUCKETS = 1 << 14

const noise = (count, size) => Float32Array.from({ length: count }, (_, i) => size * Math.sin(i * 12.9898 + 1))
const zeros = (count) => new Float32Array(count)

/** The hash of an item's id, as docs/bundle.md has it. */
function hash64(text) {
  const [mask, shift] = [(1n << 64n) - 1n, 33n]
  let hash = 0xcbf29ce484222325n
  for (const byte of new TextEncoder().encode(text)) hash = (hash ^ BigInt(byte)) * 0x100000001b3n & mask
  for (const factor of [0xff51afd7ed558ccdn, 0xc4ceb9fe1a85ec53n]) hash = (hash ^ hash >> shift) * factor & mask
  return hash ^ hash >> shift
}

/** The probe is an item that the bundle does not know, and nobody has chosen anything: without biases all of it is 0. */
const shop = (blocks, last, tensors, dense = 0) => bundle({
  space: 'shop', schema: { fields: ['category'] }, ranker: { blocks, tiers: [{ tasks: [{ label: 'click', of: [last] }] }] },
  probes: [{ dense: Array(dense).fill(0), logits: [0] }],
}, tensors)

const items = (ids, { d, table }) => ({
  'items.ids': ['U64', [ids.length], BigUint64Array.from(ids, hash64)],
  'item.vectors': ['I8', [ids.length, d], table.bytes.subarray(0, ids.length * d)], 'item.vectors.scale': ['F32', [ids.length], table.scale.subarray(0, ids.length)],
})

const layers = (name, all) => Object.fromEntries(all.flatMap(({ outputs, inputs, weight }, l) => [
  [`${name}.${l}.weight`, ['F32', [outputs, inputs], weight]], [`${name}.${l}.bias`, ['F32', [outputs], zeros(outputs)]],
]))

const wide = () => shop([{ block: 'wide', features: FEATURES, hashed: HASHED }], 'wide', {
  'wide.weight': ['F32', [FEATURES.length], noise(FEATURES.length, 0.3)], 'wide.mean': ['F32', [FEATURES.length], zeros(FEATURES.length)],
  'wide.scale': ['F32', [FEATURES.length], zeros(FEATURES.length).fill(2)], 'wide.bias': ['F32', [1], zeros(1)],
  'wide.hashed': ['F32', [BUCKETS], noise(BUCKETS, 0.1).fill(0, 0, 1)],
}, FEATURES.length)

function fm() {
  const count = FEATURES.length + BUCKETS
  return shop([{ block: 'fm', features: FEATURES, hashed: HASHED }], 'fm', {
    'fm.bias': ['F32', [1], zeros(1)], 'fm.weight': ['F32', [count], noise(count, 0.1).fill(0, FEATURES.length, FEATURES.length + 1)],
    'fm.factors': ['I8', [count, 16], Int8Array.from(noise(count * 16, 100))], 'fm.factors.scale': ['F32', [count], zeros(count).fill(0.001)],
  }, FEATURES.length)
}

function attention(ids) {
  const din = data.din()
  return shop([
    { block: 'item' }, { block: 'attention', of: ['item'], widths: [din.hidden, 1] }, { block: 'product', of: ['attention', 'item'] },
    { block: 'mlp', of: ['attention', 'item', 'product'], widths: din.mlp.map(({ outputs }) => outputs) },
  ], 'mlp', { ...items(ids, din), ...layers('attention', din.attention), ...layers('mlp', din.mlp) })
}

function sequence(ids) {
  const { d, heads, history, position, layers: all, ...rest } = data.sasrec()
  const tensors = { ...items(ids, { d, ...rest }), 'sequence.position.weight': ['F32', [history.length, d], position] }
  const put = (name, shape, numbers) => { tensors[`sequence.${name}`] = ['F32', shape, numbers] }
  all.forEach((layer, l) => {
    for (const [name, { outputs, inputs, weight, bias }, [w, b]] of [
      ['self_attn.in_proj', layer.project, ['_weight', '_bias']], ['self_attn.out_proj', layer.out, ['.weight', '.bias']],
      ['linear1', layer.linear1, ['.weight', '.bias']], ['linear2', layer.linear2, ['.weight', '.bias']],
    ]) {
      put(`layers.${l}.${name}${w}`, [outputs, inputs], weight)
      put(`layers.${l}.${name}${b}`, [outputs], bias)
    }
    for (const name of ['norm1', 'norm2']) for (const part of ['weight', 'bias']) put(`layers.${l}.${name}.${part}`, [d], layer[name][part])
  })
  for (const part of ['weight', 'bias']) put(`norm.${part}`, [d], rest.norm[part])
  return shop([
    { block: 'item' }, { block: 'sequence', of: ['item'], layers: all.length, heads, norm: 'pre' }, { block: 'vector', of: ['sequence', 'item'] },
  ], 'vector', tensors)
}

/** What the user thinks of the items, solved from what was judged. */
function ridge(ids) {
  const din = data.din()
  return shop([{ block: 'item' }, { block: 'ridge', of: ['item'], decay: 0.99 }, { block: 'vector', of: ['ridge', 'item'] }], 'vector', {
    ...items(ids, din), 'ridge.base': ['F32', [1], zeros(1)], 'ridge.noise': ['F32', [1], zeros(1).fill(0.5)],
  })
}

/** By the name of its model, what makes a bundle for the items of these ids. */
export const SHOP_MODELS = { wide, fm, attention, sequence, ridge }
