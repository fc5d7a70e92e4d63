// Writes ONNX models: the few messages of onnx.proto that a graph needs, in protobuf's wire format.

function varint(value, out) {
  let rest = BigInt(value)
  if (rest < 0n) rest += 1n << 64n
  while (rest > 127n) {
    out.push(Number(rest & 127n) | 128)
    rest >>= 7n
  }
  out.push(Number(rest))
}

/** A message of fields `[number, value]`: whole numbers, floats, text, bytes, other messages, or lists of them. */
function message(fields) {
  const out = []
  for (const [number, value] of fields) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one === undefined) continue
      if (typeof one === 'number' || typeof one === 'bigint') {
        varint(number << 3, out)
        varint(one, out)
      } else if (one.single !== undefined) {
        varint(number << 3 | 5, out)
        out.push(...new Uint8Array(Float32Array.of(one.single).buffer))
      } else {
        const bytes = typeof one === 'string' ? new TextEncoder().encode(one) : one
        varint(number << 3 | 2, out)
        varint(bytes.length, out)
        for (const byte of bytes) out.push(byte)
      }
    }
  }
  return Uint8Array.from(out)
}

const FLOAT = 1
const INT32 = 6
const INT64 = 7
const TYPES = { float32: FLOAT, int32: INT32, int64: INT64 }

/** A constant: its type follows from its numbers. Plain lists are whole numbers of 64 bits. */
function tensor(name, dims, numbers) {
  const typed = Array.isArray(numbers) ? BigInt64Array.from(numbers, BigInt) : numbers
  const type = typed instanceof Float32Array ? FLOAT : typed instanceof Int32Array ? INT32 : INT64
  const raw = new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength)
  return message([[1, dims], [2, type], [8, name], [9, raw]])
}

function attribute(name, value) {
  if (typeof value === 'string') return message([[1, name], [4, value], [20, 3]])
  if (Array.isArray(value)) return message([[1, name], [8, value], [20, 7]])
  if (typeof value === 'object') return message([[1, name], [2, value], [20, 1]])
  return message([[1, name], [3, value], [20, 2]])
}

const described = ([name, type, dims]) => {
  const shape = message([[1, dims.map((size) => message([[1, size]]))]])
  return message([[1, name], [2, message([[1, message([[1, TYPES[type]], [2, shape]])]])]])
}

/** Builds a graph node by node; every node gives the name of its first result. */
export class Graph {
  nodes = []
  constants = []
  count = 0

  constant(dims, numbers) {
    const name = `c${this.constants.length}`
    this.constants.push(tensor(name, dims, numbers))
    return name
  }

  single(number) {
    return this.constant([], Float32Array.of(number))
  }

  /** A node of some kind on these inputs. */
  node(kind, inputs, attributes = {}, results = 1) {
    const names = Array.from({ length: results }, () => `n${this.count++}`)
    const described = Object.entries(attributes).map(([name, value]) => attribute(name, value))
    this.nodes.push(message([[1, inputs], [2, names], [4, kind], [5, described]]))
    return results === 1 ? names[0] : names
  }

  /** The file: inputs as `[name, type, dims]`; results by the names that callers know them by. */
  file(inputs, results) {
    const nodes = [...this.nodes]
    for (const [name, , , from] of results) nodes.push(message([[1, [from]], [2, [name]], [4, 'Identity']]))
    const graph = message([[1, nodes], [2, 'workload'], [5, this.constants], [11, inputs.map(described)], [12, results.map(described)]])
    return message([[1, 8], [2, 'zhiji-benches'], [7, graph], [8, message([[1, ''], [2, 17]])]])
  }
}
