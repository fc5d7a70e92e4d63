// Assembles the npm packages from the wasm builds and the hand-written JavaScript:
//
//   node js/build.mjs --mvp DIR --simd DIR --words FILE --fallback DIR [--web DIR] [--out pkg] [--npm miniprogram/miniprogram_npm]
//
// mvp, simd: what `wasm-bindgen --target bundler` wrote (zhiji_bg.js), and the module compressed (zhiji_bg.wasm.br);
// words: what the numbers of errors stand for, as JSON; fallback: zhiji_bg.wasm.js as wasm2js wrote it; web: what wasm-pack wrote for browsers.
// Writes OUT (package zhiji), OUT/fallback (package zhiji-fallback), and what "build npm" makes of both under NPM.

import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import esbuild from 'esbuild'

const here = path.dirname(fileURLToPath(import.meta.url))
const root = path.dirname(here)
const { values: given } = parseArgs({
  options: {
    mvp: { type: 'string' }, simd: { type: 'string' }, fallback: { type: 'string' }, web: { type: 'string' }, words: { type: 'string' },
    out: { type: 'string', default: path.join(root, 'pkg') },
    npm: { type: 'string', default: path.join(root, 'miniprogram/miniprogram_npm') },
  },
})

/** Replaces every occurrence of a text that must be there: another wasm-bindgen might write another text. */
function replaced(source, text, by, name) {
  if (!source.includes(text)) throw new Error(`${name}: the text to be replaced is not there: ${text}`)
  return source.split(text).join(by)
}

/**
 * wasm-bindgen's glue as a function that makes a new one on every call. The glue remembers views of its instance's
 * memory and objects handed to it; after a trap a fresh instance must not meet those of the old one.
 */
