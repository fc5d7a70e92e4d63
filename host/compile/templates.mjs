// WXML and WXS → the template objects that glass-easel runs.
import { createRequire } from 'node:module'
import fs from 'node:fs'
import path from 'node:path'
import { TEMPLATE_KEYWORDS, lineOf } from './project.mjs'

const { TmplGroup } = createRequire(import.meta.url)('glass-easel-template-compiler')

/** Compiles the templates of every unit, with what they import and include. Gives the JavaScript expression of the group. */
export function compileTemplates(project, builtinNames) {
  const group = new TmplGroup()
  const added = new Set()

  const addScript = (name) => {
    if (added.has(`${name}.wxs`)) return
    added.add(`${name}.wxs`)
    if (!project.has(`${name}.wxs`)) return project.problems.add(`${name}.wxs`, 'is missing')
    const { source, required } = withoutExtensions(project.text(`${name}.wxs`), name)
    group.addScript(name, source)
    required.forEach(addScript)
  }

  const addTemplate = (name) => {
    if (added.has(`${name}.wxml`)) return
    added.add(`${name}.wxml`)
    if (!project.has(`${name}.wxml`)) return project.problems.add(`${name}.wxml`, 'is missing')
    const written = project.text(`${name}.wxml`)
    const source = written.replace(/(<wxs\b[^>]*>)([\s\S]*?)(<\/wxs>)/g, (_, open, body, close) => {
      const inline = withoutExtensions(body, name)
      inline.required.forEach(addScript)
      return open + inline.source + close
    })
    for (const finding of group.addTmpl(name, source)) {
      // A missing end tag is only a warning for this compiler, but WeChat's own refuses it.
      if (finding.level === 'Note') continue
      project.problems.add(`${name}.wxml`, finding.message, finding.startLine + 1)
    }
    group.getDirectDependencies(name).forEach(addTemplate)
    group.getScriptDependencies(name).forEach(addScript)
    const unit = project.units.get(name)
    if (unit) checkTags(project, name, source, unit.config, builtinNames)
  }

  for (const name of project.units.keys()) addTemplate(name)
  return group.getTmplGenObjectGroups()
}

// WXS requires `./other.wxs`; the compiler knows its modules without the extension.
function withoutExtensions(text, name) {
  const required = []
  const source = text.replace(/(\brequire\(\s*['"])([^'"]+)\.wxs(['"]\s*\))/g, (_, before, spec, after) => {
    required.push(path.posix.join(path.posix.dirname(name), spec))
    return before + spec + after
  })
  return { source, required }
}

/** Compiles the templates of the host's own components. */
export function compileBuiltins(dir) {
  const group = new TmplGroup()
  const names = fs.readdirSync(dir).filter((file) => file.endsWith('.wxml')).map((file) => file.slice(0, -5)).sort()
  for (const name of names) {
    const findings = group.addTmpl(name, fs.readFileSync(path.join(dir, `${name}.wxml`), 'utf8'))
    for (const finding of findings) {
      if (finding.isError) throw new Error(`built-in ${name}.wxml:${finding.startLine + 1}: ${finding.message}`)
    }
  }
  return { names, code: group.getTmplGenObjectGroups() }
}

// glass-easel would render an unknown element as a plain one; on the phone it shows nothing. So it is an error here.
function checkTags(project, name, source, config, builtinNames) {
  const known = new Set([
    ...builtinNames,
    ...TEMPLATE_KEYWORDS,
    ...Object.keys(config.usingComponents || {}),
    ...Object.keys(config.componentGenerics || {}),
  ])
  const blank = (text) => text.replace(/[^\n]/g, ' ')
  const visible = source.replace(/<!--[\s\S]*?-->/g, blank).replace(/<wxs\b[^>]*>[\s\S]*?<\/wxs>/g, blank)
  for (const match of visible.matchAll(/<([a-zA-Z][\w-]*)/g)) {
    if (known.has(match[1])) continue
    known.add(match[1])
    project.problems.add(`${name}.wxml`, `<${match[1]}> is neither a built-in of this host nor in usingComponents`,
      lineOf(visible, match.index))
  }
}
