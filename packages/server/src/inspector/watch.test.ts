import { FakeClock } from '@rt/protocol/fake-clock'
import { expect, it } from 'vitest'
import { NODES, Watch } from './watch'

function setUp() {
  const clock = new FakeClock()
  const listeners = new Map<string, () => void>()
  const published: string[] = []
  const rested: number[] = []
  let open = false
  const watch = new Watch({
    clock,
    hub: {
      listen(channel, run) {
        listeners.set(channel, () => run('{}'))
        return () => listeners.delete(channel)
      },
      publishLive(channel) {
        published.push(channel)
        listeners.get(channel)?.()
      },
    },
    snapshot: { take: () => ({}) as never, rest: () => rested.push(clock.monotonic()) },
    looked: () => open,
  })
  return {
    clock,
    watch,
    rested,
    look: () => {
      open = true
      watch.look()
    },
    lookAway: () => {
      open = false
    },
    /** Another node asks. */
    asked: () => listeners.get('$look')?.(),
    said: () => published.splice(0),
  }
}

it('says nothing while nobody looks', () => {
  const { clock, said } = setUp()
  clock.advance(60_000)
  expect(said()).toEqual([])
})

it('asks all nodes once a second while a page is open, and answers itself', () => {
  const { clock, look, lookAway, said, rested } = setUp()
  look()
  look()
  clock.advance(0)
  expect(said()).toEqual(['$look', NODES])
  clock.advance(3000)
  expect(said()).toEqual(['$look', NODES, '$look', NODES, '$look', NODES])
  lookAway()
  clock.advance(60_000)
  expect(said()).toEqual([])
  expect(rested).toHaveLength(1)
  look()
  clock.advance(0)
  expect(said()).toEqual(['$look', NODES])
})

it('answers once a second, however many ask', () => {
  const { clock, asked, said } = setUp()
  for (let i = 0; i < 40; i++) {
    asked()
    clock.advance(100)
  }
  expect(said()).toEqual([NODES, NODES, NODES, NODES, NODES])
})

it('ends with the node', () => {
  const { clock, watch, look, asked, said } = setUp()
  look()
  watch.close()
  asked()
  clock.advance(60_000)
  expect(said()).toEqual([])
})
