// Components and pages, driven without templates: definitions are loaded, given properties, and told what the user did.

const copy = (process, value) => process.own(value === undefined ? null : value)

/** @param {import('./phone.mjs').Process} process @param {string} file @param {any} properties */
export function component(process, file, properties) {
  let definition
  process.require(file, undefined, { Component: (given) => { definition = given } })
  const events = []
  const data = {}
  for (const [name, declared] of Object.entries(definition.properties || {})) data[name] = declared.value
  Object.assign(data, definition.data)
  const self = Object.assign({}, definition.methods, {
    data,
    setData(changed) {
      // The two threads of a mini-program exchange JSON.
      Object.assign(data, copy(process, changed))
      for (const [names, observer] of Object.entries(definition.observers || {})) {
        const watched = names.split(',').map((name) => name.trim())
        if (watched.some((name) => name in changed)) observer.apply(self, watched.map((name) => data[name]))
      }
    },
    triggerEvent: (name, detail) => events.push({ name, detail }),
    createIntersectionObserver(options) {
      const observer = { options, selector: '', callback: null, connected: true }
      process.observers.push(observer)
      const made = {
        relativeToViewport: () => made,
        observe(selector, callback) { Object.assign(observer, { selector, callback }) },
        disconnect() { observer.connected = false },
      }
      return made
    },
  })
  const lifetimes = definition.lifetimes || {}
  if (lifetimes.attached) lifetimes.attached.call(self)
  self.setData(properties)
  if (lifetimes.ready) lifetimes.ready.call(self)
  return {
    data,
    events,
    set: (changed) => self.setData(changed),
    call: (method, dataset, detail) => self[method]({ currentTarget: { dataset }, detail }),
    pageHide: () => definition.pageLifetimes.hide.call(self),
    pageShow: () => definition.pageLifetimes.show.call(self),
    detach: () => lifetimes.detached.call(self),
    /** Tells the observer that is connected how much of a card is in view. */
    visible(index, ratio) {
      const live = process.observers.filter((observer) => observer.connected && observer.callback).pop()
      live.callback({ dataset: { index }, intersectionRatio: ratio })
    },
  }
}

/** A page from its source; its images are loaded as its data names them. */
export function page(process, source, globals) {
  let definition
  process.require('page.js', source, Object.assign({ Page: (given) => { definition = given } }, globals))
  return instance(process, definition)
}

/** A further instance of the page that a file defines. @param {import('./phone.mjs').Process} process @param {string} file */
export function pageIn(process, file) {
  const { definitions } = process
  if (!definitions.has(file)) process.require(file, undefined, { Page: (given) => definitions.set(file, given) })
  return instance(process, definitions.get(file))
}

function instance(process, definition) {
  const seen = new Set()
  const self = Object.assign({}, definition, {
    data: copy(process, definition.data || {}),
    setData(changed) {
      Object.assign(self.data, copy(process, changed))
      const images = (value) => {
        if (!value || typeof value !== 'object') return
        for (const [key, inner] of Object.entries(value)) {
          if (key === 'image' && typeof inner === 'string' && !seen.has(inner)) {
            seen.add(inner)
            process.record('image', inner)
          } else images(inner)
        }
      }
      images(changed)
    },
  })
  return self
}
