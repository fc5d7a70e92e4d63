// @ts-check
const { open } = require('zhiji')
const config = require('./config')

module.exports = open({
  schema: require('./schema'),
  manifest: config.cdn + '/manifest.json',
  root: require('./root'),
})
