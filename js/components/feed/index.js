// @ts-check
// A list of cards that notices what is seen, opened and disliked. The page gives the cards: what `feed.next()` or
// `rank()` returned, each with its place in a slate under `__zhiji`. A card that was disliked keeps its place.

// @ts-ignore -- the bundle, two folders up once it is built
const zhiji = require('../../index')
const { Exposure } = require('./exposure')

const WORDS = {
  zh: { gone: '已减少这类推荐', undo: '撤销', dislike: '不感兴趣', repeated: '看过太多次', unsuitable: '内容不合适' },
  en: { gone: 'You will see less of this', undo: 'Undo', dislike: 'Not interested', repeated: 'Seen too often', unsuitable: 'Not suitable' },
}
/** Codes that go with a dislike. */
const NOT_INTERESTED = 1
const SEEN_TOO_OFTEN = 2
const NOT_SUITABLE = 3
// A long press ends with a tap on some clients.
const AFTER_LONG_PRESS_MS = 400

/** @param {string} language */
function wordsIn(language) {
  const words = language === 'en' ? WORDS.en : WORDS.zh
  return {
    words,
    choices: [
      { code: NOT_INTERESTED, text: words.dislike },
      { code: SEEN_TOO_OFTEN, text: words.repeated },
      { code: NOT_SUITABLE, text: words.unsuitable },
    ],
  }
}

