// WXWebAssembly as pages meet it on phones: paths into the code package, no bytes, and the gaps of iOS.
import { normalize, options, program, records, view } from './context.js'

const { instantiate, Memory, Table, Global } = WebAssembly
const fetchFromPackage = view.fetch.bind(view)

// A function exported under more than this many names loses the further ones on some iOS clients.
const NAMES_PER_FUNCTION = 3

export const WXWebAssembly = Object.freeze({
  Memory,
  Table,
  Global,
  instantiate(file, imports) {
    const entry = { path: String(file), outcome: 'pending' }
    records.wasm.push(entry)
    if (options.wasm === 'never') return new Promise(() => {})
    return load(file, imports).then((instance) => {
      entry.outcome = 'ok'
      // The official typings promise an Instance; most code in the wild reads `.instance` of the answer.
      return options.wasm === 'instance' ? instance : { instance }
    }, (error) => {
      entry.outcome = String(error && error.message)
      throw error
    })
  },
})

async function load(file, imports) {
  if (typeof file !== 'string') throw new TypeError('WXWebAssembly.instantiate: the first argument must be a path in the code package')
  if (/^[a-z]+:/i.test(file)) throw new Error(`WXWebAssembly.instantiate: only paths in the code package, not ${file}`)
  if (!/\.wasm(\.br)?$/.test(file)) throw new Error(`WXWebAssembly.instantiate: only .wasm or .wasm.br, not ${file}`)
  const path = normalize(file)
  if (options.wasm === 'refuse') throw new Error('CompileError: WebAssembly.instantiate(): wasm is refused by this run (?wasm=refuse)')
  if (options.simd === 'refuse' && /simd/i.test(path)) {
    throw new Error('CompileError: WebAssembly.instantiate(): Wasm SIMD unsupported (?simd=refuse)')
  }
  if (!program.data.files.includes(path)) throw new Error(`WXWebAssembly.instantiate: no such file in the code package: ${file}`)
  const answer = await fetchFromPackage((path.endsWith('.br') ? 'inflated/' : 'pkg/') + path)
  const { instance } = await instantiate(await answer.arrayBuffer(), imports || {})
  return { exports: phoneExports(instance.exports) }
}

function phoneExports(all) {
  const names = new Map()
  const kept = {}
  for (const [name, value] of Object.entries(all)) {
    if (value instanceof Global) continue
    if (typeof value === 'function') {
      const seen = (names.get(value) || 0) + 1
      names.set(value, seen)
      if (seen > NAMES_PER_FUNCTION) continue
    }
    kept[name] = value
  }
  return Object.freeze(kept)
}
