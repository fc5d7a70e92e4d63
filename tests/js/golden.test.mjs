// The golden vectors on every build for phones: the committed bits, which the native build is held to as well.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { test } from 'node:test'

const built = (name) => fs.readFileSync(new URL(`../../target/mini/golden/${name}`, import.meta.url))
const wanted = fs.readFileSync(new URL('../golden/bits.txt', import.meta.url), 'utf8').split('\n')
  .filter((line) => line && !line.startsWith('#')).map((line) => parseInt(line, 16))

/** The boundary to JavaScript is linked in, and never called. */
const uncalled = new Proxy({}, { get: (_, name) => () => { throw new Error(`${String(name)} was called`) } })

function instance(name) {
  const module = new WebAssembly.Module(built(name))
  const imports = Object.fromEntries(WebAssembly.Module.imports(module).map(({ module: from }) => [from, uncalled]))
  return new WebAssembly.Instance(module, imports).exports
}

/** What wasm2js wrote instantiates itself with imports that it names; here it is given others. */
function asJavaScript() {
  const source = built('mvp.wasm.js').toString()
  const end = source.indexOf('var retasmFunc = asmFunc(')
  assert.ok(end > 0)
  return new Function(`${source.slice(0, end).replace(/^\s*import [^\n]*\n/gm, '')}\nreturn asmFunc`)()(new Proxy({}, { get: () => uncalled }))
}

for (const [name, open] of [['mvp', () => instance('mvp.wasm')], ['simd', () => instance('simd.wasm')], ['wasm2js', asJavaScript]]) {
  test(`the ${name} build gives the golden vectors bit for bit`, () => {
    const exports = open()
    const at = exports.golden()
    const [count] = new Uint32Array(exports.memory.buffer, at, 1)
    const got = Array.from(new Uint32Array(exports.memory.buffer, at + 4, count))
    assert.equal(got.length, wanted.length)
    const differs = got.findIndex((word, index) => word !== wanted[index])
    assert.equal(differs, -1, "first difference at this index of src/golden.rs' list")
  })
}
