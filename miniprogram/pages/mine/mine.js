// @ts-check
const zhiji = require('../../recommender')
const basket = require('../../services/basket')
const catalogue = require('../../services/catalogue')
const recommendation = require('../../services/recommendation')
const shell = require('../../services/shell')
const i18n = require('../../i18n/index')

Page({
  data: {
    t: i18n.words(),
    language: i18n.language(),
    granted: false,
    personal: false,
    cart: /** @type {any[]} */ ([]),
    favourites: /** @type {any[]} */ ([]),
  },

  onShow() { this.present() },

  present() {
    const words = i18n.words()
    shell.title(words.mine.title)
    this.setData({
      t: words,
      language: i18n.language(),
      granted: zhiji.consent.state().status === 'granted',
      personal: recommendation.active(),
      cart: basket.lines().map(({ id, count }) => ({ id, item: catalogue.item(id), count: i18n.fill(words.mine.pieces, { count }) })),
      favourites: basket.favourites().map((id) => ({ id, item: catalogue.item(id) })),
    })
  },

  /** @param {WechatMiniprogram.TouchEvent} event */
  onLanguage(event) {
    i18n.choose(event.currentTarget.dataset.language)
    catalogue.translate()
    shell.labelTabs()
    this.present()
  },

  onPersonal() {
    if (!this.data.granted) return shell.openTab('privacy')
    zhiji.personalisation(!zhiji.personalisation())
    recommendation.switched()
    this.present()
  },

  /** @param {WechatMiniprogram.TouchEvent} event */
  onOpen(event) { shell.openItem(event.currentTarget.dataset.id) },

  /** @param {WechatMiniprogram.TouchEvent} event */
  onRemove(event) {
    basket.remove(event.currentTarget.dataset.id)
    this.present()
  },

  onPrivacy() { shell.openTab('privacy') },

  onSelftest() { shell.openSelftest() },
})
