// @ts-check
// The privacy centre: everything the package knows of the user, and every switch over it, on one page.

// @ts-ignore -- the bundle, two folders up once it is built
const zhiji = require('../../index')
const { wordsIn, fill, dayOf } = require('./words')

/** @param {any} interest @param {ReturnType<typeof wordsIn>} words @param {Record<string, string>} names @param {number} strongest */
function shownInterest(interest, words, names, strongest) {
  return {
    key: `${interest.field}:${interest.value}`,
    field: interest.field,
    fieldName: names[interest.field] || interest.field,
    value: interest.value,
    valueName: names[interest.value] || interest.value,
    verdict: interest.weight < 0 ? words.disliked : words.liked,
    negative: interest.weight < 0,
    // A bar too short to be seen says nothing.
    percent: Math.max(6, Math.round(100 * Math.abs(interest.weight) / strongest)),
    because: fill(words.because, { events: interest.events, last: dayOf(words, interest.lastMs, Date.now()) }),
  }
}

Component({
  options: { addGlobalClass: true },
  externalClasses: ['ext-class'],
  properties: {
    space: { type: String, value: '' },
    language: { type: String, value: 'zh' },
    /** Names of the schema's fields and values, as the user reads them. */
    names: { type: Object, value: /** @type {Record<string, string>} */ ({}) },
  },
  data: {
    words: wordsIn('zh'),
    status: 'unknown',
    statusText: '',
    statusNote: '',
    personal: false,
    interests: /** @type {any[]} */ ([]),
    blocks: /** @type {any[]} */ ([]),
    openKey: '',
    exported: '',
    asking: '',
    done: '',
  },
  observers: {
    'language, names'() { this.refresh() },
  },
  lifetimes: {
    attached() {
      const self = /** @type {any} */ (this)
      const handle = this.handle()
      if (handle) {
        self.stop = handle.consent.onChange(() => this.refresh())
        handle.ready().then(() => this.refresh())
      }
      this.refresh()
    },
    detached() {
      const self = /** @type {any} */ (this)
      if (self.stop) self.stop()
    },
  },
  pageLifetimes: {
    show() { this.refresh() },
  },
  methods: {
    handle() { return zhiji.current(this.data.space) },

    refresh() {
      const handle = this.handle()
      const words = wordsIn(this.data.language)
      const names = this.data.names || {}
      const named = (/** @type {string} */ text) => names[text] || text
      const state = handle ? handle.consent.state() : { status: 'unknown', policyVersion: '', atMs: 0 }
      const status = /** @type {'granted' | 'withdrawn' | 'unknown'} */ (state.status)
      const interests = handle ? handle.interests() : []
      const strongest = interests.reduce((most, interest) => Math.max(most, Math.abs(interest.weight)), 1e-9)
      const version = state.policyVersion ? ` · ${words.policy} ${state.policyVersion}` : ''
      this.setData({
        words,
        status,
        statusText: words[status],
        statusNote: state.atMs ? `${words.since} ${dayOf(words, state.atMs, Date.now())}${version}` : '',
        personal: handle ? handle.personalisation() : false,
        interests: interests.map((interest) => shownInterest(interest, words, names, strongest)),
        blocks: (handle ? handle.blocks() : []).map((block) => ({
          key: `${block.field}:${block.value}`, field: block.field, value: block.value, text: `${named(block.field)} · ${named(block.value)}`,
        })),
      })
    },

    /** @param {string} what */
    changed(what) {
      this.refresh()
      this.triggerEvent('change', { what })
    },

    /** True on the second tap of the same button. @param {string} what */
    confirmed(what) {
      if (this.data.asking === what) {
        this.setData({ asking: '' })
        return true
      }
      this.setData({ asking: what, done: '' })
      return false
    },

    onAgree() {
      const handle = this.handle()
      if (handle) handle.consent.grant().then(() => this.changed('consent'))
    },

    onWithdraw() {
      const handle = this.handle()
      if (!handle || !this.confirmed('withdraw')) return
      handle.consent.withdraw({ erase: true }).then(() => {
        this.setData({ exported: '' })
        this.changed('consent')
      })
    },

    /** @param {any} event */
    onSwitch(event) {
      const handle = this.handle()
      if (!handle) return
      handle.personalisation(event.detail.value)
      this.setData({ exported: '' })
      this.changed('personalisation')
    },

    /** @param {any} event */
    onWhy(event) {
      const { key } = event.currentTarget.dataset
      this.setData({ openKey: this.data.openKey === key ? '' : key })
    },

    /** @param {any} event */
    onBlock(event) {
      const { field, value } = event.currentTarget.dataset
      const handle = this.handle()
      if (handle) handle.block(field, value)
      this.changed('block')
    },

    /** @param {any} event */
    onUnblock(event) {
      const { field, value } = event.currentTarget.dataset
      const handle = this.handle()
      if (handle) handle.unblock(field, value)
      this.changed('block')
    },

    /** @param {any} event */
    onForget(event) {
      const { field, value } = event.currentTarget.dataset
      const handle = this.handle()
      if (handle) handle.forget({ field, value })
      this.setData({ exported: '' })
      this.changed('interest')
    },

    onExport() {
      const handle = this.handle()
      if (!handle) return
      const text = this.data.exported ? '' : handle.exportData()
      let shown = text
      try {
        shown = text && JSON.stringify(JSON.parse(text), null, 2)
      } catch (_) {
        // Shown as it is.
      }
      this.setData({ exported: shown, done: '' })
    },

    /** The only way out of the phone for what is known of a user: the user carries it, by this button. */
    onCopy() {
      wx.setClipboardData({ data: this.data.exported, success: () => this.setData({ done: this.data.words.copied }) })
    },

    onErase() {
      const handle = this.handle()
      if (!handle || !this.confirmed('erase')) return
      handle.erase().then(() => {
        this.setData({ exported: '', done: this.data.words.erased })
        this.changed('erase')
      })
    },
  },
})
