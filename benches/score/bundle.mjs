// Writes bundles as docs/bundle.md describes them, with nothing but that page.

const width = { F32: 4, I8: 1, U64: 8 }
const bytesOf = (numbers) => new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength)

/**
 * A safetensors file with the ranker's spec in its metadata.
 *
 * @param {object} spec as in docs/bundle.md, without `format` and `space`
 * @param {Record<string, [dtype: string, shape: number[], numbers: Float32Array | Int8Array | BigUint64Array]>} tensors
 */
export function bundle(spec, tensors) {
  const header = { __metadata__: { zhiji: JSON.stringify({ format: 1, space: 'bench', schema: { fields: [] }, ...spec }) } }
  // Those of the widest numbers first, so that all of them are aligned.
  const sorted = Object.entries(tensors).sort(([, [a]], [, [b]]) => width[b] - width[a])
  let end = 0
  for (const [name, [dtype, shape, numbers]] of sorted) {
    header[name] = { dtype, shape, data_offsets: [end, end + numbers.byteLength] }
    end += numbers.byteLength
  }
  let text = JSON.stringify(header)
  text += ' '.repeat((8 - text.length % 8) % 8)
  const out = new Uint8Array(8 + text.length + end)
  new DataView(out.buffer).setUint32(0, text.length, true)
  out.set(new TextEncoder().encode(text), 8)
  let at = 8 + text.length
  for (const [, [, , numbers]] of sorted) {
    out.set(bytesOf(numbers), at)
    at += numbers.byteLength
  }
  return out
}

const single = (...numbers) => Float32Array.from(numbers)
const names = (count) => Array.from({ length: count }, (_, i) => `x${i}`)
const task = (of) => [{ tasks: [{ label: 'click', of }] }]

/** `wide` over dense features that are as they are. */
export function linear({ columns, weight, bias }) {
  return bundle({
    ranker: { blocks: [{ block: 'wide', features: names(columns), hashed: [] }], tiers: task(['wide']) },
    probes: [{ dense: Array(columns).fill(0), logits: [bias] }],
  }, {
    'wide.bias': ['F32', [1], single(bias)],
    'wide.weight': ['F32', [columns], weight],
    'wide.mean': ['F32', [columns], new Float32Array(columns)],
    'wide.scale': ['F32', [columns], new Float32Array(columns).fill(1)],
  })
}

/** `fm` over hashed features, whose factors are bytes; as many buckets as a power of two. */
export function fm({ features, k, weight, factors, bias }) {
  const buckets = 2 ** Math.ceil(Math.log2(features))
  const padded = (numbers, length) => {
    const out = new numbers.constructor(length)
    out.set(numbers)
    return out
  }
  return bundle({
    ranker: { blocks: [{ block: 'fm', features: [], hashed: ['id'] }], tiers: task(['fm']) },
    // The item of the hash 0 has the bucket 0 for its only feature.
    probes: [{ dense: [], item: '0000000000000000', logits: [bias + weight[0]] }],
  }, {
    'fm.bias': ['F32', [1], single(bias)],
    'fm.weight': ['F32', [buckets], padded(weight, buckets)],
    'fm.factors': ['I8', [buckets, k], padded(factors.bytes, buckets * k)],
    'fm.factors.scale': ['F32', [buckets], padded(factors.scale, buckets)],
  })
}

/** The item table: row r has the wire id r; its vectors are bytes. */
const itemTable = (items, d, { bytes, scale }) => ({
  'items.ids': ['U64', [items], BigUint64Array.from({ length: items }, (_, row) => BigInt(row))],
  'item.vectors': ['I8', [items, d], bytes], 'item.vectors.scale': ['F32', [items], scale],
})
const hash = (row) => row.toString(16).padStart(16, '0')
const probe = (history, item, logit) => ({
  dense: [], item: hash(item), recent: Array.from(history, (row) => ({ item: hash(row), words: [] })), logits: [logit],
})

/** `attention` beside the item, their product, and an `mlp` over the three. The first candidate is the probe. */
export function din({ items, d, hidden, table, history, candidates, attention, mlp }, logits) {
  const tensors = itemTable(items, d, table)
  for (const [name, layers] of [['attention', attention], ['mlp', mlp]]) {
    layers.forEach(({ outputs, inputs, weight, bias }, l) => {
      tensors[`${name}.${l}.weight`] = ['F32', [outputs, inputs], weight]
      tensors[`${name}.${l}.bias`] = ['F32', [outputs], bias]
    })
  }
  return bundle({
    ranker: {
      blocks: [
        { block: 'item' }, { block: 'attention', of: ['item'], widths: [hidden, 1] }, { block: 'product', of: ['attention', 'item'] },
        { block: 'mlp', of: ['attention', 'item', 'product'], widths: mlp.map(({ outputs }) => outputs) },
      ],
      tiers: task(['mlp']),
    },
    probes: [probe(history, candidates[0], logits[0])],
  }, tensors)
}

/** `sequence`, met with the whole catalogue. The best item is the probe. */
export function sasrec({ items, d, heads, table, history, position, layers, norm }, [item, score]) {
  const tensors = { ...itemTable(items, d, table), 'sequence.position.weight': ['F32', [history.length, d], position] }
  const vector = (name, numbers) => { tensors[`sequence.${name}`] = ['F32', [numbers.length], numbers] }
  layers.forEach(({ norm1, project, out, norm2, linear1, linear2 }, l) => {
    const linear = (name, { outputs, inputs, weight, bias }, [w, b] = ['.weight', '.bias']) => {
      tensors[`sequence.layers.${l}.${name}${w}`] = ['F32', [outputs, inputs], weight]
      vector(`layers.${l}.${name}${b}`, bias)
    }
    linear('self_attn.in_proj', project, ['_weight', '_bias'])
    linear('self_attn.out_proj', out)
    linear('linear1', linear1)
    linear('linear2', linear2)
    for (const [name, { weight, bias }] of [['norm1', norm1], ['norm2', norm2]]) {
      vector(`layers.${l}.${name}.weight`, weight)
      vector(`layers.${l}.${name}.bias`, bias)
    }
  })
  vector('norm.weight', norm.weight)
  vector('norm.bias', norm.bias)
  return bundle({
    ranker: {
      blocks: [
        { block: 'item' }, { block: 'sequence', of: ['item'], layers: layers.length, heads, norm: 'pre' },
        { block: 'vector', of: ['sequence', 'item'] },
      ],
      tiers: task(['vector']),
    },
    probes: [probe(history, item, score)],
  }, tensors)
}
