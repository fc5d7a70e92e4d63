// @ts-check
const zhiji = require('../../recommender')
const catalogue = require('../../services/catalogue')
const basket = require('../../services/basket')
const reasons = require('../../services/reasons')
const recommendation = require('../../services/recommendation')
const shell = require('../../services/shell')
const i18n = require('../../i18n/index')

const ALIKE = 6

/**
 * @typedef {import('../../services/catalogue').Item} Item
 * @typedef {{ detail: { field: 'category' | 'brand' | 'creator' | 'tags', value: string } }} Choice what the reasons' buttons name
 */

Page({
  id: '',
  /** @type {any} */
  visit: null,
  data: {
    t: i18n.words(),
    language: i18n.language(),
    item: /** @type {Item | null} */ (null),
    missing: false,
    stock: '',
    reviews: '',
    favourite: false,
    alike: /** @type {any[]} */ ([]),
    why: false,
    reasons: /** @type {any[]} */ ([]),
  },

  /** @param {Record<string, string | undefined>} query */
  onLoad(query) {
    this.id = decodeURIComponent(query.id || '')
    const item = catalogue.item(this.id)
    this.setData({ t: i18n.words(), language: i18n.language() })
    if (!item) return this.setData({ missing: true })
    shell.title(item.show.brand)
    this.visit = zhiji.visit(item.id)
    this.present(item)
    // From memory, all of it: what stands beside an item must not show on the network which item it is.
    const others = catalogue.loaded().filter((other) => other.spu !== item.spu && other.stock > 0)
    this.setData({ alike: zhiji.rank(others, { surface: 'item', slots: ALIKE }).items })
  },

  onShow() { if (this.visit) this.visit.resume() },
  onHide() { if (this.visit) this.visit.pause() },
  onUnload() { if (this.visit) this.visit.end() },

  /** @param {Item} item */
  present(item) {
    const words = i18n.words().item
    this.setData({
      item,
      stock: item.stock > 0 ? i18n.fill(words.stock, { count: item.stock }) : words.soldOut,
      reviews: i18n.fill(words.reviews, { count: item.reviews }),
      favourite: basket.isFavourite(item.id),
    })
  },

  onFavourite() {
    const favourite = basket.toggleFavourite(this.id)
    if (favourite) zhiji.track('favourite', this.id)
    this.setData({ favourite })
  },

  onCart() {
    basket.add(this.id)
    zhiji.track('cart', this.id)
    shell.notice(i18n.words().item.inCart)
  },

  onBuy() {
    const item = catalogue.sellOne(this.id)
    if (!item) return
    zhiji.items.patch(item.id, { stock: item.stock })
    zhiji.track('purchase', item.id, { value: item.price })
    this.present(item)
    shell.notice(i18n.words().item.bought)
  },

  onWhy() { this.setData({ why: true, reasons: reasons.sentences(zhiji.explain(this.id), zhiji.interests()) }) },

  onWhyClose() { this.setData({ why: false }) },

  /** @param {Choice} event */
  onBlock(event) {
    const { field, value } = event.detail
    zhiji.block(field, value)
    this.acted(i18n.fill(i18n.words().why.blocked, { value: catalogue.name(value) }))
  },

  /** @param {Choice} event */
  onForget(event) {
    const { field, value } = event.detail
    // The time spent on this page is told now and goes with the rest; told on leaving, it would bring the interest back.
    this.visit.end()
    zhiji.forget({ field, value })
    this.acted(i18n.fill(i18n.words().why.forgotten, { value: catalogue.name(value) }))
  },

  /** @param {string} notice */
  acted(notice) {
    recommendation.changed()
    this.setData({ why: false })
    shell.notice(notice)
  },

  /** @param {{ detail: { id: string } }} event */
  onOpen(event) { shell.openItem(event.detail.id) },

  onHome() { shell.openTab('home') },
})
