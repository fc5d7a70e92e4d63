// Prints the sum of the sizes that the FILEs have under brotli: a .br is what it is, anything else is compressed alone at the highest quality.
import { statSync } from 'node:fs'
import { compressed } from '../../js/brotli.mjs'

const sizes = process.argv.slice(2).map((file) => (file.endsWith('.br') ? statSync(file).size : compressed(file).length))
console.log(sizes.reduce((sum, size) => sum + size, 0))
