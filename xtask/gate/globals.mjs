// Reads the glue that wasm-bindgen wrote and names every global that it mentions and may not.
//
//   node xtask/gate/globals.mjs FILE…
//
// The allow-list of imports goes by names, and a name such as `new` says nothing of what is made. This looks at the bodies:
// nothing in them may lead to a clock, to randomness, to the network or to the global object.
import { readFileSync } from 'node:fs'
import { parse } from 'acorn'
import { full } from 'acorn-walk'

const allowed = new Set([
  // Values that calls hand over and take back
  'undefined', 'arguments', 'toString', 'JSON', 'Object', 'Array', 'Number', 'String', 'Boolean', 'Symbol', 'Error', 'RangeError', 'Map', 'Reflect',
  'ArrayBuffer', 'DataView', 'Uint8Array', 'Uint32Array', 'Int32Array', 'Float32Array', 'Float64Array',
  // Replaced or removed when the package is bundled, and then refused by identifiers.mjs where any is left
  'TextDecoder', 'TextEncoder', 'FinalizationRegistry', 'BigInt', 'WebAssembly',
])

/** The globals that a module mentions and may not, as [line, name] pairs. */
function findings(text) {
  const tree = parse(text, { ecmaVersion: 2022, sourceType: 'module', locations: true })
  const declared = new Set()
  const mentioned = []
  const declare = (pattern) => {
    if (!pattern) return
    if (pattern.type === 'Identifier') declared.add(pattern.name)
    else full(pattern, (node) => { if (node.type === 'Identifier') declared.add(node.name) })
  }
  full(tree, (node) => {
    if (node.type === 'VariableDeclarator' || node.type === 'ClassDeclaration') declare(node.id)
    if (node.type === 'FunctionDeclaration' || node.type === 'FunctionExpression' || node.type === 'ArrowFunctionExpression') {
      declare(node.id)
      node.params.forEach(declare)
    }
    if (node.type === 'CatchClause') declare(node.param)
    if (/^Import.*Specifier$/.test(node.type)) declare(node.local)
    if (node.type === 'Identifier') mentioned.push([node.loc.start.line, node.name])
  })
  return mentioned.filter(([, name]) => !declared.has(name) && !allowed.has(name))
}

let bad = false
for (const file of process.argv.slice(2)) {
  for (const [line, name] of findings(readFileSync(file, 'utf8'))) {
    console.log(`${file}:${line}: the glue mentions ${name}`)
    bad = true
  }
}
process.exitCode = bad ? 1 : 0
