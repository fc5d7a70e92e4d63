// @ts-check
// Where the shop's static files lie. A real shop also lists this host under "request legal domains" in the WeChat console.
module.exports = {
  cdn: 'https://cdn.example.com/shop',
  // Asked again when this changes: a person agrees to a text, not to a button.
  policyVersion: '1',
  purposes: ['recommend'],
}
