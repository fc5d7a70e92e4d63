// @ts-check
// The shop's goods. The only place of the shop that asks the network for anything.
//
// Shards are asked for in their fixed order, 000, 001, 002 …, and how many depends on how far a page was scrolled, on nothing else: not on
// what was looked at, hidden or bought, and not on how many goods a filter left over. An item is shown from memory; no request names one.
const config = require('../config')
const i18n = require('../i18n/index')

/**
 * @typedef {{ id: string, spu: string, category: string, categoryEn: string, brand: string, brandEn: string, creator: string, creatorEn: string,
 *   tags: string[], tagsEn: string[], price: number, stock: number, prior: number, title: string, titleEn: string, emoji: string,
 *   tile: [string, string], rating: number, reviews: number, sold: number }} Sku
 * @typedef {{ language: string, title: string, category: string, brand: string, creator: string, tags: string[], price: string, sold: string,
 *   background: string }} Shown
 * @typedef {Sku & { show: Shown }} Item
 */

const SHARDS = 250
const PER_SHARD = 20
const VERSION = 1

/** @type {Map<string, Item>} every item of the shards loaded so far, in the server's order */
const items = new Map()
/** @type {(Promise<string[]> | undefined)[]} the ids of each shard asked for */
const shards = []
/** @type {Map<string, string>} Chinese names of loaded goods to English ones, for sentences about interests */
const english = new Map()

/**
 * @param {number} n
 * @returns {Promise<string[]>}
 */
function fetchShard(n) {
  return new Promise((resolve, reject) => {
    wx.request({
      url: config.cdn + '/catalogue/' + String(n).padStart(3, '0') + '.json',
      success(response) {
        // A CDN's error page arrives here too: success means only that something was answered.
        const body = /** @type {{ version?: number, items?: Sku[] }} */ (response.data)
        if (response.statusCode !== 200 || !body || body.version !== VERSION || !Array.isArray(body.items)) {
          return reject(new Error('shard ' + n + ': status ' + response.statusCode))
        }
        resolve(body.items.map((sku) => remember(sku)))
      },
      fail(error) { reject(new Error('shard ' + n + ': ' + error.errMsg)) },
    })
  })
}

/**
 * @param {Sku} sku
 * @returns {string}
 */
function remember(sku) {
  english.set(sku.category, sku.categoryEn).set(sku.brand, sku.brandEn).set(sku.creator, sku.creatorEn)
  sku.tags.forEach((tag, k) => english.set(tag, sku.tagsEn[k]))
  items.set(sku.id, Object.assign({}, sku, { show: shown(sku) }))
  return sku.id
}

/**
 * What a card says about an item, in the chosen language.
 * @param {Sku} sku
 * @returns {Shown}
 */
function shown(sku) {
  const language = i18n.language()
  const zh = language === 'zh'
  return {
    language,
    title: zh ? sku.title : sku.titleEn,
    category: zh ? sku.category : sku.categoryEn,
    brand: zh ? sku.brand : sku.brandEn,
    creator: zh ? sku.creator : sku.creatorEn,
    tags: (zh ? sku.tags : sku.tagsEn).slice(0, 3),
    price: sku.price.toFixed(sku.price % 1 ? 1 : 0),
    sold: i18n.sold(sku.sold),
    background: 'linear-gradient(145deg, ' + sku.tile[0] + ', ' + sku.tile[1] + ')',
  }
}

/**
 * The goods of the first `count` shards, asking for those that are missing. Requests leave at once and in order.
 * @param {number} count
 * @returns {Promise<Item[][]>} one list per shard
 */
exports.firstShards = function (count) {
  const wanted = []
  for (let n = 0; n < Math.min(count, SHARDS); n++) {
    let shard = shards[n]
    if (!shard) {
      shard = shards[n] = fetchShard(n)
      // A failure is not kept: the next try asks again.
      shard.catch(() => { shards[n] = undefined })
    }
    wanted.push(shard)
  }
  return Promise.all(wanted).then((lists) => lists.map((ids) => ids.map((id) => /** @type {Item} */ (items.get(id)))))
}

/** How many goods the shelves have in all. */
exports.count = SHARDS * PER_SHARD

/** Forgets what was loaded, so that the next call sees today's stock. Items already known stay readable. */
exports.refresh = function () { shards.length = 0 }

/**
 * How many shards a list of `shownCount` goods needs so that the next `pool` candidates are at hand.
 * @param {number} shownCount
 * @param {number} pool
 */
exports.shardsFor = function (shownCount, pool) { return Math.min(SHARDS, Math.ceil((shownCount + pool) / PER_SHARD)) }

/**
 * @param {string} id
 * @returns {Item | undefined}
 */
exports.item = function (id) { return items.get(id) }

/** Every item loaded so far. */
exports.loaded = function () { return Array.from(items.values()) }

/**
 * One piece is sold. The server would say so in its next shard; the phone need not wait for that.
 * @param {string} id
 */
exports.sellOne = function (id) {
  const item = items.get(id)
  if (item && item.stock > 0) item.stock--
  return item
}

/** Says everything again in the language just chosen. */
exports.translate = function () { items.forEach((item) => { item.show = shown(item) }) }

/**
 * A category, brand, creator or tag in the chosen language.
 * @param {string} value
 */
exports.name = function (value) { return i18n.language() === 'en' ? english.get(value) || value : value }

/**
 * What values are called on the screen, where that is not what they are: in English, and products by a title instead of a number.
 * @returns {Record<string, string>}
 */
exports.names = function () {
  /** @type {Record<string, string>} */
  const names = {}
  if (i18n.language() === 'en') english.forEach((name, value) => { names[value] = name })
  items.forEach((item) => { names[item.spu] = item.show.title })
  return names
}
