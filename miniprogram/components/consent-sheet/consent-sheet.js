// @ts-check
// Asks once, in plain words, with two buttons of the same size, weight and colour: neither answer is the easier one.
Component({
  properties: {
    show: { type: Boolean, value: false },
    words: { type: Object, value: /** @type {any} */ ({}) },
  },
  methods: {
    agree() { this.triggerEvent('agree') },
    refuse() { this.triggerEvent('refuse') },
    keep() {}, // taps beside the sheet decide nothing
  },
})
