// IntersectionObserver: tells when the visible share of an element crosses one of the thresholds.
import { guarded, phone, view } from '../context.js'

export class IntersectionObserver {
  #caller
  #settings
  #relative
  #observers = []

  constructor(caller, settings) {
    this.#caller = caller
    this.#settings = { thresholds: [0], initialRatio: 0, observeAll: false, ...settings }
  }

  relativeTo(selector, margins) {
    this.#relative = { selector, margins }
    return this
  }

  relativeToViewport(margins) {
    this.#relative = { margins }
    return this
  }

  observe(selector, callback) {
    const { thresholds, initialRatio, observeAll } = this.#settings
    const shadow = this.#caller._$.getShadowRoot()
    const elements = observeAll ? shadow.querySelectorAll(selector) : [shadow.querySelector(selector)].filter(Boolean)
    const { selector: reference, margins } = this.#relative || {}
    const root = reference
      ? shadow.querySelector(reference)?.getBackendElement()
      : phone.scrollerOf(this.#caller._$.getBackendElement())
    const { top = 0, right = 0, bottom = 0, left = 0 } = margins || {}
    // One browser observer for all elements, so that what appears together is told in the order of the page.
    const watched = new Map(elements.map((element) => [element.getBackendElement(), { element, ratio: initialRatio }]))
    const observer = new view.IntersectionObserver((entries) => {
      for (const entry of entries) {
        const state = watched.get(entry.target)
        const before = state.ratio
        state.ratio = entry.isIntersecting ? entry.intersectionRatio : 0
        if (!thresholds.some((threshold) => crosses(threshold, before, state.ratio))) continue
        guarded('IntersectionObserver', () => callback(describe(state.element, entry, state.ratio)))
      }
    }, { root, rootMargin: `${top}px ${right}px ${bottom}px ${left}px`, threshold: thresholds })
    for (const node of watched.keys()) observer.observe(node)
    this.#observers.push(observer)
  }

  disconnect() {
    for (const observer of this.#observers) observer.disconnect()
    this.#observers = []
  }
}

// A threshold of zero is crossed by any visible part appearing or the last one going.
function crosses(threshold, before, after) {
  if (threshold === 0) return (before > 0) !== (after > 0)
  return (before >= threshold) !== (after >= threshold)
}

function describe(element, entry, intersectionRatio) {
  const origin = phone.originOf(element.getBackendElement())
  const rect = (given) => given && {
    left: given.left - origin.left,
    top: given.top - origin.top,
    right: given.right - origin.left,
    bottom: given.bottom - origin.top,
    width: given.width,
    height: given.height,
  }
  return {
    id: element.id,
    dataset: { ...element.dataset },
    intersectionRatio,
    boundingClientRect: rect(entry.boundingClientRect),
    intersectionRect: rect(entry.intersectionRect),
    relativeRect: rect(entry.rootBounds),
    time: entry.time,
  }
}
