// @ts-check
// Basket and favourites of this demo: kept in memory only, gone with the process. A real shop keeps them on its server, with its own consent.

/** @type {Map<string, number>} */
const basket = new Map()
/** @type {Set<string>} */
const favourites = new Set()

/** @param {string} id */
exports.add = function (id) { basket.set(id, (basket.get(id) || 0) + 1) }

/** @param {string} id */
exports.remove = function (id) { basket.delete(id) }

/** @returns {{ id: string, count: number }[]} */
exports.lines = function () { return Array.from(basket, ([id, count]) => ({ id, count })) }

/**
 * @param {string} id
 * @returns {boolean} whether it is a favourite now
 */
exports.toggleFavourite = function (id) {
  if (!favourites.delete(id)) favourites.add(id)
  return favourites.has(id)
}

/** @param {string} id */
exports.isFavourite = function (id) { return favourites.has(id) }

exports.favourites = function () { return Array.from(favourites) }
