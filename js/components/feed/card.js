// @ts-check
// The plain card: shown where the page gives none of its own.
Component({
  options: { addGlobalClass: true },
  properties: {
    item: { type: Object, value: /** @type {any} */ ({}) },
    index: { type: Number, value: 0 },
    reason: { type: Number, value: 0 },
  },
})
