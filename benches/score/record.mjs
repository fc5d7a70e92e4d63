// Writes dated records: a table to read, and one JSON object a line to compare with.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

const number = (x, digits = 3) => (x >= 100 ? Math.round(x).toLocaleString('en') : x.toPrecision(digits))

/** The commit that was measured, and whether anything was changed since. */
function commit() {
  const git = (...words) => execFileSync('git', words, { encoding: 'utf8' }).trim()
  return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '--untracked-files=no') ? ' with changes' : '')
}

const compared = (rows) => [
  '| workload | contender | build | median µs | p95 µs | ratio to the best peer | largest error |',
  '|---|---|---|---:|---:|---:|---:|',
  ...rows.map((row) => `| ${row.workload} | ${row.contender} | ${row.build} | ${number(row.median_us)} | ${number(row.p95_us)} | ` +
    `${row.ratio_to_best_peer.toFixed(2)} | ${row.largest_error.toExponential(1)} |`),
]

const grown = (rows) => [
  '| what grows | how many | median µs | ns for each |',
  '|---|---:|---:|---:|',
  ...rows.map(({ what, size, median_us: us }) => `| ${what} | ${size.toLocaleString('en')} | ${number(us)} | ${number(us * 1000 / size)} |`),
]

const figures = (rows) => [
  '| figure | build | value | budget |',
  '|---|---|---:|---:|',
  ...rows.map(({ figure, build, value, unit, at_most: most, at_least: least }) => {
    const budget = most !== undefined ? `≤ ${number(most)}` : least !== undefined ? `≥ ${number(least)}` : ''
    const broken = value > most || value < least ? ' **not reached**' : ''
    return `| ${figure} | ${build} | ${number(value)} ${unit} | ${budget}${broken} |`
  }),
]

/**
 * Writes `<date>-<section>-<environment>.md` and `.jsonl`.
 *
 * @param {string} folder
 * @param {string} section what was measured
 * @param {string} environment
 * @param {{version: string, rows: object[]}} outcome
 */
export function record(folder, section, environment, { version, rows }) {
  fs.mkdirSync(folder, { recursive: true })
  const base = path.join(folder, `${new Date().toISOString().slice(0, 10)}-${section}-${environment}`)
  fs.writeFileSync(`${base}.jsonl`, rows.map((row) => JSON.stringify({ environment, ...row }) + '\n').join(''))
  const lines = [
    `# ${section}, ${environment}`, '',
    `${version}; ${os.cpus()[0].model}, ${os.cpus().length} cores, load ${os.loadavg()[0].toFixed(1)}; commit ${commit()}.`,
    `Reproduce: \`cargo xtask bench ${section} --environment ${environment}\`.`, '',
    ...('workload' in rows[0] ? compared(rows) : 'what' in rows[0] ? grown(rows) : figures(rows)),
  ]
  fs.writeFileSync(`${base}.md`, lines.join('\n') + '\n')
  console.log(`wrote ${base}.md and .jsonl`)
}
