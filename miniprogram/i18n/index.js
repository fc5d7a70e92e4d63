// @ts-check
// Two languages, one word list each. The choice is the shop's own setting and has nothing to do with what is recommended.
const zh = require('./zh')
const en = require('./en')

const KEY = 'shop-language'
/** @type {'zh' | 'en'} */
let chosen = read()

/** @returns {'zh' | 'en'} */
function read() {
  try {
    return wx.getStorageSync(KEY) === 'en' ? 'en' : 'zh'
  } catch (error) {
    return 'zh' // storage that cannot be read costs a setting, not the page
  }
}

/** @type {() => 'zh' | 'en'} */
exports.language = () => chosen

/** @returns {typeof zh} */
exports.words = () => (chosen === 'zh' ? zh : en)

/** @param {'zh' | 'en'} language */
exports.choose = function (language) {
  chosen = language
  try {
    wx.setStorageSync(KEY, language)
  } catch (error) {
    // Full storage: the choice holds until the shop is closed.
  }
}

/**
 * Puts values into a sentence: `fill('因为{value}', { value: '女装' })`.
 * @param {string} sentence
 * @param {Record<string, string | number>} values
 */
exports.fill = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole))

/**
 * Pieces sold, the way shops print it.
 * @param {number} count
 */
exports.sold = function (count) {
  if (chosen === 'zh') return count >= 10000 ? '已售' + (count / 10000).toFixed(1) + '万' : '已售' + count
  return count >= 1000 ? (count / 1000).toFixed(1) + 'k sold' : count + ' sold'
}
