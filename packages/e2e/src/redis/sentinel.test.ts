// Nodes behind Redis Sentinel: a failover that loses nothing, and one that loses what the replica had not received. Real processes throughout.
import { it as base, describe, expect } from 'vitest'
import { Audience, judge } from './audience.ts'
import { Node } from './nodes.ts'
import { Sentinels } from './sentinels.ts'

/** Two nodes behind Sentinels of their own, clients of both, and what was published. */
class Stage {
  readonly acknowledged: number[] = []

  private constructor(
    readonly sentinels: Sentinels,
    readonly nodes: readonly [Node, Node],
    readonly audience: Audience,
  ) {}

  static async start(): Promise<Stage> {
    const sentinels = await Sentinels.start()
    const nodes = await Promise.all([Node.start(sentinels.target), Node.start(sentinels.target)])
    return new Stage(sentinels, nodes, await Audience.at(nodes.map(({ port }) => port)))
  }

  get newest(): number {
    return this.acknowledged.at(-1) ?? 0
  }

  /** Returns how often it was refused before. */
  async publish(node: Node, count: number): Promise<number> {
    let refused = 0
    for (let i = 0; i < count; i++) {
      const sequence = this.newest + 1
      refused += await node.publish(sequence)
      this.acknowledged.push(sequence)
    }
    return refused
  }

  async close(): Promise<void> {
    this.audience.close()
    await Promise.all(this.nodes.map(({ child }) => child.kill()))
    await this.sentinels.close()
  }
}

const it = base.extend<{ stage: Stage }>({
  // biome-ignore lint/correctness/noEmptyPattern: the runner reads from it what a fixture needs
  stage: async ({}, use) => {
    const stage = await Stage.start()
    await use(stage)
    await stage.close()
  },
})

describe.skipIf(!process.env['REDIS_SERVER']).concurrent('a failover by Sentinel', () => {
  it('to a replica that has everything loses nothing, on any transport', async ({ stage }) => {
    const { sentinels, nodes, audience, acknowledged } = stage
    const { first, second } = sentinels
    await stage.publish(nodes[0], 20)
    await audience.heard(stage.newest)
    expect(await first.command('WAIT', 1, 10_000)).toBe(1)
    await first.kill()
    // Whoever waits for the failover does so here: the publisher is refused until there is a primary again.
    expect(await stage.publish(nodes[1], 20)).toBeGreaterThan(0)
    await sentinels.promoted(second)
    await stage.publish(nodes[0], 1)
    await audience.heard(stage.newest)
    expect(audience.judge(acknowledged)).toEqual([])
    for (const [name, told] of audience.told) {
      expect([name, told.filter((one) => one !== 'gap')]).toEqual([name, acknowledged])
      // The log is another one now, and nobody can know that it lost nothing.
      expect([name, told.filter((one) => one === 'gap').length]).toEqual([name, 1])
    }
  })

  it('to a replica that lagged tells a gap before anything newer, on any transport', async ({ stage }) => {
    const { sentinels, nodes, audience, acknowledged } = stage
    const { first, second } = sentinels
    await stage.publish(nodes[0], 5)
    await audience.heard(stage.newest)
    expect(await first.command('WAIT', 1, 10_000)).toBe(1)

    // The replica can't come back, and the second node sleeps: it alone could not have heard what is lost.
    await second.command('CONFIG', 'SET', 'masterauth', 'wrong')
    await first.command('CLIENT', 'KILL', 'TYPE', 'replica')
    nodes[1].child.freeze()
    await first.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
    const before = stage.newest
    await stage.publish(nodes[0], 5)
    const lost = acknowledged.filter((sequence) => sequence > before)
    expect(await first.command('WAIT', 1, 100)).toBe(0)
    await first.kill()
    await second.command('CONFIG', 'SET', 'masterauth', '')
    nodes[1].child.thaw()

    await stage.publish(nodes[0], 5)
    await sentinels.promoted(second)
    await audience.heard(stage.newest)
    expect(audience.judge(acknowledged)).toEqual([])
    for (const [name, told] of audience.told) {
      const gap = told.indexOf('gap')
      const newer = told.findIndex((one) => typeof one === 'number' && one > (lost.at(-1) as number))
      expect([name, gap >= 0 && gap < newer]).toEqual([name, true])
      // The control: for those of the node that slept it is really lost.
      if (name.startsWith('1 ')) expect(told.filter((one) => lost.includes(one as number))).toEqual([])
    }
  })
})

describe('the judge', () => {
  it.each([
    ['one that is missing without a gap', [1, 3], ['no 2, and no gap before 3']],
    ['a gap that comes too late', [1, 3, 'gap'], ['no 2, and no gap before 3']],
    ['one that comes twice', [1, 2, 2, 3], ['2 twice']],
    ['one that comes too late', [1, 'gap', 3, 2], ['2 behind 3']],
    ['an end that is missing', [1, 2, 'gap'], ['no 3 at the end']],
  ] as const)('sees %s', (_, told, findings) => {
    expect(judge(told, [1, 2, 3])).toEqual(findings)
    expect(judge([1, 'gap', 3], [1, 2, 3])).toEqual([])
  })
})
