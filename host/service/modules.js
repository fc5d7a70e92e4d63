// The module system of the code package: require, require.async, and the constructors that a file may call.
import { normalize, program } from './context.js'

const sources = Object.create(null)
const loaded = Object.create(null)
const registered = new Set()
let environment

/** Called by every wrapped script. */
export function define(file, run) {
  sources[file] = run
}

/** What modules are given besides require: set once, before the first module runs. */
export function provide(given) {
  environment = given
}

/** Whether the file of this unit called Page() or Component(). */
export function isRegistered(unit) {
  return registered.has(unit)
}

/** Runs a file once and gives its exports. */
export function load(file) {
  if (loaded[file]) return loaded[file].exports
  if (!sources[file]) throw new Error(`module '${file}' is not in the code package`)
  const module = { exports: {} }
  loaded[file] = module
  const require = (spec) => {
    const target = resolve(file, spec)
    const sub = subPackageOf(target)
    if (sub && sub !== subPackageOf(file)) {
      throw new Error(`module '${spec}' is in the subpackage ${sub}: use require.async (from ${file})`)
    }
    return load(target)
  }
  require.async = (spec) => new Promise((settle, fail) => {
    // A subpackage is downloaded first, so its module never arrives in the same turn.
    setTimeout(() => {
      try {
        settle(load(resolve(file, spec)))
      } catch (error) {
        fail({ mod: spec, errMsg: error.message })
      }
    }, 0)
  })
  const { App, getApp, getCurrentPages, wx, WXWebAssembly } = environment
  const { Page, Component, Behavior } = constructorsFor(file)
  sources[file].call(undefined, require, module, module.exports, App, Page, Component, Behavior, getApp, getCurrentPages, wx,
    WXWebAssembly)
  return module.exports
}

function constructorsFor(file) {
  const unit = file.replace(/\.js$/, '')
  const own = program.data.units[unit]
  const given = environment.constructors(unit)
  const once = (name, construct) => (definition) => {
    if (!own) throw new Error(`${name}() is called in ${file}, which is no page or component of app.json`)
    if (registered.has(unit)) throw new Error(`${file} registers twice`)
    registered.add(unit)
    return construct(definition)
  }
  return {
    Page: own && own.kind === 'component' ? refuse('Page', file) : once('Page', given.Page),
    Component: once('Component', given.Component),
    Behavior: given.Behavior,
  }
}

function refuse(name, file) {
  return () => {
    throw new Error(`${name}() is called in ${file}, which is a component`)
  }
}

function subPackageOf(file) {
  return program.data.subPackages.find((root) => file.startsWith(`${root}/`))
}

function resolve(from, spec) {
  const here = from.split('/').slice(0, -1).join('/')
  const candidates = []
  if (spec.startsWith('/')) candidates.push(normalize(spec))
  else {
    candidates.push(normalize(`${here}/${spec}`))
    if (!spec.startsWith('.')) {
      const parts = here.split('/').filter(Boolean)
      for (let depth = parts.length; depth >= 0; depth--) {
        candidates.push(normalize([...parts.slice(0, depth), 'miniprogram_npm', spec].join('/')))
      }
    }
  }
  for (const candidate of candidates) {
    for (const file of [candidate, `${candidate}.js`, `${candidate}/index.js`]) if (sources[file]) return file
  }
  throw new Error(`module '${spec}' is not defined (required from ${from})`)
}
