// Writes FILE.br beside each FILE named on the command line, at the highest quality.
import { writeFileSync } from 'node:fs'
import { compressed } from '../../js/brotli.mjs'

for (const file of process.argv.slice(2)) writeFileSync(`${file}.br`, compressed(file))
