// Compiles a mini-program directory into a directory that serve.mjs can show in a browser.
import fs from 'node:fs'
import path from 'node:path'
import zlib from 'node:zlib'
import { fileURLToPath } from 'node:url'
import * as esbuild from 'esbuild'
import { Project } from './compile/project.mjs'
import { compileBuiltins, compileTemplates } from './compile/templates.mjs'
import { compileStyles } from './compile/styles.mjs'
import { wrapScript } from './compile/scripts.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))

/** A mini-program that cannot be built. `problems` has one line per finding, as `file:line: message`. */
export class BuildError extends Error {
  constructor(problems) {
    super(`the mini-program does not build:\n${problems.map((line) => `  ${line}`).join('\n')}`)
    this.name = 'BuildError'
    this.problems = problems
  }
}

/**
 * Builds the mini-program in `sourceDir` into `outDir`, which is emptied first.
 *
 * @param {string} sourceDir holds app.json, or a project.config.json with miniprogramRoot
 * @param {string} outDir
 * @returns {Promise<{pages: string[], components: string[], modules: string[], files: string[], bytes: number}>}
 * @throws {BuildError} naming every problem with file and line
 */
export async function buildMiniProgram(sourceDir, outDir) {
  const project = new Project(path.resolve(sourceDir))
  const builtins = compileBuiltins(path.join(here, 'builtins'))
  const templates = compileTemplates(project, builtins.names)
  const sheets = compileStyles(project)
  const pack = collectPackage(project)
  if (project.problems.list.length) throw new BuildError(project.problems.list)

  fs.rmSync(outDir, { recursive: true, force: true })
  const write = (file, content) => {
    fs.mkdirSync(path.dirname(path.join(outDir, file)), { recursive: true })
    fs.writeFileSync(path.join(outDir, file), content)
  }
  for (const [file, content] of pack.output) write(file, content)
  const data = {
    appid: project.config.appid || 'touristappid',
    window: project.app.window || {},
    tabBar: project.app.tabBar,
    pages: project.pages,
    subPackages: project.subPackages.map((sub) => sub.root),
    units: Object.fromEntries(project.units),
    sheets,
    builtins: builtins.names,
    files: pack.readable,
  }
  write('app-data.js', `__mp_data(${JSON.stringify(data)}, ${templates}, ${builtins.code})\n`)
  write('boot.js', '__mp_boot()\n')
  const scripts = ['service.js', 'app-data.js', ...pack.modules.map((file) => `pkg/${file}`), 'boot.js']
  write('service.html', `<!doctype html><meta charset="utf-8">${scripts.map((src) => `<script src="${src}"></script>`).join('')}\n`)
  for (const file of fs.readdirSync(path.join(here, 'view'))) write(file, fs.readFileSync(path.join(here, 'view', file)))
  await bundleService(path.join(outDir, 'service.js'))
  const units = [...project.units]
  return {
    pages: project.pages,
    components: units.filter(([, unit]) => unit.kind === 'component').map(([name]) => name),
    modules: pack.modules,
    files: pack.readable,
    bytes: pack.bytes,
  }
}

// Everything of the code package: wrapped scripts, and files as they are. Compressed files also get an inflated twin, since
// the browser has no brotli for WXWebAssembly and readCompressedFile.
function collectPackage(project) {
  const pack = { modules: [], readable: [], output: [], bytes: 0 }
  for (const file of project.files()) {
    if (/^(project\.|package(-lock)?\.json|sitemap\.json|README)/.test(file) || /\.(ts|md)$/.test(file)) continue
    const content = fs.readFileSync(path.join(project.root, file))
    pack.bytes += content.length
    if (/\.(wxml|wxss|wxs)$/.test(file)) continue
    if (file.endsWith('.js')) {
      pack.modules.push(file)
      pack.output.push([`pkg/${file}`, wrapScript(project, file)])
      continue
    }
    pack.readable.push(file)
    pack.output.push([`pkg/${file}`, content])
    if (file.endsWith('.br')) pack.output.push([`inflated/${file}`, zlib.brotliDecompressSync(content)])
  }
  return pack
}

// The framework runs in the logic frame and draws in the view window, so the names of the DOM it uses are that window's.
async function bundleService(outfile) {
  const borrowed = ['document', 'IntersectionObserver', 'Event', 'CSSStyleRule', 'CSSMediaRule', 'CSSLayerBlockRule',
    'CSSConditionRule']
  await esbuild.build({
    entryPoints: [path.join(here, 'service', 'main.js')],
    outfile,
    bundle: true,
    format: 'iife',
    target: 'es2022',
    legalComments: 'eof',
    logLevel: 'warning',
    define: { 'process.env.NODE_ENV': '"production"' },
    banner: {
      js: `(function (VIEW, window, matchMedia, ${borrowed.join(', ')}) { 'use strict';`,
    },
    footer: {
      js: `})(parent, parent, parent.matchMedia.bind(parent), ${borrowed.map((name) => `parent.${name}`).join(', ')});`,
    },
  })
}
