// @ts-check
const catalogue = require('../../services/catalogue')
const recommendation = require('../../services/recommendation')
const shell = require('../../services/shell')
const i18n = require('../../i18n/index')

Page({
  data: { t: i18n.words(), language: i18n.language(), names: /** @type {Record<string, string>} */ ({}) },

  onShow() {
    this.setData({ t: i18n.words(), language: i18n.language(), names: Object.assign({}, i18n.words().why.fields, catalogue.names()) })
    shell.title(i18n.words().privacy.title)
  },

  /** @param {{ detail: { what: string } }} event */
  onChange(event) {
    if (event.detail.what === 'personalisation') recommendation.switched()
    else recommendation.changed()
  },
})
