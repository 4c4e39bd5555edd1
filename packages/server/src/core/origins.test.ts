import { describe, expect, it } from 'vitest'
import { readOrigins } from './origins'

describe('by default', () => {
  const allows = readOrigins(undefined)

  it('allows pages of the same host and port, whatever the scheme behind a proxy', () => {
    expect(allows('https://app.example.com', 'app.example.com')).toBe(true)
    expect(allows('http://localhost:3000', 'localhost:3000')).toBe(true)
    expect(allows('https://app.example.com', 'App.Example.com:443')).toBe(true)
  })

  it.each([
    ['https://evil.example', 'app.example.com'],
    ['https://app.example.com.evil.example', 'app.example.com'],
    ['https://evil-app.example.com', 'app.example.com'],
    ['http://localhost:3001', 'localhost:3000'],
    ['https://app.example.com, https://evil.example', 'app.example.com'],
    ['null', 'app.example.com'],
    ['', 'app.example.com'],
    ['https://user@app.example.com', 'app.example.com'],
    ['https://app.example.com', null],
    ['https://app.example.com', 'app.example.com/x'],
  ])('refuses %j for host %j', (origin, host) => {
    expect(allows(origin, host)).toBe(false)
  })

  it('is not about requests without an Origin', () => {
    expect(allows(null, 'app.example.com')).toBe(true)
  })
})

describe('with a list', () => {
  it('takes exact origins only, and not even the own host', () => {
    const allows = readOrigins(['https://app.example.com'])
    expect(allows('https://app.example.com', 'api.example.com')).toBe(true)
    expect(allows('http://app.example.com', 'api.example.com')).toBe(false)
    expect(allows('https://app.example.com:8443', 'api.example.com')).toBe(false)
    expect(allows('https://api.example.com', 'api.example.com')).toBe(false)
  })

  it.each(['https://app.example.com/', 'app.example.com', '*.example.com', 'https://App.example.com', '*'])(
    'throws at start for %j, which no browser sends',
    (origin) => {
      expect(() => readOrigins([origin])).toThrow(/^origins: .*https:\/\/app\.example\.com/)
    },
  )
})

it('asks a function, which must say true', () => {
  const allows = readOrigins((origin) => origin.endsWith('.example.com') || (1 as unknown as boolean))
  expect(allows('https://a.example.com', null)).toBe(true)
  expect(allows('https://other', null)).toBe(false)
})

it("allows all with '*'", () => {
  expect(readOrigins('*')('https://anything', null)).toBe(true)
})
