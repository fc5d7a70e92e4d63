// @ts-check
'use strict'
// Ids become small integers once; after that only integers and numbers cross into wasm.

/** @param {any} a @param {any} b */
function same(a, b) {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((value, at) => value === b[at])
  return a === b || (a === undefined && b === null) || (a === null && b === undefined)
}

class Interner {
  /** @param {import('./schema').Outline} outline */
  constructor(outline) {
    this.names = outline.stored.concat(outline.volatiles)
    /** @type {Map<string, {handle: number, record: any}>} */
    this.known = new Map()
  }

  /**
   * The item with the schema's fields only: a page's title and picture never enter the engine.
   * @param {any} item
   */
  record(item) {
    /** @type {any} */
    const record = { id: item.id }
    for (const name of this.names) {
      const value = item[name]
      if (value !== undefined && value !== null) record[name] = Array.isArray(value) ? value.slice() : value
    }
    return record
  }

  /** @param {any} item */
  isCurrent(item) {
    const known = this.known.get(item.id)
    return known !== undefined && this.names.every((name) => same(item[name], known.record[name]))
  }

  /**
   * Handles of items, new or changed ones given to the engine in one call. A list with an item that the engine refuses is
   * given one by one, so that one bad item costs itself; its handle is -1.
   * @param {any} engine
   * @param {any[]} items
   * @param {(error: any) => void} refused
   * @returns {number[]}
   */
  handles(engine, items, refused) {
    const stale = items.filter((item) => !this.isCurrent(item))
    if (stale.length) {
      const records = stale.map((item) => this.record(item))
      try {
        this.keep(records, engine.upsertItems(records))
      } catch (error) {
        if (/** @type {any} */ (error).code !== 'BAD_ITEM') throw error
        for (const record of records) {
          try {
            this.keep([record], engine.upsertItems([record]))
          } catch (single) {
            if (/** @type {any} */ (single).code !== 'BAD_ITEM') throw single
            this.known.delete(record.id)
          }
        }
        refused(error)
      }
    }
    return items.map((item) => {
      const known = this.known.get(item.id)
      return known ? known.handle : -1
    })
  }

  /**
   * @param {any[]} records
   * @param {Uint32Array} handles
   */
  keep(records, handles) {
    records.forEach((record, at) => this.known.set(record.id, { handle: handles[at], record }))
  }

  /** @param {string} id */
  handleOf(id) {
    const known = this.known.get(id)
    return known ? known.handle : -1
  }

  /** @param {string} id */
  recordOf(id) {
    const known = this.known.get(id)
    return known && known.record
  }

  /** @param {string[]} ids */
  remove(ids) {
    for (const id of ids) this.known.delete(id)
  }
}

module.exports = { Interner }
