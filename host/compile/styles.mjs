// WXSS → CSS: @import, rpx, vh of the page area, element names, and the confinement of styles to their page or component.
import fs from 'node:fs'
import path from 'node:path'
import postcss from 'postcss'
import selectorParser from 'postcss-selector-parser'

/** Compiles app.wxss and the sheet of every unit: unit path → { css, scope }. */
export function compileStyles(project) {
  const sheets = {}
  const usedScopes = new Set()
  const scopeFor = (unit) => {
    const parts = unit.split('/')
    const base = parts.at(-1) === 'index' ? parts.at(-2) : parts.at(-1)
    let scope = base
    for (let n = 2; usedScopes.has(scope); n++) scope = `${base}${n}`
    usedScopes.add(scope)
    return scope
  }
  const compile = (unit, options) => {
    try {
      return compileSheet(project, `${unit}.wxss`, options)
    } catch (error) {
      const file = error.file ? path.relative(project.root, error.file) : `${unit}.wxss`
      project.problems.add(file, error.reason || error.message, error.line)
      return ''
    }
  }
  if (project.has('app.wxss')) sheets.app = { css: compile('app', {}) }
  for (const [unit, { kind, config }] of project.units) {
    const isolation = config.styleIsolation
    const shared = isolation ? /^(page-)?shared$/.test(isolation) : kind === 'page'
    const scope = shared ? undefined : scopeFor(unit)
    const within = kind === 'page' ? `[mp-page="${unit}"]` : undefined
    // A component without a sheet has its scope all the same, so that no class of a page reaches into it.
    sheets[unit] = { scope, css: project.has(`${unit}.wxss`) ? compile(unit, { scope, within }) : '' }
  }
  return sheets
}

/** Compiles one sheet. `scope` prefixes class names (style isolation); `within` confines all rules to one page. */
export function compileSheet(project, file, { scope, within }) {
  const css = readSheet(project, file, new Set())
  css.walkDecls((declaration) => {
    declaration.value = convertUnits(declaration.value)
  })
  css.walkAtRules((rule) => {
    rule.params = convertUnits(rule.params)
  })
  const rewrite = selectorParser((selectors) => {
    selectors.walkTags((tag) => {
      if (/^[a-z]/.test(tag.value)) tag.value = `wx-${tag.value}`
    })
    if (!scope) return
    selectors.walkClasses((name) => {
      name.value = `${scope}--${name.value}`
    })
    selectors.walkPseudos((pseudo) => {
      if (pseudo.value !== ':host') return
      pseudo.replaceWith(selectorParser.attribute({ attribute: 'wx-host', operator: '=', value: scope, quoteMark: '"', raws: {} }))
    })
  })
  css.walkRules((rule) => {
    const inKeyframes = rule.parent.type === 'atrule' && /keyframes$/.test(rule.parent.name)
    if (!inKeyframes) rule.selector = rewrite.processSync(rule.selector)
  })
  if (!within) return css.toString()
  // @scope confines without raising specificity; what it may not contain goes before it.
  const outside = []
  css.walkAtRules(/^(-webkit-keyframes|keyframes|font-face|charset)$/, (rule) => {
    outside.push(rule.toString())
    rule.remove()
  })
  return `${outside.join('\n')}\n@scope (${within}) {\n${css.toString()}\n}`
}

function readSheet(project, file, seen) {
  seen.add(file)
  const full = path.join(project.root, file)
  const css = postcss.parse(fs.readFileSync(full, 'utf8'), { from: full })
  css.walkAtRules('import', (rule) => {
    const target = /["']([^"']+)["']/.exec(rule.params)?.[1]
    if (!target) throw rule.error('@import needs a quoted path')
    const imported = target.startsWith('/') ? target.slice(1) : path.posix.join(path.posix.dirname(file), target)
    if (!project.has(imported)) throw rule.error(`@import not found: ${target}`)
    if (seen.has(imported)) rule.remove()
    else rule.replaceWith(readSheet(project, imported, seen).nodes)
  })
  return css
}

// 750rpx are the screen's width. The screen's height holds the bars too, so `vh` becomes the page area's hundredth.
function convertUnits(value) {
  return value
    .replace(/(-?\d*\.?\d+)rpx\b/g, (_, number) => `${Number((Number(number) / 7.5).toFixed(5))}vw`)
    .replace(/(-?\d*\.?\d+)vh\b/g, (_, number) => `calc(${number} * var(--mp-vh, 1vh))`)
}
