import { describe, expect, it } from 'vitest'
import { Token } from './token'

function setUp() {
  let time = 0
  let calls = 0
  const token = new Token(
    async () => `t${++calls}`,
    () => time,
  )
  return {
    token,
    calls: () => calls,
    pass: (ms: number) => {
      time += ms
    },
  }
}

describe('a token that is fetched', () => {
  it('is fetched once for all who wait for it', async () => {
    const { token, calls } = setUp()
    await Promise.all([token.fetch(), token.fetch()])
    expect(token.value).toBe('t1')
    expect(calls()).toBe(1)
  })

  it('is renewed when it is refused; a new one that is refused within 30 s is refused for good', async () => {
    const { token, pass } = setUp()
    await token.fetch()
    expect(token.renew('t1')).toBe(true)
    await token.fetch()
    expect(token.value).toBe('t2')
    pass(29_999)
    expect(token.renew('t2')).toBe(false)
    pass(1)
    expect(token.renew('t2')).toBe(true)
  })

  it('that was accepted meanwhile has expired, however short it lived', async () => {
    const { token } = setUp()
    await token.fetch()
    token.renew('t1')
    await token.fetch()
    token.accepted('t1')
    expect(token.renewable('t2')).toBe(false)
    token.accepted('t2')
    expect(token.renew('t2')).toBe(true)
  })

  it('is not blamed for the one before, refused a second time elsewhere', async () => {
    const { token } = setUp()
    await token.fetch()
    expect(token.renew('t1')).toBe(true)
    expect(token.renew('t1')).toBe(true)
    await token.fetch()
    expect(token.renew('t1')).toBe(true)
    expect(token.value).toBe('t2')
  })
})

describe('a token that is asked for before it is refused', () => {
  it('is there until the other one is', async () => {
    const { token } = setUp()
    await token.fetch()
    const asked = token.refresh()
    expect(token.value).toBe('t1')
    expect(await asked).toBe(true)
    expect(token.value).toBe('t2')
  })

  it('is no other one where the source gives the same, or is a text', async () => {
    for (const source of [() => 'same', 'same']) {
      const token = new Token(source, () => 0)
      await token.fetch()
      expect(await token.refresh()).toBe(false)
    }
  })
})

it('that is a text is not renewed', async () => {
  const token = new Token('t', () => 0)
  await token.fetch()
  expect(token.renew('t')).toBe(false)
})
