/** Child processes that answer questions: how run.mjs, which starts them, and server.mjs and generator.mjs, which answer, talk. */
import { spawn, spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'

export const canPin = availableParallelism() > 1 && spawnSync('taskset', ['--version']).status === 0

const children = new Set()
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130))

function start(command, args, core, stdio) {
  const [file, ...rest] = canPin ? ['taskset', '-c', String(core), command, ...args] : [command, ...args]
  const child = spawn(file, rest, { stdio })
  children.add(child)
  child.on('exit', () => children.delete(child))
  return child
}

/** Starts one of our scripts on a core; `ask(question)` resolves with its answer. */
export function startScript(script, args, core) {
  const node = process.env.RT_BENCH_NODE_ARGS?.split(' ') ?? []
  const path = fileURLToPath(new URL(script, import.meta.url))
  const child = start(process.execPath, [...(script === 'server.mjs' ? node : []), path, ...args], core, [
    'ignore',
    'inherit',
    'inherit',
    'ipc',
  ])
  const waiting = []
  child.on('message', ({ error, value }) => {
    const { resolve, reject } = waiting.shift()
    if (error === undefined) resolve(value)
    else reject(new Error(`${script} ${args.join(' ')}: ${error}`))
  })
  child.on('exit', (code) => {
    for (const { reject } of waiting.splice(0)) reject(new Error(`${script} ${args.join(' ')} ended with ${code}.`))
  })
  return {
    ask: (question, params = {}) =>
      new Promise((resolve, reject) => {
        waiting.push({ resolve, reject })
        child.send({ question, params })
      }),
    async stop() {
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.disconnect()
      await gone
    },
  }
}

/** Starts a program on a core and resolves when it prints `ready`. */
export async function startProgram(command, args, core, ready) {
  const child = start(command, args, core, ['ignore', 'pipe', 'inherit'])
  await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`${command} ended with ${code}.`)))
    let text = ''
    child.stdout.on('data', (chunk) => {
      text += chunk
      if (text.includes(ready)) resolve()
    })
  })
  return () => new Promise((resolve) => child.once('exit', resolve).kill())
}

/** In the child: answers questions by name until the parent goes. */
export function answer(questions) {
  process.on('message', async ({ question, params }) => {
    try {
      process.send({ value: await questions[question](params) })
    } catch (error) {
      process.send({ error: error.stack })
    }
  })
  process.on('disconnect', () => process.exit(0))
}
