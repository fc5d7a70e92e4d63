// @ts-check
// From reason codes to sentences a person understands.
const i18n = require('../i18n/index')
const catalogue = require('./catalogue')

/**
 * @typedef {{ code: string, field: string, value: string, weight: number }} Reason
 * @typedef {{ key: string, code: string, text: string, mark: string, field: string, value: string, blockText: string }} Sentence
 */

/** @type {Record<string, string>} */
const MARKS = { PAGE_ORDER: '🗂️', PINNED: '📌', AD: '📣', MODEL: '✨', INTEREST: '💚', EXPLORE: '🎲', POPULAR: '🔥', RECENT: '👀', HABIT: '🏷️', FATIGUE: '🥱', DISLIKE: '🤏' }

/**
 * @param {Reason} reason
 * @param {boolean} named whether there is a word to speak of
 */
function codeOf(reason, named) {
  if (reason.code === 'INTEREST') return !named ? 'RECENT' : reason.weight < 0 ? 'DISLIKE' : 'INTEREST'
  return reason.code in MARKS ? reason.code : 'MODEL'
}

/**
 * At most four sentences, strongest first; an empty explanation is the shop's own order.
 *
 * "You seemed not to like it" is said only of what the person did turn away from: a model may count a field against an item for
 * reasons that are nobody's taste.
 * @param {Reason[]} reasons
 * @param {{ field: string, value: string, weight: number }[]} interests what is known of the person
 * @returns {Sentence[]}
 */
exports.sentences = function (reasons, interests) {
  const words = i18n.words().why
  /** @type {Record<string, string>} */
  const sayings = /** @type {any} */ (words)
  /** @type {Record<string, string>} */
  const fields = words.fields
  const disliked = new Set(interests.filter((interest) => interest.weight < 0).map((interest) => interest.field + '\n' + interest.value))
  const fair = reasons.filter((reason) => reason.code !== 'INTEREST' || reason.weight >= 0 || disliked.has(reason.field + '\n' + reason.value))
  const given = fair.length ? fair : [{ code: 'PAGE_ORDER', field: '', value: '', weight: 0 }]
  const said = new Set()
  return given.map((reason, k) => {
    // A product's number means nothing to a person: "the same product" is "close to what you looked at".
    const named = Boolean(reason.value) && reason.field !== 'spu'
    const value = named ? catalogue.name(reason.value) : ''
    const code = codeOf(reason, named)
    const text = sayings[code]
    return {
      key: k + code,
      code: reason.code,
      text: i18n.fill(text, { field: fields[reason.field] || reason.field, value }),
      mark: MARKS[code],
      field: reason.field || '',
      // Only what can be blocked or forgotten gets buttons, and by its own name, not by its translation.
      value: code === 'INTEREST' || code === 'DISLIKE' ? reason.value : '',
      blockText: i18n.fill(words.block, { value }),
    }
  }).filter((sentence) => !said.has(sentence.text) && said.add(sentence.text)).slice(0, 4)
}
