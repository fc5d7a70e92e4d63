// Assembles the npm packages from the wasm builds and the hand-written JavaScript:
//
//   node js/build.mjs --mvp DIR --simd DIR --fallback DIR [--web DIR] [--out pkg] [--npm miniprogram/miniprogram_npm]
//
// mvp, simd: what `wasm-bindgen --target bundler` wrote (zhiji_bg.js, zhiji_bg.wasm, and zhiji_bg.wasm.br or it is made here);
// fallback: zhiji_bg.wasm.js as wasm2js wrote it; web: what wasm-pack wrote for browsers.
// Writes OUT (package zhiji), OUT/fallback (package zhiji-fallback), and what "build npm" makes of both under NPM.

import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import zlib from 'node:zlib'
import esbuild from 'esbuild'

const here = path.dirname(fileURLToPath(import.meta.url))
const root = path.dirname(here)
const { values: given } = parseArgs({
  options: {
    mvp: { type: 'string' }, simd: { type: 'string' }, fallback: { type: 'string' }, web: { type: 'string' },
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
  const { code } = await esbuild.transform(source, {
    format: 'cjs', target: 'es2017', minifySyntax: true,
    define: { TextDecoder: 'Utf8Decoder', TextEncoder: 'Utf8Encoder', FinalizationRegistry: 'undefined', WebAssembly: 'undefined',
      // Linked in for 64-bit numbers, which the engine never gives to JavaScript.
      BigInt: 'undefined' },
  })
  return `const { Utf8Decoder, Utf8Encoder } = require('./utf8')
module.exports = function createGlue() {
const module = { exports: {} }
${code}
return module.exports
}`
}

/** The whole package as one file. */
async function bundle(entry, glue, version) {
  const { outputFiles } = await esbuild.build({
    entryPoints: [entry], bundle: true, write: false, format: 'cjs', platform: 'neutral', target: 'es2017', charset: 'utf8',
    minify: true, legalComments: 'none', mainFields: ['main'],
    define: { ZHIJI_VERSION: JSON.stringify(version) },
    banner: { js: '"use strict";' },
    plugins: [{
      name: 'glue',
      setup(build) {
        build.onResolve({ filter: /^zhiji-glue$/ }, () => ({ path: 'glue.js', namespace: 'glue' }))
        build.onLoad({ filter: /.*/, namespace: 'glue' }, () => ({ contents: glue, resolveDir: path.join(here, 'src') }))
      },
    }],
  })
  return outputFiles[0].text
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

function brotli(folder) {
  const made = path.join(folder, 'zhiji_bg.wasm.br')
  if (fs.existsSync(made)) return fs.readFileSync(made)
  return zlib.brotliCompressSync(fs.readFileSync(path.join(folder, 'zhiji_bg.wasm')), { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 11 } })
}

const version = /^version = "(.*)"$/m.exec(fs.readFileSync(path.join(root, 'Cargo.toml'), 'utf8'))[1]
const described = (file) => JSON.stringify({ ...JSON.parse(fs.readFileSync(file, 'utf8')), version }, null, 2) + '\n'

const out = emptied(given.out)
const dist = path.join(out, 'miniprogram_dist')
const glue = await glueFactory(path.join(given.mvp, 'zhiji_bg.js'))
write(path.join(dist, 'index.js'), await bundle(path.join(here, 'src/index.js'), glue, version))
for (const build of ['mvp', 'simd']) write(path.join(dist, `wasm/zhiji_${build}.wasm.br`), brotli(given[build]))
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
