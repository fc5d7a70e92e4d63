// @ts-check
const recommendation = require('../../services/recommendation')
const shell = require('../../services/shell')
const i18n = require('../../i18n/index')

Page({
  data: { t: i18n.words(), language: i18n.language() },

  onShow() {
    this.setData({ t: i18n.words(), language: i18n.language() })
    shell.title(i18n.words().privacy.title)
  },

  onChange() { recommendation.changed() },
})
