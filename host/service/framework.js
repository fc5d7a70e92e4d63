// glass-easel, WeChat's own component framework, set up to draw in the view window.
import * as glassEasel from 'glass-easel'
import { MiniProgramEnv, component as adapter } from 'glass-easel-miniprogram-adapter'
import { program, report, view, warn } from './context.js'
import { installEvents, prepareEvents } from './events.js'
import { defineBuiltins } from './builtins.js'
import { SelectorQuery } from './wx/query.js'
import { IntersectionObserver } from './wx/intersection.js'

let codeSpace
let backend
let association

// Elements of pages are prefixed, so that <button> is no HTML control. `h-` names real HTML inside the built-ins.
class PhoneBackend extends glassEasel.CurrentWindowBackendContext {
  constructor() {
    super()
    const { document } = view
    // Chromium holds touch listeners of the body for passive unless told otherwise, and a passive one cannot keep a page still.
    const { body } = document
    const listen = body.addEventListener
    body.addEventListener = (name, listener, settings) => listen.call(body, name, listener, { passive: false, ...settings })
    this.document = {
      createElement: (name) => document.createElement(name.startsWith('h-') ? name.slice(2) : `wx-${name}`),
      createTextNode: (text) => document.createTextNode(text),
      createDocumentFragment: () => document.createDocumentFragment(),
    }
  }

  // Where the first listener of a name is one that catches, the framework takes the default from every event of that name, on every page.
  // From those that are caught it is taken as they are delivered.
  setListenerStats(element, name, capture) {
    super.setListenerStats(element, name, capture, 0)
  }
}

/** Prepares the code space: options, styles, templates, built-ins. Page code may register afterwards. */
export function startFramework() {
  glassEasel.addGlobalErrorListener((error) => {
    report('framework', error)
    return false
  })
  glassEasel.addGlobalWarningListener((message) => {
    // A property that arrives before its data is common, and the phone goes on with the default.
    if (/type-incompatible/.test(message)) warn(message)
    else report('framework warning', message)
    return false
  })
  prepareEvents(glassEasel)
  reflectDatasets()
  addQueries()
  const environment = new MiniProgramEnv()
  backend = new PhoneBackend()
  installEvents(glassEasel, backend)
  association = environment.associateBackend(backend)
  codeSpace = environment.createCodeSpace('', true)
  const space = codeSpace.getComponentSpace()
  space.updateComponentOptions({ writeIdToDOM: true })
  keepPageIds()
  // The framework leaves the `ready` lifetime to its host.
  codeSpace.setOverallBehavior(space.define().lifetime('attached', function attached() {
    const element = this._$ || this
    backend.render(() => {
      if (glassEasel.Element.isAttached(element)) element.triggerLifetime('ready', [])
    })
  }).registerBehavior())
  defineBuiltins(codeSpace)
  addUnits()
}

function addUnits() {
  const { units, sheets } = program.data
  for (const [unit, sheet] of Object.entries({ app: { css: '' }, ...sheets })) {
    codeSpace.addStyleSheet(unit, unit, sheet.scope)
    association.registerStyleSheetContent(unit, sheet.css)
  }
  for (const [unit, { config }] of Object.entries(units)) {
    codeSpace.addComponentStaticConfig(unit, config)
    codeSpace.addCompiledTemplate(unit, { groupList: program.templates, content: program.templates[unit] })
  }
}

// Ids of a page reach the DOM as written; those inside components keep the framework's prefix, since they may repeat.
function keepPageIds() {
  const original = codeSpace.prepareComponentOptions
  codeSpace.prepareComponentOptions = function prepare(unit, given) {
    const prepared = original.call(this, unit, given)
    if (program.data.units[unit]?.kind === 'page') prepared[0].idPrefixGenerator = null
    return prepared
  }
}

// A test finds a card by `[data-id="…"]`, as a person would in the element panel of the developer tools.
function reflectDatasets() {
  const original = glassEasel.Element.prototype.setDataset
  glassEasel.Element.prototype.setDataset = function setDataset(name, value) {
    original.call(this, name, value)
    const element = this.getBackendElement()
    if (!element || typeof element.setAttribute !== 'function' || typeof value === 'object') return
    element.setAttribute(`data-${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`, String(value))
  }
}

function addQueries() {
  const { prototype } = adapter.ComponentCaller
  prototype.createSelectorQuery = function createSelectorQuery() {
    return new SelectorQuery(this)
  }
  prototype.createIntersectionObserver = function createIntersectionObserver(settings) {
    return new IntersectionObserver(this, settings)
  }
}

/** The constructors that the file of one unit may call. */
export function constructorsFor(unit) {
  let constructors
  codeSpace.componentEnv(unit, (given) => {
    constructors = given
  })
  const { Page, Component, Behavior } = constructors
  return {
    Page,
    Component: (definition) => Component(withoutBuiltinBehaviors(definition)),
    Behavior: Object.assign((definition) => Behavior(withoutBuiltinBehaviors(definition)), { trait: Behavior.trait }),
  }
}

// Behaviours named by a string are WeChat's own. `export` works without one; the form ones have no form here.
function withoutBuiltinBehaviors(definition) {
  if (!definition?.behaviors) return definition
  return { ...definition, behaviors: definition.behaviors.filter((behavior) => typeof behavior !== 'string') }
}

/** A new instance of a page, drawn but not yet attached. */
export function createPageRoot(route) {
  const root = association.createRoot('page', codeSpace, `/${route}`)
  return { root, caller: root.get() }
}