Component({
  options: { addGlobalClass: true, multipleSlots: true },
  externalClasses: ['ext-class', 'ext-lane-class', 'ext-cell-class'],
  properties: {
    /** Name of the space; not needed where there is one. */
    space: { type: String, value: '' },
    /** Where on the page, as in the schema. */
    surface: { type: String, value: '' },
    list: { type: Array, value: /** @type {any[]} */ ([]) },
    columns: { type: Number, value: 2 },
    language: { type: String, value: 'zh' },
    /** Action recorded on a tap; none where it is empty. */
    openAction: { type: String, value: 'open' },
    /** Action recorded when a card was looked at for long; none where it is empty. */
    dwellAction: { type: String, value: '' },
    dwellLeastMs: { type: Number, value: 3000 },
    /** Whether a long press offers 不感兴趣. */
    dislike: { type: Boolean, value: true },
  },
  data: Object.assign({ lanes: [0, 1], menuFor: '', gone: /** @type {Record<string, boolean>} */ ({}) }, wordsIn('zh')),
  observers: {
    columns(/** @type {number} */ columns) { this.setData({ lanes: columns === 1 ? [0] : [0, 1] }) },
    language(/** @type {string} */ language) { this.setData(wordsIn(language)) },
    'list, lanes'() { this.observeLater() },
  },
  lifetimes: {
    attached() {
      const self = /** @type {any} */ (this)
      /** @type {Map<string, any>} what was on a card when it came into view */
      self.cards = new Map()
      self.undo = new Map()
      self.pressedMs = 0
      self.exposure = new Exposure({
        seen: (key, first) => this.impress(self.cards.get(key), first),
        left: (key, dwellMs) => this.dwelt(self.cards.get(key), dwellMs),
      })
    },
    ready() {
      const self = /** @type {any} */ (this)
      this.observeLater()
      const handle = this.handle()
      // Whoever agrees while the list is shown looks at it still.
      if (handle) self.unwatch = handle.consent.onChange(() => self.exposure.again())
    },
    detached() {
      const self = /** @type {any} */ (this)
      self.detachedOnce = true
      if (self.unwatch) self.unwatch()
      if (self.observer) self.observer.disconnect()
      self.exposure.close()
    },
  },
  pageLifetimes: {
    show() { /** @type {any} */ (this).exposure.resume() },
    hide() { /** @type {any} */ (this).exposure.pause() },
  },
  methods: {
    handle() { return zhiji.current(this.data.space) },

    /** Cards that came since are not among those an observer was told to watch, so a new one is made after they are drawn. */
    observeLater() {
      const self = /** @type {any} */ (this)
      if (!self.exposure || self.waiting) return
      self.waiting = true
      const later = typeof wx !== 'undefined' && wx.nextTick ? wx.nextTick : (/** @type {() => void} */ work) => setTimeout(work, 0)
      later(() => {
        self.waiting = false
        if (!self.detachedOnce) this.observe()
      })
    },

    observe() {
      const self = /** @type {any} */ (this)
      if (self.observer) self.observer.disconnect()
      self.observer = this.createIntersectionObserver({ thresholds: [0, 0.5], observeAll: true })
      self.observer.relativeToViewport().observe('.zhiji-feed__cell', (/** @type {any} */ seen) => {
        this.onVisible(Number(seen.dataset.index), seen.intersectionRatio)
      })
    },

    /** @param {number} index @param {number} ratio */
    onVisible(index, ratio) {
      const self = /** @type {any} */ (this)
      const item = this.data.list[index]
      if (!item) return
      const key = `${item.__zhiji ? item.__zhiji.slate : -1}:${item.id}`
      self.cards.set(key, item)
      // Ratios are rounded by the client.
      if (ratio >= 0.499) self.exposure.enter(key)
      else self.exposure.leave(key)
    },

    /** What an event on this card says beside the action. @param {any} item */
    detailOf(item) {
      const shown = item.__zhiji || {}
      /** @type {any} */
      const detail = {}
      const surface = shown.surface || this.data.surface
      if (surface) detail.surface = surface
      if (shown.slate >= 0) detail.slate = shown.slate
      if (shown.position >= 0) detail.position = shown.position
      if (shown.propensity > 0) detail.propensity = shown.propensity
      return detail
    },

    /** @param {string} action @param {any} item @param {any} [more] @returns {boolean} whether it is on record */
    record(action, item, more) {
      const handle = this.handle()
      return Boolean(handle && action && item) && handle.track(action, item.id, Object.assign(this.detailOf(item), more))
    },

    /** @param {any} item @param {boolean} first whether the page was not told before @returns {boolean} whether it is on record */
    impress(item, first) {
      if (!item) return false
      const handle = this.handle()
      const reason = item.__zhiji ? item.__zhiji.reason : 0
      const recorded = Boolean(handle) && this.record(handle.impressionAction, item, reason > 0 ? { reason } : {})
      if (first) this.triggerEvent('impression', { id: item.id, item })
      return recorded
    },

    /** @param {any} item @param {number} dwellMs */
    dwelt(item, dwellMs) {
      if (!item) return
      if (dwellMs >= this.data.dwellLeastMs) this.record(this.data.dwellAction, item, { dwellMs })
      this.triggerEvent('card-dwell', { id: item.id, dwellMs })
    },

    /** @param {any} event */
    onTap(event) {
      const self = /** @type {any} */ (this)
      const item = this.data.list[event.currentTarget.dataset.index]
      if (!item || this.data.menuFor || this.data.gone[item.id] || Date.now() - self.pressedMs < AFTER_LONG_PRESS_MS) return
      this.record(this.data.openAction, item)
      this.triggerEvent('open', { id: item.id, item, position: item.__zhiji ? item.__zhiji.position : event.currentTarget.dataset.index })
    },

    /** @param {any} event */
    onLongPress(event) {
      const item = this.data.list[event.currentTarget.dataset.index]
      if (!item || !this.data.dislike || this.data.gone[item.id]) return
      const self = /** @type {any} */ (this)
      self.pressedMs = Date.now()
      this.setData({ menuFor: item.id })
    },

    onCloseMenu() {
      const self = /** @type {any} */ (this)
      if (Date.now() - self.pressedMs >= AFTER_LONG_PRESS_MS) this.setData({ menuFor: '' })
    },

    onNothing() {},

    /** @param {any} event */
    onDislike(event) {
      const self = /** @type {any} */ (this)
      const { id, code } = event.currentTarget.dataset
      const handle = this.handle()
      if (handle) self.undo.set(id, handle.feedback(id, Number(code)))
      this.setData({ menuFor: '', gone: Object.assign({}, this.data.gone, { [id]: true }) })
      this.triggerEvent('dislike', { id, reason: Number(code) })
    },

    /** @param {any} event */
    onUndo(event) {
      const self = /** @type {any} */ (this)
      const { id } = event.currentTarget.dataset
      const given = self.undo.get(id)
      if (given) given.undo()
      self.undo.delete(id)
      this.setData({ gone: Object.assign({}, this.data.gone, { [id]: false }) })
      this.triggerEvent('dislike-undo', { id })
    },
  },
})
