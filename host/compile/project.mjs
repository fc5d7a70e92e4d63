// Reads a mini-program's configuration and finds every page and component it consists of.
import fs from 'node:fs'
import path from 'node:path'
import * as esbuild from 'esbuild'

/** Element names that need no usingComponents entry: the built-ins of this host and the template keywords. */
export const TEMPLATE_KEYWORDS = ['block', 'slot', 'template', 'wxs', 'import', 'include']

/** Collects what is wrong with a mini-program, so that one build names every problem at once. */
export class Problems {
  constructor() {
    this.list = []
  }

  /** @param {string} file @param {string} message @param {number} [line] counted from 1 */
  add(file, message, line) {
    const text = line ? `${file}:${line}: ${message}` : `${file}: ${message}`
    if (!this.list.includes(text)) this.list.push(text)
  }
}

/** The line, counted from 1, of a character offset. */
export function lineOf(text, offset) {
  return text.slice(0, offset).split('\n').length
}

/** One mini-program on disk: its root directory, configuration, and all pages and components ("units"). */
export class Project {
  constructor(sourceDir) {
    this.problems = new Problems()
    const configFile = path.join(sourceDir, 'project.config.json')
    this.config = fs.existsSync(configFile) ? parseJson(configFile, 'project.config.json', this.problems) : {}
    this.root = path.resolve(sourceDir, this.config.miniprogramRoot || '.')
    if (!this.has('app.json')) this.problems.add('app.json', 'is missing: this is no mini-program directory')
    this.app = this.json('app.json')
    this.subPackages = (this.app.subPackages || this.app.subpackages || []).map((sub) => ({
      ...sub,
      root: trimSlashes(sub.root),
    }))
    this.pages = [
      ...(this.app.pages || []),
      ...this.subPackages.flatMap((sub) => sub.pages.map((page) => path.posix.join(sub.root, page))),
    ]
    /** @type {Map<string, {kind: 'page' | 'component', config: any}>} */
    this.units = new Map()
    for (const page of this.pages) this.#visit(page, 'page')
    this.#checkTabBar()
  }

  has(file) {
    return fs.existsSync(path.join(this.root, file))
  }

  text(file) {
    return fs.readFileSync(path.join(this.root, file), 'utf8')
  }

  json(file) {
    return this.has(file) ? parseJson(path.join(this.root, file), file, this.problems) : {}
  }

  /** Every file below the root, except what the upload leaves out, as sorted posix paths. */
  files() {
    const ignored = new Set((this.config.packOptions?.ignore || []).map((rule) => trimSlashes(rule.value)))
    const found = []
    const walk = (dir) => {
      for (const entry of fs.readdirSync(path.join(this.root, dir), { withFileTypes: true })) {
        const file = path.posix.join(dir, entry.name)
        if (entry.name === 'node_modules' || entry.name.startsWith('.') || ignored.has(file)) continue
        if (entry.isDirectory()) walk(file)
        else found.push(file)
      }
    }
    walk('')
    return found.sort()
  }

  #visit(unit, kind) {
    if (this.units.has(unit)) return
    for (const extension of ['.js', '.wxml']) {
      if (!this.has(unit + extension)) this.problems.add(unit + extension, 'is missing')
    }
    const config = this.json(`${unit}.json`)
    if (kind === 'component' && config.component !== true) {
      this.problems.add(`${unit}.json`, '"component": true is missing')
    }
    this.units.set(unit, { kind, config })
    const using = {}
    for (const [tag, spec] of Object.entries(this.app.usingComponents || {})) {
      using[tag] = this.#component('app', spec, 'app.json')
    }
    for (const [tag, spec] of Object.entries(config.usingComponents || {})) {
      using[tag] = this.#component(unit, spec, `${unit}.json`)
    }
    for (const [name, generic] of Object.entries(config.componentGenerics || {})) {
      if (generic && generic.default) {
        const target = this.#component(unit, generic.default, `${unit}.json`)
        config.componentGenerics[name] = { default: target ? `/${target}` : undefined }
      }
    }
    config.usingComponents = {}
    for (const [tag, target] of Object.entries(using)) if (target) config.usingComponents[tag] = `/${target}`
  }

  /** The unit that a usingComponents value names: beside the file, from the root, or in miniprogram_npm. */
  #component(from, spec, namedIn) {
    if (/^plugin/.test(spec)) {
      this.problems.add(namedIn, `plugins are not supported by this host: ${spec}`)
      return null
    }
    const candidates = []
    if (spec.startsWith('/')) candidates.push(spec.slice(1))
    else {
      candidates.push(path.posix.join(path.posix.dirname(from), spec))
      if (!spec.startsWith('.')) candidates.push(...npmCandidates(path.posix.dirname(from), spec))
    }
    for (const candidate of candidates.flatMap((name) => [name, `${name}/index`])) {
      if (this.has(`${candidate}.json`) && this.has(`${candidate}.js`)) {
        this.#visit(candidate, 'component')
        return candidate
      }
    }
    this.problems.add(namedIn, `component not found: ${spec}`)
    return null
  }

  #checkTabBar() {
    for (const tab of this.app.tabBar?.list || []) {
      if (!(this.app.pages || []).includes(tab.pagePath)) {
        this.problems.add('app.json', `tabBar names ${tab.pagePath}, which is no page of the main package`)
      }
    }
  }
}

/** miniprogram_npm folders from a directory up to the root, nearest first. */
export function npmCandidates(fromDir, spec) {
  const found = []
  const parts = fromDir === '.' ? [] : fromDir.split('/').filter(Boolean)
  for (let depth = parts.length; depth >= 0; depth--) {
    found.push(path.posix.join(...parts.slice(0, depth), 'miniprogram_npm', spec))
  }
  return found
}

function parseJson(fullPath, shownAs, problems) {
  const text = fs.readFileSync(fullPath, 'utf8')
  try {
    return JSON.parse(text)
  } catch (error) {
    problems.add(shownAs, error.message.split('\n')[0].replace(/, ".*$/s, ''), jsonErrorLine(text))
    return {}
  }
}

// Node does not always say where JSON breaks; the bundler does.
function jsonErrorLine(text) {
  try {
    esbuild.transformSync(text, { loader: 'json', logLevel: 'silent' })
  } catch (error) {
    return error.errors?.[0]?.location?.line
  }
  return undefined
}

function trimSlashes(name) {
  return String(name).replace(/^\/+|\/+$/g, '')
}
