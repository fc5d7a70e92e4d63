// Reads shipped JavaScript with a real parser and names everything a phone does not have.
//
//   node xtask/gate/identifiers.mjs FILE…
//
// Prints one finding a line (file:line: what) and exits with 1 if there is any. A file that does not parse as an ES2017
// script is itself a finding: `import.meta`, dynamic import and newer syntax fall out this way.
import { readFileSync } from 'node:fs'
import { parse } from 'acorn'
import { full } from 'acorn-walk'

const forbidden = new Set([
  'WebAssembly', 'TextDecoder', 'TextEncoder', 'fetch', 'XMLHttpRequest', 'WebSocket', 'EventSource', 'BigInt', 'BigInt64Array',
  'BigUint64Array', 'FinalizationRegistry', 'WeakRef', 'SharedArrayBuffer', 'Atomics', 'eval', 'importScripts',
])

/** What a parsed file uses that it may not, as [line, sentence] pairs. */
function findings(text) {
  let tree
  try {
    tree = parse(text, { ecmaVersion: 2017, sourceType: 'script', locations: true, allowHashBang: false })
  } catch (problem) {
    return [[problem.loc ? problem.loc.line : 1, `does not parse as an ES2017 script: ${problem.message}`]]
  }
  const found = []
  const say = (node, what) => found.push([node.loc.start.line, what])
  const property = (computed, key) => {
    const name = nameOf(computed, key)
    if (forbidden.has(name)) say(key, `reads the property ${name}`)
  }
  full(tree, (node) => {
    if (node.type === 'Identifier' && forbidden.has(node.name)) say(node, `names ${node.name}`)
    if (node.type === 'Identifier' && node.name === 'Function') say(node, 'names the Function constructor')
    // `full` visits the name of a property only when it is computed, so properties are looked at from their parents.
    if (node.type === 'MemberExpression') property(node.computed, node.property)
    if (node.type === 'ObjectPattern') for (const { computed, key } of node.properties) property(computed, key)
    if ((node.type === 'CallExpression' || node.type === 'NewExpression') && node.callee.type === 'MemberExpression') {
      if (nameOf(node.callee.computed, node.callee.property) === 'constructor') say(node, 'calls a constructor taken from a value, which may be Function')
    }
  })
  return found
}

/** The name of a property, or undefined where it is only known at run time. */
function nameOf(computed, key) {
  return computed || key.type !== 'Identifier' ? constant(key) : key.name
}

/** The text of a constant expression such as 'ev' + 'al', or undefined. */
function constant(node) {
  if (node.type === 'Literal') return String(node.value)
  if (node.type === 'TemplateLiteral' && node.expressions.length === 0) return node.quasis[0].value.cooked
  if (node.type === 'BinaryExpression' && node.operator === '+') {
    const left = constant(node.left)
    const right = constant(node.right)
    return left === undefined || right === undefined ? undefined : left + right
  }
  return undefined
}

let bad = false
for (const file of process.argv.slice(2)) {
  const seen = new Set()
  for (const [line, what] of findings(readFileSync(file, 'utf8'))) {
    const sentence = `${file}:${line}: ${what}`
    if (!seen.has(sentence)) console.log(sentence)
    seen.add(sentence)
    bad = true
  }
}
process.exitCode = bad ? 1 : 0
