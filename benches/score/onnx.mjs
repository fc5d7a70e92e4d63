// onnxruntime-web: wasm with SIMD, one thread. A session is made before the clock starts; tensors are made around the caller's arrays.
import * as graphs from './onnx-graphs.mjs'

export async function open(ort, paths) {
  ort.env.wasm.numThreads = 1
  if (paths) ort.env.wasm.wasmPaths = paths
  ort.env.logLevel = 'error'
  return {
    async session(file, read = ({ out }) => out.data) {
      const session = await ort.InferenceSession.create(file, { executionProviders: ['wasm'], graphOptimizationLevel: 'all' })
      return async (inputs) => read(await session.run(inputs))
    },
    single: (numbers, dims) => new ort.Tensor('float32', numbers, dims),
    whole: (numbers, dims) => new ort.Tensor('int32', numbers, dims),
  }
}

export async function linear(onnx, workload) {
  const run = await onnx.session(graphs.linear(workload))
  const { rows, columns, x } = workload
  return () => run({ x: onnx.single(x, [rows, columns]) })
}

const fmBy = (graph) => async (onnx, workload) => {
  const run = await onnx.session(graph(workload))
  const { rows, active, index, value } = workload
  return () => run({ index: onnx.whole(index, [rows, active]), value: onnx.single(value, [rows, active]) })
}
export const fm = fmBy(graphs.fm)
export const fmRewritten = fmBy(graphs.fmRewritten)

export async function cbPredict(onnx, workload) {
  const run = await onnx.session(graphs.cbPredict(workload))
  const { actions, active } = workload
  return (index) => run({ index: onnx.whole(index, [actions, active]) })
}

const dinBy = (graph) => async (onnx, workload) => {
  const run = await onnx.session(graph(workload))
  const { history, candidates } = workload
  return () => run({ history: onnx.whole(history, [history.length]), candidates: onnx.whole(candidates, [candidates.length]) })
}
export const din = dinBy(graphs.din)
export const dinRewritten = dinBy(graphs.dinRewritten)

const sasrecBy = (graph) => async (onnx, workload) => {
  const run = await onnx.session(graph(workload), ({ index, out }) => ({ index: index.data, score: out.data }))
  const { history } = workload
  return () => run({ history: onnx.whole(history, [history.length]) })
}
export const sasrec = sasrecBy(graphs.sasrec)
export const sasrecRewritten = sasrecBy(graphs.sasrecRewritten)
