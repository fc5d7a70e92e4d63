// @ts-check
// The recommender opens here, once, before any page: its start runs behind the first paint.
require('./recommender')
const shell = require('./services/shell')

App({
  onLaunch() { shell.labelTabs() },
})
