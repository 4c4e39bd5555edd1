/** Two nodes on one Redis behind a balancer, a publisher and herds of clients, for the tests that restart the nodes one after the other. */
import { RedisServer } from '@rt/server/testing'
import { createApp, log } from '../processes/app.ts'
import { Balancer } from '../processes/balancer.ts'
import { Child, type Exit } from '../processes/child.ts'
import type { NodeAsked, NodeTold } from '../processes/node.ts'
import type { HerdAsked, HerdSettings, HerdTold } from './clients.ts'

export interface RestartSettings {
  /** One process each. */
  readonly herds: readonly Pick<HerdSettings, 'clients' | 'present'>[]
  readonly channels: number
  /** Milliseconds from one publication to the next. */
  readonly pace: number
  /** Milliseconds. */
  readonly drain: number
}

export interface Restart {
  /** Connections per second from the beginning of this drain on, one number for each second up to the end of the process. */
  readonly arrivals: readonly number[]
  /** Milliseconds from the signal to the end of the process. */
  readonly took: number
  readonly exit: Exit & { readonly stderr: string }
}

export interface RestartReport {
  readonly published: number
  readonly restarts: readonly Restart[]
  readonly herds: readonly Extract<HerdTold, { type: 'heard' }>[]
  /** Of the clients' processes, once closed. */
  readonly exits: readonly unknown[]
}

const script = (path: string) => new URL(path, import.meta.url)

/** Runs it all and leaves nothing behind. */
export async function restartUnder({ herds, channels, pace, drain }: RestartSettings): Promise<RestartReport> {
  const undo: (() => unknown)[] = []
  try {
    const redis = await RedisServer.start()
    undo.push(() => redis.close())
    const node = async (port: number) => {
      const child = new Child<NodeTold, NodeAsked>(script('../processes/node.ts'), { redis: redis.url, port })
      undo.push(() => child.kill())
      return { child, port: (await child.next('ready')).port }
    }
    const nodes = [await node(0), await node(0)]
    const balancer = await Balancer.start(nodes.map(({ port }) => port))
    undo.push(() => balancer.close())
    const children = herds.map((herd) => {
      const child = new Child<HerdTold, HerdAsked>(script('clients.ts'), { ...herd, url: balancer.url, channels })
      undo.push(() => child.kill())
      return child
    })
    await Promise.all(children.map((child) => child.next('ready')))

    const publisher = publishTo(redis.url, channels, pace)
    undo.push(() => publisher.stop())
    const restarts: Restart[] = []
    for (const { child, port } of nodes) {
      const begin = performance.now()
      child.ask({ type: 'close', drain })
      const exit = await child.exited
      const took = performance.now() - begin
      const seconds = new Array<number>(Math.ceil(took / 1000)).fill(0)
      for (const at of balancer.arrivals) {
        const second = Math.floor((at - begin) / 1000)
        if (second in seconds) seconds[second] = (seconds[second] ?? 0) + 1
      }
      restarts.push({ arrivals: seconds, took, exit: { ...exit, stderr: child.stderr } })
      await node(port)
    }
    const sequences = await publisher.stop()
    const heard = children.map((child) => child.next('heard'))
    for (const child of children) child.ask({ type: 'finish', sequences })
    const counts = await Promise.all(heard)
    for (const child of children) child.ask({ type: 'close' })
    const exits = await Promise.all(children.map(async (child) => ({ ...(await child.exited), stderr: child.stderr })))
    return { published: sequences.reduce((a, b) => a + b, 0), restarts, herds: counts, exits }
  } finally {
    for (const run of undo.reverse()) await run()
  }
}

/** A worker without transports that numbers its publications to each channel. */
function publishTo(redisUrl: string, channels: number, pace: number) {
  const rt = createApp(redisUrl)
  const sequences = new Array<number>(channels).fill(0)
  const stored: Promise<unknown>[] = []
  let turn = 0
  const timer = setInterval(() => {
    const channel = turn++ % channels
    const sequence = (sequences[channel] ?? 0) + 1
    sequences[channel] = sequence
    stored.push(rt.publish(log(channel), { publisher: 'worker', sequence }))
  }, pace)
  let stopped: Promise<number[]> | null = null
  /** Resolves with the last number of each channel. */
  const stop = () => {
    stopped ??= (async () => {
      clearInterval(timer)
      await Promise.all(stored)
      await rt.close()
      return sequences
    })()
    return stopped
  }
  return { stop }
}
