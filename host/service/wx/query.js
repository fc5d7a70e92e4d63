// SelectorQuery: positions are those of the page area, as if each page had its own window.
import { ownCopy, phone } from '../context.js'

const RECT = { id: true, dataset: true, rect: true, size: true }
const SCROLL = { id: true, dataset: true, scrollOffset: true }

export class SelectorQuery {
  #caller
  #asked = []

  constructor(caller) {
    this.#caller = caller
  }

  in(caller) {
    this.#caller = caller
    return this
  }

  select(selector) {
    return new NodesRef(this, (fields, callback) => this.#ask(selector, true, fields, callback))
  }

  selectAll(selector) {
    return new NodesRef(this, (fields, callback) => this.#ask(selector, false, fields, callback))
  }

  selectViewport() {
    return new NodesRef(this, (fields, callback) => this.#ask(undefined, true, fields, callback))
  }

  exec(callback) {
    const asked = this.#asked
    setTimeout(() => {
      const answers = asked.map(({ caller, selector, single, fields }) => {
        if (selector === undefined) return describeViewport(caller, fields)
        const shadow = caller._$.getShadowRoot()
        if (!single) return shadow.querySelectorAll(selector).map((element) => describe(element, fields))
        const element = shadow.querySelector(selector)
        return element ? describe(element, fields) : null
      })
      asked.forEach((one, at) => one.callback?.(answers[at]))
      callback?.(answers)
    }, 0)
    return this
  }

  #ask(selector, single, fields, callback) {
    this.#asked.push({ caller: this.#caller, selector, single, fields, callback })
    return this
  }
}

class NodesRef {
  #ask

  constructor(query, ask) {
    this.#ask = ask
  }

  boundingClientRect(callback) {
    return this.#ask(RECT, callback)
  }

  scrollOffset(callback) {
    return this.#ask(SCROLL, callback)
  }

  fields(fields, callback) {
    return this.#ask(fields, callback)
  }
}

function describe(element, fields) {
  const found = {}
  const node = element.getBackendElement()
  if (fields.id) found.id = element.id
  if (fields.dataset) found.dataset = { ...element.dataset }
  if (fields.mark) found.mark = element.collectMarks()
  const rect = phone.rectInPage(node)
  if (fields.rect) Object.assign(found, { left: rect.left, top: rect.top, right: rect.right, bottom: rect.bottom })
  if (fields.size) Object.assign(found, { width: rect.width, height: rect.height })
  if (fields.scrollOffset) Object.assign(found, scrollOf(node.querySelector(':scope > .inner') || node))
  for (const name of fields.properties || []) found[name] = element.data?.[name]
  if (fields.computedStyle) Object.assign(found, ownCopy(phone.computedStyle(node, fields.computedStyle)))
  return found
}

function describeViewport(caller, fields) {
  const scroller = phone.scrollerOf(caller._$.getBackendElement())
  const { clientWidth: width, clientHeight: height } = scroller
  const found = {}
  if (fields.id) found.id = ''
  if (fields.dataset) found.dataset = {}
  if (fields.rect) Object.assign(found, { left: 0, top: 0, right: width, bottom: height })
  if (fields.size) Object.assign(found, { width, height })
  if (fields.scrollOffset) Object.assign(found, scrollOf(scroller))
  return found
}

const scrollOf = ({ scrollLeft, scrollTop, scrollWidth, scrollHeight }) => ({ scrollLeft, scrollTop, scrollWidth, scrollHeight })
