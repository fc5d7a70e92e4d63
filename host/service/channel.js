/** The channel between a page and the one that opened it. */
export class EventChannel {
  #listeners = new Map()

  on(name, listener) {
    if (!this.#listeners.has(name)) this.#listeners.set(name, [])
    this.#listeners.get(name).push(listener)
  }

  once(name, listener) {
    const single = (...args) => {
      this.off(name, single)
      listener(...args)
    }
    this.on(name, single)
  }

  off(name, listener) {
    const all = this.#listeners.get(name) || []
    this.#listeners.set(name, listener ? all.filter((one) => one !== listener) : [])
  }

  emit(name, ...args) {
    for (const listener of [...(this.#listeners.get(name) || [])]) listener(...args)
  }
}
