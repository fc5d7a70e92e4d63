// The phone's body around the screen. The screen's controls are reachable from here too.
const screenFrame = document.querySelector('#screen')
const query = new URLSearchParams(location.search)
query.set('framed', '')
screenFrame.src = `screen.html?${query}`

for (const name of ['__mpHost', '__mpFaults']) {
  Object.defineProperty(window, name, { get: () => screenFrame.contentWindow[name], configurable: true })
}
