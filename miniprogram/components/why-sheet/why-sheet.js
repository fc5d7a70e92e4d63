// @ts-check
// Says why an item stands where it stands, and lets the person act on each reason.
Component({
  properties: {
    show: { type: Boolean, value: false },
    words: { type: Object, value: /** @type {any} */ ({}) },
    reasons: { type: Array, value: /** @type {any[]} */ ([]) },
  },
  methods: {
    close() { this.triggerEvent('close') },
    keep() {},
    /** @param {WechatMiniprogram.TouchEvent} event */
    block(event) { this.triggerEvent('block', event.currentTarget.dataset) },
    /** @param {WechatMiniprogram.TouchEvent} event */
    forget(event) { this.triggerEvent('forget', event.currentTarget.dataset) },
  },
})
