// Page and module JavaScript → scripts that register themselves as functions, with browser names shadowed.
import vm from 'node:vm'
import * as esbuild from 'esbuild'

/** What every module receives, in this order. The host passes the same list when it runs a module. */
export const PROVIDED = [
  'require', 'module', 'exports', 'App', 'Page', 'Component', 'Behavior', 'getApp', 'getCurrentPages', 'wx', 'WXWebAssembly',
]

// The unforgeable properties of a window cannot be deleted from the logic realm. As parameters without an argument they are
// undefined, which is also how WeChat hides them.
const SHADOWED = [
  'window', 'document', 'location', 'top', 'self', 'parent', 'frames', 'globalThis', 'navigator', 'history', 'localStorage',
  'sessionStorage', 'indexedDB', 'fetch', 'XMLHttpRequest', 'WebSocket', 'Worker', 'WebAssembly', 'TextDecoder', 'TextEncoder',
]

/** Wraps one file. Line numbers stay those of the source. */
export function wrapScript(project, file) {
  let source = project.text(file)
  if (/^\s*(import\s*[\w{*"']|export\s+(default|const|let|var|function|class|async|\{|\*))/m.test(source)) {
    try {
      source = esbuild.transformSync(source, { format: 'cjs', target: 'es2017', sourcefile: file, logLevel: 'silent' }).code
    } catch (error) {
      const first = error.errors?.[0]
      project.problems.add(file, first?.text || error.message, first?.location?.line)
      return ''
    }
  }
  const parameters = [...PROVIDED, ...SHADOWED].join(', ')
  const code = `define(${JSON.stringify(file)}, function (${parameters}) { 'use strict'; { ${source}\n} });\n`
  try {
    new vm.Script(code, { filename: file })
  } catch (error) {
    const line = /:(\d+)\n/.exec(error.stack)?.[1]
    project.problems.add(file, error.message, line ? Number(line) : undefined)
  }
  return code
}
