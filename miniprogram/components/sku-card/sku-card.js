// @ts-check
// A card and nothing more: what it shows comes in as properties, and what happens to it is the list's business.
Component({
  options: { virtualHost: true },
  properties: {
    item: { type: Object, value: /** @type {any} */ ({ show: { tags: [] } }) },
    index: { type: Number, value: 0 },
    reason: { type: null, value: /** @type {any} */ (null) },
  },
})
