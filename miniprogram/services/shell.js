// @ts-check
// What stands around the pages: tab labels, titles, short notices, the way from page to page. Pages never call wx themselves.
const i18n = require('../i18n/index')

/** Labels the tabs in the chosen language. */
exports.labelTabs = function () {
  if (!wx.canIUse('setTabBarItem')) return
  const tabs = i18n.words().tabs
  tabs.forEach((text, index) => wx.setTabBarItem({ index, text, fail() {} }))
}

/** @param {string} title */
exports.title = function (title) { wx.setNavigationBarTitle({ title }) }

/** @param {string} title */
exports.notice = function (title) { wx.showToast({ title, icon: 'none', duration: 1600 }) }

/** @param {string} id */
exports.openItem = function (id) { wx.navigateTo({ url: '/pages/item/item?id=' + encodeURIComponent(id) }) }

/** @param {'home' | 'privacy' | 'mine'} name */
exports.openTab = function (name) { wx.switchTab({ url: '/pages/' + name + '/' + name }) }

exports.openSelftest = function () { wx.navigateTo({ url: '/pages/selftest/selftest' }) }

exports.stopRefresh = function () { wx.stopPullDownRefresh() }

exports.toTop = function () { wx.pageScrollTo({ scrollTop: 0, duration: 0 }) }

/** @param {string} data */
exports.copy = function (data) {
  return new Promise((resolve) => wx.setClipboardData({ data, success: () => resolve(true), fail: () => resolve(false) }))
}
