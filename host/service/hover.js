// hover-class: the class that an element wears while a finger rests on it.
const TEMPORARY = 3 // glass-easel's segment for classes that come and go over those of the template

/** The properties of a built-in that can be hovered, with its own times. */
export const hoverProperties = (startMs, stayMs) => ({
  hoverClass: { type: String, value: 'none' },
  hoverStartTime: { type: Number, value: startMs },
  hoverStayTime: { type: Number, value: stayMs },
  hoverStopPropagation: Boolean,
})

/** Makes one built-in element answer to touch and mouse. */
export function makeHoverable(caller) {
  const element = caller._$
  let timer
  const wear = (on, delayMs) => {
    clearTimeout(timer)
    const { hoverClass } = caller.data
    if (!hoverClass || hoverClass === 'none') return
    timer = setTimeout(() => {
      for (const name of hoverClass.split(/\s+/).filter(Boolean)) element.classList.toggle(name, on, TEMPORARY)
    }, delayMs)
  }
  for (const name of ['touchstart', 'mousedown']) element.addListener(name, () => wear(true, caller.data.hoverStartTime))
  for (const name of ['touchend', 'touchcancel', 'mouseup']) element.addListener(name, () => wear(false, caller.data.hoverStayTime))
}
