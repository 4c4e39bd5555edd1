// Two days of a page's life, many times over: whatever the network and the browser do, it ends connected, on the best rung, with nothing lost.
import { expect, it } from 'vitest'
import { live } from './page-life.fixture'

const full = process.env['RT_TEST_SIZE'] === 'full'
const LIVES = full ? 1000 : 16
const DAYS = 2

it('two days of a page end connected, on the best transport, with nothing lost', {
  timeout: full ? 3_600_000 : 120_000,
}, async () => {
  const first = Number(process.env['RT_SEED'] ?? Date.now() & 0xffffff)
  console.log(`the life of a page: ${LIVES} lives of ${DAYS} days, seeds ${first} to ${first + LIVES - 1}`)
  let messages = 0
  let links = 0
  for (let seed = first; seed < first + LIVES; seed++) {
    const verdict = await live(seed, DAYS)
    expect(verdict.faults, `seed ${seed}`).toEqual([])
    messages += verdict.messages
    links += verdict.links
  }
  console.log(`${messages} messages heard, over ${links} links; none lost, doubled or out of order`)
  expect(messages).toBeGreaterThan(LIVES * 100)
})