async function glueFactory(file) {
  let source = fs.readFileSync(file, 'utf8')
  // wasm2js grows memory by taking a new buffer; the old one is not detached and keeps its length.
  source = source.replace(/(cached\w+Memory0)\.byteLength === 0/g, '$1.buffer !== wasm.memory.buffer')
  if (/byteLength === 0/.test(source)) throw new Error(`${file}: a cached view is not compared with the memory it shows`)
  source = source.replace(/if \(cachedDataViewMemory0 === null \|\|.*\{$/m,
    'if (cachedDataViewMemory0 === null || cachedDataViewMemory0.buffer !== wasm.memory.buffer) {')
  source = replaced(source, 'cachedDataViewMemory0.buffer !== wasm.memory.buffer', 'cachedDataViewMemory0.buffer !== wasm.memory.buffer', file)
  // There is no finalisation on phones: an engine lives until it is freed.
  source = source.replace(/^.*EngineFinalization\.(un)?register\(.*\n/gm, '').replace(/^const EngineFinalization[^;]*;\n/m, '').replace(/^if \(Symbol\.dispose\).*\n/m, '')
  source = source.replace(/^export function (\w+)/gm, 'api.$1 = function').replace(/^export class (\w+)/gm, 'const $1 = api.$1 = class')
  if (/^export|EngineFinalization/m.test(source)) throw new Error(`${file}: an export or a finaliser of another form than before`)
  const { code } = await esbuild.transform(source, {
    target: 'es2017', minifySyntax: true,
    define: { TextDecoder: 'Utf8Decoder', TextEncoder: 'Utf8Encoder', WebAssembly: 'undefined',
      // Linked in for 64-bit numbers, which the engine never gives to JavaScript.
      BigInt: 'undefined' },
  })
  return `import { Utf8Decoder, Utf8Encoder } from './utf8'
export default function createGlue() {
const api = {}
${code}
return api
}`
}

/**
 * A module of js/src as the bundler takes it smallest: with `import` and `export` all of them share one scope, with `require` each has a
 * function of its own. The sources are CommonJS, as the tests require them.
 */
function asModule(source, file) {
  const module = source
    .replace(/^const (\w+) = require\(('zhiji-\w+')\)$/gm, 'import $1 from $2')
    // A file that is read late stays a file of its own.
    .replace(/^const (\w+) = \(\) => require\(('.*')\)$/gm, 'const $1 = () => ZHIJI_REQUIRE($2)')
    .replace(/^const (\w+) = require\(('.*')\)$/gm, 'import * as $1 from $2')
    .replace(/^const (\{.*\}) = require\(('.*')\)$/gm, 'import $1 from $2')
    .replace(/^module\.exports = (\{[\w, ]+\})$/gm, 'export $1')
  const left = /\b(require\(|module\.exports).*/.exec(module)
  if (left) throw new Error(`${file}: not of the form that the bundle knows: ${left[0]}`)
  return module
}

/**
 * Properties that only js/src itself knows, and that get short names in the bundle. Not here: what pages, components, WeChat or the engine name.
 */
const PRIVATE = `
shownIds pushedIds exhausted isCurrent fastCalls trial wasSlow wasFast interner pace logOpen unflushed flushTimer adaptTimer sliceEvents rebuilds
attachSync readLogInto flushSoon consentStands useKey rebuild handleOf errorListeners consentListeners catalogue folderOf switching sharedFolder
accountFolder keyName foldersMade retryTimer chain inOrder readFolder pathOf drain isWriter makeFolders execute retryLater originMs askedMs
nextRoot rootsLeft receiver recheck askRoot proceed onGrid install totalMs recordOf abandon measure openLogIfAllowed logClosed
readControl readBundles readBundle readLog readKey keepKey hasLog setHidden`.trim().split(/\s+/)

/** An entry of the package and all that it reads at once as one file; `made` are the modules of this build by the names under which js/src requires them. */
async function bundle(entry, made, version) {
  const { outputFiles } = await esbuild.build({
    entryPoints: [entry], bundle: true, write: false, format: 'esm', platform: 'neutral', target: 'es2017', charset: 'utf8',
    minify: true, legalComments: 'none', mainFields: ['main'], mangleProps: new RegExp(`^(${PRIVATE.join('|')})$`),
    define: { ZHIJI_VERSION: JSON.stringify(version) },
    plugins: [{
      name: 'made',
      setup(build) {
        build.onResolve({ filter: /^zhiji-/ }, ({ path: name }) => ({ path: name, namespace: 'made' }))
        build.onLoad({ filter: /.*/, namespace: 'made' }, ({ path: name }) => ({ contents: made[name], resolveDir: path.join(here, 'src') }))
        build.onLoad({ filter: /\.js$/ }, ({ path: file }) => ({ contents: asModule(fs.readFileSync(file, 'utf8'), file) }))
      },
    }],
  })
  // Pages require the package: the one list of exports at the end becomes an object.
  const text = outputFiles[0].text.replace(/\bZHIJI_REQUIRE\(/g, 'require(')
  const [list, names] = /export\s*\{([^}]*)\};?\s*$/.exec(text)
  const entries = names.split(',').map((name) => name.trim().split(' as ')).map(([inner, outer]) => (outer ? `${outer}:${inner}` : inner))
  return `"use strict";${text.slice(0, -list.length)}module.exports={${entries.join()}};\n`
}

/** wasm2js writes a module that instantiates itself with its own glue; here it waits to be given one. */
async function fallbackModule(file) {
  let source = fs.readFileSync(file, 'utf8')
  const start = source.indexOf('var retasmFunc = asmFunc(')
  if (start < 0 || !/^\s*import \* as/.test(source)) throw new Error(`${file} does not look like the output of wasm2js`)
  source = source.slice(0, start).replace(/^\s*import [^\n]*\n/gm, '')
  source += '\nmodule.exports = { instantiate(imports) { return { exports: asmFunc(imports) } } }\n'
  const { code } = await esbuild.transform(source, { format: 'cjs', target: 'es2017', minify: true, charset: 'utf8' })
  return code
}

function write(file, content) {
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(file, content)
}

function copyTree(from, to, wanted = () => true) {
  fs.cpSync(from, to, { recursive: true, filter: (source) => fs.statSync(source).isDirectory() || wanted(source) })
}

/** Empties a folder but for the page that git keeps in it. */
function emptied(folder) {
  fs.mkdirSync(folder, { recursive: true })
  for (const name of fs.readdirSync(folder)) if (name !== 'README.md') fs.rmSync(path.join(folder, name), { recursive: true })
  return folder
}

const version = /^version = "(.*)"$/m.exec(fs.readFileSync(path.join(root, 'Cargo.toml'), 'utf8'))[1]
const described = (file) => JSON.stringify({ ...JSON.parse(fs.readFileSync(file, 'utf8')), version }, null, 2) + '\n'

const out = emptied(given.out)
const dist = path.join(out, 'miniprogram_dist')
const glue = await glueFactory(path.join(given.mvp, 'zhiji_bg.js'))
write(path.join(dist, 'index.js'), await bundle(path.join(here, 'src/index.js'), { 'zhiji-glue': glue }, version))
const words = `export default ${fs.readFileSync(given.words, 'utf8')}`
write(path.join(dist, 'words.js'), await bundle(path.join(here, 'src/words.js'), { 'zhiji-words': words }, version))
for (const build of ['mvp', 'simd']) write(path.join(dist, `wasm/zhiji_${build}.wasm.br`), fs.readFileSync(path.join(given[build], 'zhiji_bg.wasm.br')))
if (fs.existsSync(path.join(here, 'components'))) copyTree(path.join(here, 'components'), path.join(dist, 'components'))
write(path.join(out, 'package.json'), described(path.join(here, 'package.json')))
if (fs.existsSync(path.join(here, 'types'))) copyTree(path.join(here, 'types'), path.join(out, 'types'))
if (given.web) copyTree(given.web, path.join(out, 'browser'), (file) => /zhiji(_bg)?\.(js|wasm|d\.ts|wasm\.d\.ts)$/.test(file))
for (const name of ['LICENSE-APACHE', 'LICENSE-MIT']) {
  if (fs.existsSync(path.join(root, name))) fs.copyFileSync(path.join(root, name), path.join(out, name))
}

const fallback = path.join(out, 'fallback')
if (given.fallback) {
  write(path.join(fallback, 'miniprogram_dist/index.js'), await fallbackModule(path.join(given.fallback, 'zhiji_bg.wasm.js')))
  write(path.join(fallback, 'package.json'), described(path.join(here, 'fallback/package.json')))
}

if (given.npm) {
  const npm = emptied(given.npm)
  copyTree(dist, path.join(npm, 'zhiji'))
  if (given.fallback) copyTree(path.join(fallback, 'miniprogram_dist'), path.join(npm, 'zhiji-fallback'))
}
